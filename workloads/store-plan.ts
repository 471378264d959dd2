/** What a plan does with object stores: which it opens, which it makes, how large. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { OsdynoError } from "../engine/base/error.ts";
import type { ClassDecision } from "../engine/device/classify.ts";
import type { DeviceKind } from "../engine/options/option.ts";
import { OptionSet, type OptionSetting } from "../engine/options/option-set.ts";
import { clientHints } from "../engine/store/client-hints.ts";
import { needsObjects } from "../engine/store/objects/object-mix.ts";
import { otherPaths } from "../engine/store/store-devices.ts";
import { checkHotPaths } from "../engine/store/store-hot-paths.ts";
import { layersNamed } from "./chain.ts";
import { idleOnStore } from "./job/idle-on-store.ts";
import type { ResolvedJob } from "./job/model.ts";
import type { PlannedFile, PlannedJob } from "./plan-model.ts";
import { refuse } from "./planned-path.ts";
import { resolveExisting } from "./scratch.ts";
import type { NamedShape } from "./shape-profile.ts";
import { deviceClassOf, kindOfClass, type StackChoice } from "./stack.ts";
import {
  objectBytesOf,
  parseStoreTarget,
  type StorePlace,
  type StoreTarget,
  storeBytesFor,
  storePlace,
  volumeBytesOf,
} from "./store-target.ts";

/** A store that a run uses. */
export interface PlannedStore {
  /** The path of its planned files. */
  readonly text: string;
  /** What the path leads to. */
  readonly path: string;
  readonly place: StorePlace;
  /** What stands at its db and wal path when it is made, by path. */
  readonly otherPlaces: ReadonlyMap<string, StorePlace>;
  /** It is made, with so many bytes; null: it is opened as it is. */
  readonly make: { readonly sizeBytes: number; readonly objectBytes: number } | null;
  /** Demanded of a store that is there; null: whatever it has. */
  readonly objectBytes: number | null;
  readonly device: ClassDecision;
  readonly options: OptionSet;
  /** What was set, from which the options come. */
  readonly settings: readonly OptionSetting[];
  /** What its main device behaves like; `null`: like itself. */
  readonly shape: NamedShape | null;
}

/** Why a store that is there does not do, as the end of a sentence; null: it does. */
function unlike(target: StoreTarget, place: StorePlace): string | null {
  if (place.kind !== "store") {
    return null;
  }
  if (target.fresh) {
    return "holds an object store, and fresh= makes it anew";
  }
  const { sizeBytes } = target;
  return sizeBytes === null || sizeBytes === place.sizeBytes
    ? null
    : `holds an object store of ${place.sizeBytes} bytes, and size=${sizeBytes} makes it anew`;
}

/** The bytes of the store that is opened or made; null: as many as the jobs need. */
export function storeBytes(target: StoreTarget, place: StorePlace): number | null {
  if (place.kind === "store" && unlike(target, place) === null) {
    return place.label.sizeBytes;
  }
  const whole = place.kind !== "absent" && place.block ? place.sizeBytes : null;
  return target.sizeBytes ?? whole ?? target.blockSizeBytes;
}

function optionsOf(target: StoreTarget, stack: StackChoice, kind: DeviceKind): OptionSet {
  const settings = [...target.settings, ...stack.settings];
  return new OptionSet({
    layers: new Set(["store", ...layersNamed(settings)]),
    kind,
    settings,
    ...(stack.preset === null ? {} : { preset: stack.preset }),
  });
}

/** The target as a run with these choices sees it. */
export function targetWith(target: StoreTarget, stack: StackChoice): StoreTarget {
  const options = optionsOf(target, stack, "ssd");
  const name = "bluestore_block_size";
  return { ...target, blockSizeBytes: options.isSet(name) ? options.number(name) : null };
}

/** The region of one job on a store's volume. `start` and `asked` count from its size. */
export function storeFile(
  job: ResolvedJob,
  target: StoreTarget,
  region: {
    readonly unit: number;
    readonly start: (whole: number) => number;
    /** Null: all that is behind the start. */
    readonly asked: (whole: number) => number | null;
  },
): PlannedFile {
  const place = storePlace(resolveExisting(target.path));
  const bytes = storeBytes(target, place);
  const known = bytes === null ? null : volumeBytesOf(bytes);
  const whole = known ?? job.filesizeBytes?.max ?? 0;
  const offset = region.start(whole);
  let size = region.asked(whole) ?? whole - offset;
  size -= size % region.unit;
  if (size <= 0) {
    refuse(job, `target ${target.text} has no size; add size= to the job or ?size= to the target`);
  }
  if (known !== null && offset + size > known) {
    const needed = storeBytesFor(offset + size);
    refuse(
      job,
      `the volume of ${target.text} has ${known} bytes, the job wants ${offset + size}; lower size= or make a store of size=${needed} or more`,
    );
  }
  return {
    path: target.text,
    kind: "store",
    offsetBytes: offset,
    sizeBytes: size,
    fileBytes: offset + size,
    created: place.kind === "absent",
  };
}

/** What is under a shape is reached through the engine: RocksDB goes to its device by itself. */
function settingsOf(
  target: StoreTarget,
  stack: StackChoice,
  place: StorePlace,
): readonly OptionSetting[] {
  const settings = [...target.settings, ...stack.settings];
  if (stack.shape === undefined) {
    return settings;
  }
  const kv = settings.findLast(({ name }) => name === "bluestore_kvbackend")?.value;
  const there = place.kind === "store" && unlike(target, place) === null ? place.label.kv : kv;
  if (there === "rocksdb") {
    throw new OsdynoError(
      "bad-input",
      `target ${target.text}: --shape acts on waltree and memory only, and this store's metadata are in RocksDB; make it anew with bluestore_kvbackend=waltree`,
    );
  }
  return there === undefined
    ? [...settings, { name: "bluestore_kvbackend", value: "waltree", origin: "--shape" }]
    : settings;
}

