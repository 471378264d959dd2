/** What a plan puts between its jobs and their targets. */
import { OsdynoError } from "../engine/base/error.ts";
import type { OptionLayer } from "../engine/options/option.ts";
import { OptionSet, type OptionSetting } from "../engine/options/option-set.ts";
import { layersAsked, layersNamed } from "./chain.ts";
import { isUnfinished, type PlannedLog, plannedLog, refuseSharedLog, rootIn } from "./log-place.ts";
import { hasPath, type PlannedFile, type PlannedJob } from "./plan-model.ts";
import { refuse } from "./planned-path.ts";
import { resolveExisting } from "./scratch.ts";
import type { NamedShape } from "./shape-profile.ts";
import { deviceClassOf, kindOfClass, type StackChoice } from "./stack.ts";
import { type PlannedStore, pathsOfStore } from "./store-plan.ts";
import { storePlace } from "./store-target.ts";

/** The layers over one target, which all jobs on it share. */
export interface PlannedChain {
  /** The path of its planned files. */
  readonly text: string;
  /** Outermost first. */
  readonly layers: readonly OptionLayer[];
  readonly options: OptionSet;
  /** The write log of a chain that has one. */
  readonly log: PlannedLog | null;
  /** Of the device below the layers; a store has it below itself. */
  readonly shape: NamedShape | null;
}

function optionsOf(
  text: string,
  layers: readonly OptionLayer[],
  stack: StackChoice,
  settings: readonly OptionSetting[],
  onDevice: boolean,
): OptionSet {
  const deviceClass = onDevice
    ? deviceClassOf(text, stack).deviceClass
    : (stack.deviceClass ?? "ssd");
  return new OptionSet({
    layers: new Set(layers),
    kind: kindOfClass(deviceClass),
    settings,
    ...(stack.preset === null ? {} : { preset: stack.preset }),
  });
}

/** A job whose operations can pass a chain: on one target, and alike what else is on it. */
function checkJob(job: PlannedJob, others: readonly PlannedJob[], layers: readonly string[]) {
  const { resolved, files } = job;
  const names = layers.join(", ");
  if (resolved.objects !== null) {
    refuse(resolved, `layers above a target (${names}) work on blocks, and io_unit=object`);
  }
  if (files.length !== 1) {
    refuse(
      resolved,
      `layers above a target (${names}) work on one file a job, not ${files.length}`,
    );
  }
  const [file] = files;
  const first = others.find(({ files: [other] }) => other?.path === file?.path);
  if (first === undefined || file?.kind === "store") {
    return;
  }
  for (const key of ["ioengine", "direct", "sync"] as const) {
    if (first.resolved[key] !== resolved[key]) {
      refuse(
        resolved,
        `jobs ${first.resolved.name} and ${resolved.name} share ${names} over ${file?.path} but differ in ${key}; give them the same`,
      );
    }
  }
}

/** A target that is made anew must not get what a log holds of the one that stood there before. */
function refuseOldWrites(log: PlannedLog, { uri: imageUri, id }: ImageName): void {
  const found = rootIn(log);
  const ours = found?.imageId === id || found?.imageUri === imageUri;
  if (ours && isUnfinished(log)) {
    throw new OsdynoError(
      "unsafe",
      `the write log on ${log.path ?? "?"} may hold writes of what stood at ${imageUri} before, which is made anew; osdyno writelog invalidate gives them up`,
    );
  }
}

/** What a target of its own says of layers: the log of `pwl:LOG+TARGET`. */
function settingsOf({ logDevice }: PlannedJob): readonly OptionSetting[] {
  return logDevice === undefined
    ? []
    : [{ name: "rbd_persistent_cache_path", value: logDevice, origin: "target" }];
}

/** What a log stands before. */
export interface ImageName {
  /** As it is opened again. */
  readonly uri: string;
  /** What proves that it is the same: of a store the identity in its label, which moves with it. */
  readonly id: string;
}

