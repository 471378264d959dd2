/**
 * One simulated history: virtual time, random numbers from one seed, disks, and a hash of everything
 * that happened to them. The same seed gives the same history; whoever runs one runs it twice and
 * compares the hash.
 */
import { SeededRandom } from "../base/random.ts";
import { type Fault, FaultDevice } from "../device/fault.ts";
import { ShapedDevice } from "../device/shape.ts";
import type { ShapeSpec } from "../device/shape-spec.ts";
import { type SyntheticSpec, syntheticDefaults } from "../device/synthetic-spec.ts";
import type { BlockDevice } from "../port/block-device.ts";
import { VirtualClock } from "./clock.ts";
import { SimDisk } from "./disk.ts";
import { drawFaults, type FaultProfile } from "./fault-profiles.ts";
import type { DiskRecorder } from "./history.ts";
import type { DiskImage } from "./image.ts";

export interface WorldOptions {
  readonly seed: number;
  /**
   * Lets every promise reaction run that is due: a turn of the real event loop. Virtual time stands
   * still meanwhile, so that `async` flows see the same times on every run.
   */
  readonly settle: () => Promise<void>;
  /** Keeps what happens to the disks. */
  readonly recorder?: DiskRecorder | null;
  /** What the disks hold at first, by name. */
  readonly images?: ReadonlyMap<string, DiskImage>;
  /** Faults of all disks. */
  readonly profile?: FaultProfile | null;
  /** The disks went through a crash: what of the profile happens to them now, by name. */
  readonly afterwards?: ReadonlyMap<string, readonly Fault[]> | null;
}

export interface DiskSpec {
  readonly name: string;
  readonly sizeBytes: number;
  /** Law of service times; what is left out is as in `syntheticDefaults`, with some jitter. */
  readonly service?: Partial<SyntheticSpec>;
  /** Default: 32. */
  readonly depth?: number;
  /** Default: 16 KiB. */
  readonly slotBytes?: number;
  /** Default: `depth`. */
  readonly slotCount?: number;
  /** Default: the shape's, else 4096. A crash tears writes at 512 bytes, or at blocks that are smaller. */
  readonly blockBytes?: number;
  /** Default: true. */
  readonly fua?: boolean;
  /** What it behaves like; its service times are the shape's then. Absent: `service`. */
  readonly shape?: ShapeSpec;
  /** Faults as they are planned, see `engine/device/fault.ts`. */
  readonly faults?: readonly Fault[];
}

/** A disk of a world: what is used, and the simulated one below its faults. */
export interface WorldDisk {
  readonly device: BlockDevice;
  readonly disk: SimDisk;
}

const stepLimit = 50_000_000;

export class World {
  readonly seed: number;
  readonly clock = new VirtualClock();
  readonly random: SeededRandom;
  readonly recorder: DiskRecorder | null;
  /** Faults of all disks, or of what they were before the crash; `null`: none. */
  readonly profile: FaultProfile | null;
  readonly #afterwards: ReadonlyMap<string, readonly Fault[]> | null;
  readonly #settle: () => Promise<void>;
  readonly #images: ReadonlyMap<string, DiskImage>;
  readonly #disks = new Map<string, WorldDisk>();
  #low = 0x811c9dc5;
  #high = 0x9e3779b9;
  #events = 0;

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.random = new SeededRandom(options.seed).fork("world");
    this.recorder = options.recorder ?? null;
    this.profile = options.profile ?? null;
    this.#afterwards = options.afterwards ?? null;
    this.#settle = options.settle;
    this.#images = options.images ?? new Map();
  }

  /** Of everything traced so far, 16 hexadecimal digits. */
  get traceHash(): string {
    const digits = (word: number) => (word >>> 0).toString(16).padStart(8, "0");
    return digits(this.#high) + digits(this.#low);
  }

  get disks(): ReadonlyMap<string, WorldDisk> {
    return this.#disks;
  }

  /** Adds numbers to the trace. */
  readonly trace = (...numbers: number[]): void => {
    this.#events += 1;
    for (const number of numbers) {
      const low = Math.floor(number) | 0;
      const high = Math.floor(number / 2 ** 32) | 0;
      this.#low = Math.imul(this.#low ^ low, 0x01000193) ^ (this.#high >>> 15);
      this.#high = Math.imul(this.#high ^ high ^ this.#low, 0x85ebca6b) + this.#events;
    }
  };

  /** Makes a disk; in a world after a crash it holds what survived. */
  disk(spec: DiskSpec): WorldDisk {
    if (this.#disks.has(spec.name)) {
      throw new Error(`internal error: a world has one disk named ${spec.name}`);
    }
    const depth = spec.depth ?? 32;
    const disk = new SimDisk({
      name: spec.name,
      clock: this.clock,
      spec: {
        ...syntheticDefaults,
        ...(spec.shape === undefined ? ({ serviceNs: 50_000, jitter: "exp" } as const) : {}),
        seed: this.random.fork(spec.name).below(2 ** 32),
        ...spec.service,
        size: spec.sizeBytes,
      },
      depth,
      slotBytes: spec.slotBytes ?? 16_384,
      slotCount: spec.slotCount ?? depth,
      blockBytes: spec.blockBytes ?? spec.shape?.blockBytes ?? 4096,
      fua: spec.fua ?? true,
      image: this.#images.get(spec.name) ?? null,
      recorder: this.recorder,
      trace: this.trace,
    });
    const faults = [...(spec.faults ?? []), ...this.#profileFaults(spec)];
    const shaped = spec.shape === undefined ? disk : this.#shaped(disk, spec.shape, spec.name);
    const device = faults.length === 0 ? shaped : new FaultDevice(shaped, faults, this.clock);
    const made = { device, disk };
    this.#disks.set(spec.name, made);
    return made;
  }

  /** Effects are the disk's, at once; when an operation completes is the shape's. */
  #shaped(below: BlockDevice, shape: ShapeSpec, name: string): BlockDevice {
    const seed = this.random.fork(`shape of ${name}`).below(2 ** 32);
    return new ShapedDevice({ below, shape, clock: this.clock, seed, earlyNs: 0 });
  }

  #profileFaults({ name, sizeBytes }: DiskSpec): readonly Fault[] {
    if (this.profile === null) {
      return [];
    }
    const random = this.random.fork(`faults of ${name}`);
    const drawn = drawFaults(this.profile, random, sizeBytes, this.#afterwards !== null);
    return [...(this.#afterwards?.get(name) ?? []), ...drawn];
  }

  /** A fact of the scenario's own, at this place of the history: what was asked for or acknowledged. */
  mark(mark: unknown): void {
    this.recorder?.mark(mark);
  }

  /** Lets time pass until the flow has ended; throws when nothing is left that it could wait for. */
  async run<T>(flow: Promise<T>): Promise<T> {
    let ended = false;
    const end = () => {
      ended = true;
    };
    flow.then(end, end);
    await this.#settle();
    for (let step = 0; !ended; step += 1) {
      if (!this.clock.step()) {
        throw new Error("internal error: a flow waits for something that never comes");
      }
      if (step > stepLimit) {
        throw new Error(`internal error: a flow has not ended after ${stepLimit} events`);
      }
      await this.#settle();
    }
    return await flow;
  }
}
