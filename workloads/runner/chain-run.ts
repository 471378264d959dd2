/**
 * The chains of one phase, open: over each target one device that its jobs share, with the layers on it, and
 * for every job a part of that.
 */
import { assert } from "../../engine/base/assert.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { DeviceShare } from "../../engine/device/share.ts";
import { RealClock } from "../../engine/os/clock.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import type { Clock } from "../../engine/port/clock.ts";
import { chainLayers, type OpenLayer } from "../chain.ts";
import type { PlannedChain } from "../chain-plan.ts";
import type { PlannedJob, RunPlan } from "../plan-model.ts";
import { type OpenableJob, openJobDevices } from "./engine-run.ts";
import type { StoreSession } from "./store-session.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What jobs on one target want of it together. */
interface Demand {
  readonly depth: number;
  readonly job: OpenableJob;
}

/** One device for several jobs: as the first of them opens it, as large and as deep as all need. */
function demandOf(jobs: readonly OpenableJob[]): Demand {
  const [first] = jobs;
  assert(first !== undefined, "a chain has no jobs");
  const depth = jobs.reduce((sum, { iodepth }) => sum + iodepth, 0);
  const end = Math.max(
    ...jobs.flatMap(({ stream }) => stream.regions.map(({ offset, size }) => offset + size)),
  );
  const write = jobs.some((job) => job.write && job.files[0]?.readOnly !== true);
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

/** The devices of a phase's jobs, as far as they are on a chain. */
export class ChainRun {
  /** By place in the phase; null: on no chain. */
  readonly devices: (BlockDevice | null)[];
  readonly #layers: OpenLayer[] = [];
  readonly #clock: Clock;
  readonly #ownClock: RealClock | null;

  /** Throws when a target does not open; nothing stays open then. */
  constructor(
    plan: RunPlan,
    phase: readonly PlannedJob[],
    specs: readonly OpenableJob[],
    places: { readonly stores: StoreSession | null; readonly time: VirtualTime | null },
  ) {
    this.devices = phase.map(() => null);
    const { time } = places;
    this.#ownClock = time === null ? new RealClock() : null;
    this.#clock = time?.clock ?? (this.#ownClock as Clock);
    try {
      for (const chain of plan.chains) {
        this.#open(chain, phase, specs, places);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** What the layers did, by name. */
  counters(): Readonly<Record<string, number>> {
    return Object.assign({}, ...this.#layers.map((layer) => layer.counters()));
  }

  /** To be called once the jobs have ended. */
  close(): void {
    for (const device of this.devices) {
      device?.close();
    }
    this.#ownClock?.close();
  }

  #open(
    { text, layers, options }: PlannedChain,
    phase: readonly PlannedJob[],
    specs: readonly OpenableJob[],
    { stores, time }: { readonly stores: StoreSession | null; readonly time: VirtualTime | null },
  ): void {
    const places = [...phase.keys()].filter((place) => phase[place]?.files[0]?.path === text);
    if (places.length === 0) {
      return;
    }
    const { depth, job } = demandOf(places.map((place) => specs[place] as OpenableJob));
    let device = stores?.device(text, depth) ?? (openJobDevices(job, time)[0] as BlockDevice);
    const random = new SeededRandom(phase[places[0] ?? 0]?.seed ?? 0).fork("layers");
    for (const { layer, open } of chainLayers.toReversed()) {
      if (layers.includes(layer)) {
        const opened = open(device, { options, clock: this.#clock, random, depth });
        this.#layers.push(opened);
        device = opened;
      }
    }
    const share = new DeviceShare(device, depth);
    for (const place of places) {
      this.devices[place] = share.view((specs[place] as OpenableJob).iodepth);
    }
  }
}