/** The target of a chain as a log remembers it; of a store that is made anew the identity comes with it. */
export function imageNameOf(text: string, onDevice: boolean): ImageName {
  const path = /^store:([^?]*)/.exec(text)?.[1];
  if (path === undefined) {
    const uri = onDevice ? `raw:${resolveExisting(text)}` : text;
    return { uri, id: uri };
  }
  // A store is the same whatever options it is opened with.
  const uri = `store:${path}`;
  const place = storePlace(path);
  return { uri, id: place.kind === "store" ? `store ${place.label.storeId}` : uri };
}

const isMade = (file: PlannedFile, store: PlannedStore | undefined) =>
  file.created || (store !== undefined && store.make !== null);

/** `made`: the target is made anew. */
function logOf(options: OptionSet, image: ImageName, directory: string, made: boolean): PlannedLog {
  const log = plannedLog(options, image.uri, directory);
  if (made) {
    refuseOldWrites(log, image);
  }
  return log;
}

/** What is to be known of the write logs of a run before it, one line each. */
export function logNotes(chains: readonly PlannedChain[]): readonly string[] {
  return chains.flatMap(({ text, log }) =>
    log !== null && isUnfinished(log)
      ? [
          `the write log on ${log.path ?? "?"} was not shut down: what it holds is written back to ${text}, also by jobs that only read`,
        ]
      : [],
  );
}

/** The chains of a run; throws `bad-input` for a job that cannot have one. */
export function chainsOf(
  jobs: readonly PlannedJob[],
  stores: readonly PlannedStore[],
  stack: StackChoice,
  directory: string,
): readonly PlannedChain[] {
  const chains = new Map<string, PlannedChain>();
  for (const job of jobs) {
    const [file] = job.files;
    const store = stores.find(({ text }) => text === file?.path);
    const settings = store?.settings ?? [...stack.settings, ...settingsOf(job)];
    const asked = layersAsked(settings);
    // With all of them switched off the jobs go the same way, for the comparison.
    const shape = store === undefined ? (stack.shape ?? null) : null;
    if (file === undefined || (layersNamed(settings).length === 0 && shape === null)) {
      continue;
    }
    const layers = asked.map(({ layer }) => layer);
    checkJob(job, jobs, shape === null ? layers : [...layers, "a shape"]);
    if (!chains.has(file.path)) {
      const onDevice = file.kind === "file" || file.kind === "block";
      const options =
        store?.options ?? optionsOf(file.path, layersNamed(settings), stack, settings, onDevice);
      for (const layer of asked) {
        layer.check(options);
      }
      const log = layers.includes("writelog")
        ? logOf(options, imageNameOf(file.path, onDevice), directory, isMade(file, store))
        : null;
      chains.set(file.path, { text: file.path, layers, options, log, shape });
    }
  }
  const planned = [...chains.values()];
  refuseSharedLogs(planned, jobs, stores);
  return planned;
}

/** A log must be on nothing that the run works on otherwise. */
function refuseSharedLogs(
  chains: readonly PlannedChain[],
  jobs: readonly PlannedJob[],
  stores: readonly PlannedStore[],
): void {
  const files = jobs.flatMap(({ files: own, resolved }) =>
    own.filter(({ kind }) => hasPath(kind)).map(({ path }) => ({ path, name: resolved.name })),
  );
  for (const { text, log } of chains) {
    if (log === null) {
      continue;
    }
    const others = chains.flatMap((chain) => (chain.text === text ? [] : [chain]));
    refuseSharedLog(log, [
      ...files.map(({ path, name }) => ({
        path: resolveExisting(path),
        what: path === text ? "its own image" : `a file of job ${name},`,
      })),
      ...stores.flatMap((store) =>
        pathsOfStore(store).map((path) => ({
          path,
          what: store.text === text ? "its own image" : "the store",
        })),
      ),
      ...others.flatMap((chain) =>
        chain.log?.path == null
          ? []
          : [{ path: chain.log.path, what: `the write log of ${chain.text} on` }],
      ),
    ]);
  }
}
