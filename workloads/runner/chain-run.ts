/**
 * The chains of one phase, open: over each target one device that its jobs share, with the layers on it, and
 * for every job a part of that.
 */
import { statSync } from "node:fs";
import { assert } from "../../engine/base/assert.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { ShapedDevice, timerSlackNs } from "../../engine/device/shape.ts";
import { DeviceShare } from "../../engine/device/share.ts";
import { tapStages } from "../../engine/device/stage-tap.ts";
import { isTraced, type StageClock } from "../../engine/device/stages.ts";
import { RealClock } from "../../engine/os/clock.ts";
import { Holds } from "../../engine/os/hold.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import type { Clock } from "../../engine/port/clock.ts";
import { chainLayers, type OpenLayer, slotBytesOf, spareOf } from "../chain.ts";
import { imageNameOf, type PlannedChain } from "../chain-plan.ts";
import { isUnfinished } from "../log-place.ts";
import { hasPath, type PlannedFile, type PlannedJob, type RunPlan } from "../plan-model.ts";
import { blockDeviceBytes } from "../planned-path.ts";
import { type OpenableJob, openJobDevices } from "./engine-run.ts";
import type { StoreSession } from "./store-session.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What jobs on one target want of it together. */
interface Demand {
  readonly depth: number;
  readonly job: OpenableJob;
}

/** The whole length of a target, bytes; where nothing has a path as much as the jobs take. */
function wholeBytes({ kind, path, fileBytes }: PlannedFile): number {
  const stat = hasPath(kind) ? statSync(path) : null;
  if (stat?.isBlockDevice() === true) {
    return blockDeviceBytes(path, stat);
  }
  return stat?.isFile() === true ? stat.size : fileBytes;
}

/**
 * One device for several jobs: as the first of them opens it, as deep as all need, and all of it: what a layer
 * keeps of a target must hold for jobs on other parts of it too. `written`: by a layer, if by no job.
 */
function demandOf(
  jobs: readonly OpenableJob[],
  [planned]: readonly PlannedFile[],
  written: boolean,
): Demand {
  const [first] = jobs;
  assert(first !== undefined, "a chain has no jobs");
  const depth = jobs.reduce((sum, { iodepth }) => sum + iodepth, 0);
  assert(planned !== undefined, "a job of a chain has a target");
  const end = Math.max(
    wholeBytes(planned),
    ...jobs.flatMap(({ stream }) => stream.regions.map(({ offset, size }) => offset + size)),
  );
  const write = written || jobs.some((job) => job.write && job.files[0]?.readOnly !== true);
  const job = {
    ...first,
    write,
    files: first.files.map(({ path }) => ({ path })),
    iodepth: depth,
    slots: depth,
    maxBlock: Math.max(...jobs.map(({ maxBlock }) => maxBlock)),
    stream: { pattern: first.stream.pattern, regions: [{ offset: 0, size: end }] },
  };
  return { depth, job };
}

/** Where targets are that are no file. */
export interface ChainPlaces {
  readonly stores: StoreSession | null;
  readonly time: VirtualTime | null;
  /** Null: no stages are taken. */
  readonly stages: StageClock | null;
}

/** The devices of a phase's jobs, as far as they are on a chain. */
export class ChainRun {
  /** By place in the phase; null: on no chain. */
  readonly devices: (BlockDevice | null)[];
  readonly #layers: OpenLayer[] = [];
  readonly #clock: Clock;
  readonly #ownClock: RealClock | null;
  readonly #time: VirtualTime | null;

  /** Throws when a target does not open; nothing stays open then. */
  static async open(
    plan: RunPlan,
    phase: readonly PlannedJob[],
    specs: readonly OpenableJob[],
    places: ChainPlaces,
  ): Promise<ChainRun> {
    const run = new ChainRun(phase, places.time);
    try {
      for (const chain of plan.chains) {
        await run.#drive(run.#open(chain, phase, specs, places));
      }
    } catch (error) {
      run.#closeAll();
      throw error;
    }
    return run;
  }