/** What is no file and no device is for the safety verdict to refuse. */
function otherPlace(path: string): StorePlace {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined || found.isFile() || found.isBlockDevice()
    ? storePlace(path)
    : { kind: "foreign", block: false, sizeBytes: 0 };
}

/** A store is written to as soon as it is opened: what cannot be is no target, nor is its db or wal device. */
function checkWritable(text: string, paths: readonly string[]): void {
  for (const path of paths.filter((each) => existsSync(each))) {
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const why = code === "EROFS" ? "it is on a read-only file system" : `no permission (${code})`;
      throw new OsdynoError(
        "bad-input",
        `target ${text}: ${path} cannot be written: ${why}; jobs that only read write to a store, too, when it is opened`,
        {},
        error,
      );
    }
  }
}

function planned(target: StoreTarget, neededBytes: number, stack: StackChoice): PlannedStore {
  const path = resolveExisting(target.path);
  const place = storePlace(path);
  const device = deviceClassOf(path, stack);
  const settings = settingsOf(target, stack, place);
  const options = optionsOf(
    { ...target, settings },
    { ...stack, settings: [] },
    kindOfClass(device.deviceClass),
  );
  checkHotPaths(options);
  clientHints(options);
  const there = place.kind === "store" && unlike(target, place) === null;
  const sizeBytes = storeBytes(target, place) ?? storeBytesFor(neededBytes);
  const { text, objectBytes } = target;
  if (place.kind !== "absent" && place.block && sizeBytes > place.sizeBytes) {
    throw new OsdynoError(
      "bad-input",
      `target ${text}: ${path} has ${place.sizeBytes} bytes, not ${sizeBytes}; lower size=`,
    );
  }
  const make = there ? null : { sizeBytes, objectBytes: objectBytesOf(target) };
  if (there) {
    checkWritable(text, pathsOfStore({ path, place, options }));
  }
  const shape = stack.shape ?? null;
  const otherPlaces = new Map(
    otherDevicesMade({ make, options }).map((other) => [other, otherPlace(other)]),
  );
  return { text, path, place, otherPlaces, make, objectBytes, device, options, settings, shape };
}

/** The stores of planned jobs. Throws `bad-input` for one that two jobs describe differently. */
export function storesOf(jobs: readonly PlannedJob[], stack: StackChoice): readonly PlannedStore[] {
  const needed = new Map<string, number>();
  for (const file of jobs.flatMap((job) => job.files).filter(({ kind }) => kind === "store")) {
    needed.set(file.path, Math.max(needed.get(file.path) ?? 0, file.fileBytes));
  }
  const stores = [...needed].map(([text, bytes]) =>
    planned(targetWith(parseStoreTarget(text), stack), bytes, stack),
  );
  for (const [index, store] of stores.entries()) {
    const other = stores.slice(0, index).find(({ path }) => path === store.path);
    if (other !== undefined) {
      throw new OsdynoError(
        "bad-input",
        `targets ${other.text} and ${store.text} are one store with different options; give all jobs the same`,
      );
    }
  }
  return stores;
}

/** What writing to a store's place would destroy, as the end of a sentence; null: nothing. */
export function destroyedBy({ text, place }: PlannedStore): string | null {
  if (place.kind === "foreign" && !place.block && place.sizeBytes === 0) {
    return null;
  }
  return place.kind === "foreign"
    ? "is there and holds no object store"
    : unlike(parseStoreTarget(text), place);
}

/** Paths of the db and wal device that are written anew with a store. */
export function otherDevicesMade({
  make,
  options,
}: Pick<PlannedStore, "make" | "options">): readonly string[] {
  const others = make === null ? [] : Object.values(otherPaths(options, null));
  return others.filter((path) => path !== null).map((path) => resolveExisting(path));
}

/** All files and devices of a planned store. */
export function pathsOfStore({
  path,
  place,
  options,
}: Pick<PlannedStore, "path" | "place" | "options">): readonly string[] {
  const label = place.kind === "store" ? place.label : null;
  const others = Object.values(otherPaths(options, label)).filter((other) => other !== null);
  return [path, ...others.map((other) => resolveExisting(other))];
}

/** Bytes of the volume of a planned store. */
export function plannedVolumeBytes({ make, place }: PlannedStore): number {
  const store = place.kind === "store" ? place.label.sizeBytes : 0;
  return volumeBytesOf(make?.sizeBytes ?? store);
}

/** A mix that ends with fewer objects than it began with, said beforehand. */
function fewerObjects({ objects }: ResolvedJob): string[] {
  return objects === null || objects.delete <= objects.put || objects.delete >= 100
    ? []
    : [
        `object_mix deletes more (${objects.delete}%) than it puts (${objects.put}%): there are fewer objects as the run goes on; the counter objects.objects says how many are left`,
      ];
}

/** What is to be known of a job on a store before it runs, one line each. */
export function storeNotes(job: PlannedJob, stores: readonly PlannedStore[]): string[] {
  const store = stores.find(({ text }) => job.files.some(({ path }) => path === text));
  if (store === undefined) {
    return [];
  }
  const { resolved, objects } = job;
  const laidOut =
    objects !== undefined && resolved.objects !== null && needsObjects(resolved.objects)
      ? [`${objects.count} objects are put before the run where they are not there yet`]
      : [];
  return [...store.options.notes, ...idleOnStore(resolved), ...laidOut, ...fewerObjects(resolved)];
}
