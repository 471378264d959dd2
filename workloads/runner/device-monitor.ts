/** Watches the disks and the CPUs under one run: its whole, and what passed since the last sample. */
import {
  DeviceSampler,
  type DeviceSnapshot,
  type DiskUse,
  type MachineSample,
  type OthersUse,
} from "./device-stats.ts";

export class DeviceMonitor {
  readonly #sampler: DeviceSampler;
  readonly #first: DeviceSnapshot;
  #last: DeviceSnapshot;
  #maxRssBytes: number;

  constructor(paths: readonly string[]) {
    this.#sampler = new DeviceSampler(paths);
    this.#first = this.#sampler.snapshot();
    this.#last = this.#first;
    this.#maxRssBytes = this.#first.rssBytes;
  }

  #take(): DeviceSnapshot {
    const snapshot = this.#sampler.snapshot();
    this.#maxRssBytes = Math.max(this.#maxRssBytes, snapshot.rssBytes);
    return snapshot;
  }

  /** What the machine did since the sample before this one. */
  sample(): MachineSample {
    const before = this.#last;
    this.#last = this.#take();
    return this.#sampler.machine(before, this.#last);
  }

  /** Use of each disk from the start until now. */
  disks(): DiskUse[] {
    return this.#sampler.uses(this.#first, this.#take());
  }

  /** What others had of the CPUs and of these disks from the start until now. */
  others(): OthersUse {
    return this.#sampler.others(this.#first, this.#take());
  }

  /** Largest resident memory of this process that a sample saw, bytes. */
  maxRssBytes(): number {
    return this.#maxRssBytes;
  }
}