  readonly #holds = new Holds();

  private constructor(phase: readonly PlannedJob[], time: VirtualTime | null) {
    this.devices = phase.map(() => null);
    this.#time = time;
    this.#ownClock = time === null ? new RealClock() : null;
    this.#clock = time?.clock ?? (this.#ownClock as Clock);
  }

  /** What the layers did, by name. */
  counters(): Readonly<Record<string, number>> {
    return Object.assign({}, ...this.#layers.map((layer) => layer.counters()));
  }

  /**
   * To be called once the jobs have ended: layers with work of their own bring it to its end. Throws the first
   * `io`; all is closed then too.
   */
  async close(): Promise<void> {
    try {
      // Outermost first: what one writes back is the next one's work.
      for (const layer of this.#layers.toReversed()) {
        if ("settle" in layer) {
          await this.#drive((layer as OpenLayer & { settle(): Promise<void> }).settle());
        }
      }
    } finally {
      this.#closeAll();
    }
  }

  /** In virtual time somebody must let it pass. */
  async #drive<T>(flow: Promise<T>): Promise<T> {
    return this.#time === null ? await flow : await this.#time.drive(flow);
  }

  /** The device, which tells its stages by itself or has somebody before it who does. */
  #traced(device: BlockDevice, stages: StageClock | null, layer: string): BlockDevice {
    if (stages === null) {
      return device;
    }
    if (isTraced(device)) {
      device.traceStages(stages, layer);
      return device;
    }
    return tapStages(device, this.#clock, stages, [layer, "service", "worked"]);
  }

  #closeAll(): void {
    for (const device of this.devices) {
      device?.close();
    }
    this.#ownClock?.close();
    this.#holds.close();
  }

  async #open(
    { text, layers, options, log, shape }: PlannedChain,
    phase: readonly PlannedJob[],
    specs: readonly OpenableJob[],
    { stores, time, stages }: ChainPlaces,
  ): Promise<void> {
    const places = [...phase.keys()].filter((place) => phase[place]?.files[0]?.path === text);
    if (places.length === 0) {
      return;
    }
    const asked = chainLayers.filter(({ layer }) => layers.includes(layer));
    const { depth, job } = demandOf(
      places.map((place) => specs[place] as OpenableJob),
      places.flatMap((place) => phase[place]?.files ?? []),
      log !== null && isUnfinished(log),
    );
    const maxBlock = slotBytesOf(layers, job.maxBlock);
    const spare = spareOf(layers, depth, maxBlock);
    const deep = { ...job, maxBlock, iodepth: depth + spare, slots: depth + spare };
    let device =
      stores?.device(text, depth + spare) ?? (openJobDevices(deep, time)[0] as BlockDevice);
    const seed = phase[places[0] ?? 0]?.seed ?? 0;
    const random = new SeededRandom(seed).fork("layers");
    const kind = phase[places[0] ?? 0]?.files[0]?.kind;
    // Stores that are made anew are there by now.
    const { uri: imageUri, id: imageId } = imageNameOf(text, kind === "file" || kind === "block");
    const context = {
      options,
      clock: this.#clock,
      random,
      depth,
      imageUri,
      imageId,
      log,
      holds: this.#holds,
    };
    try {
      if (shape !== null) {
        const shaped = new ShapedDevice({
          below: device,
          shape: shape.shape,
          clock: this.#clock,
          seed: random.below(2 ** 32),
          earlyNs: time === null ? timerSlackNs : 0,
        });
        this.#layers.push(shaped);
        device = shaped;
      }
      device = this.#traced(device, stages, "device");
      for (const layer of asked.toReversed()) {
        const opened = await layer.open(device, context);
        this.#layers.push(opened);
        device = this.#traced(opened, stages, layer.layer);
      }
    } catch (error) {
      device.close();
      throw error;
    }
    const share = new DeviceShare(device, depth);
    for (const place of places) {
      this.devices[place] = share.view((specs[place] as OpenableJob).iodepth);
    }
  }
}
