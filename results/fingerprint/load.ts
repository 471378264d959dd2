/**
 * One load on a block device, closed loop: so many operations are always under way, and each one's time is
 * kept. What the fingerprint measures with, in real and in virtual time alike.
 */
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import {
  type BlockDevice,
  type BlockOp,
  flagFua,
  opKinds,
} from "../../engine/port/block-device.ts";

/** A device and how time passes at it. */
export interface Stand {
  readonly device: BlockDevice;
  /** Where the loads lie, bytes from 0. */
  readonly regionBytes: number;
  nowNs(): number;
  /** Nothing has completed: lets time pass until something may have. */
  pass(): void;
  /** What one operation costs the generator: real time has passed by itself, virtual time moves on. */
  work(): void;
}

/** Where the next operation lies: anywhere, after the last, or a given distance away from it. */
export type Order = "random" | "sequential" | { readonly jumpBytes: number };

/** What follows a write before the next: nothing, a flush, or it is durable by itself. */
export type Durability = "none" | "flush" | "fua";

export interface Load {
  readonly writeShare: number;
  readonly bytes: number;
  readonly depth: number;
  readonly order: Order;
  /** Where loads in order begin, as a share of the region; `null`: anywhere. */
  readonly from: number | null;
  readonly durability: Durability;
  /** Writes before a flush; 1 without. 0: nothing but flushes. */
  readonly writesPerFlush: number;
  readonly seed: number;
}

/**
 * Of what follows `warmOps`, which are not kept: the load ends after `ns` or `ops`, whichever comes first, but
 * not before `leastOps`.
 */
export interface LoadLimits {
  readonly warmOps: number;
  readonly ns: number;
  readonly ops: number;
  readonly leastOps: number;
}

export const quantileRanks = Object.freeze([0, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999] as const);

export interface LoadResult {
  readonly ops: number;
  readonly bytes: number;
  readonly elapsedNs: number;
  readonly meanNs: number;
  /** At `quantileRanks`; null where fewer than ten samples lie beyond. */
  readonly quantilesNs: readonly (number | null)[];
  readonly writtenBytes: number;
}

/** A place on the device for every operation in turn. */
class Places {
  readonly #random: SeededRandom;
  readonly #load: Load;
  readonly #blocks: number;
  #next = 0;
  #forward = true;

  constructor(load: Load, regionBytes: number, random: SeededRandom) {
    this.#load = load;
    this.#random = random;
    this.#blocks = Math.floor(regionBytes / load.bytes);
    const { from } = load;
    this.#next =
      from === null
        ? this.#random.below(this.#blocks)
        : Math.min(this.#blocks - 1, Math.floor(from * this.#blocks));
  }

  /** Offset in bytes, a multiple of the load's size. */
  next(): number {
    const { order, bytes } = this.#load;
    if (order === "random") {
      return this.#random.below(this.#blocks) * bytes;
    }
    const here = this.#next;
    if (order === "sequential") {
      this.#next = here + 1 >= this.#blocks ? 0 : here + 1;
      return here * bytes;
    }
    // There and back again, each time elsewhere by many tracks: the distance is the same, the angle is not.
    const nudgeBytes = Math.max(1 << 20, Math.min(64 << 20, order.jumpBytes / 4));
    const nudge = this.#random.below(Math.max(1, Math.floor(nudgeBytes / bytes)));
    const jump = Math.max(1, Math.floor(order.jumpBytes / bytes));
    const wanted = this.#forward ? here + jump + nudge : here - jump + nudge;
    const fits = wanted >= 0 && wanted < this.#blocks;
    this.#next = fits ? wanted : this.#random.below(Math.max(1, this.#blocks - jump));
    this.#forward = fits ? !this.#forward : true;
    return here * bytes;
  }
}

const errnoOf = (result: number): number => (result < 0 ? -result : 0);

/** Sorted times to quantiles; what too few samples lie beyond is not told. */
export function quantilesOf(sorted: Float64Array): (number | null)[] {
  const count = sorted.length;
  return quantileRanks.map((rank) => {
    if (rank > 0.5 && count * (1 - rank) < 10) {
      return null;
    }
    return sorted[Math.min(count - 1, Math.floor(rank * count))] ?? null;
  });
}

/** Runs one load and drains it. Throws `io` when an operation fails. */
class LoadRun {
  readonly #stand: Stand;
  readonly #load: Load;
  readonly #limits: LoadLimits;
  readonly #places: Places;
  readonly #random: SeededRandom;
  readonly #stamp: DataView;
  readonly #started: Float64Array;
  readonly #added: Int32Array;
  readonly #free: number[] = [];
  readonly #op: BlockOp = { kind: 0, flags: 0, offsetBytes: 0, lengthBytes: 0, slot: 0, tag: 0 };
  #times = new Float64Array(4096);
  #count = 0;
  #skip: number;
  #beganNs = 0;
  #endedNs = 0;
  #bytes = 0;
  #written = 0;
  #open = 0;
  #sent = 0;
  #sinceFlush = 0;

  constructor(stand: Stand, load: Load, limits: LoadLimits) {
    this.#stand = stand;
    this.#load = load;
    this.#limits = limits;
    this.#random = new SeededRandom(load.seed);
    this.#places = new Places(load, stand.regionBytes, this.#random.fork("places"));
    this.#started = new Float64Array(load.depth);
    this.#added = new Int32Array(load.depth);
    for (let tag = load.depth - 1; tag >= 0; tag -= 1) {
      this.#free.push(tag);
    }
    // Until every place has been filled once over the depth is not what it is asked for.
    this.#skip = Math.max(load.depth, limits.warmOps);
    const { bytes } = stand.device.arena;
    this.#stamp = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): LoadResult {
    const { device } = this.#stand;
    this.#beganNs = this.#stand.nowNs();
    let over = false;
    while (!over || this.#open > 0) {
      if (!over) {
        this.#fill();
      }
      const polled = device.poll(this.#load.depth);
      if (polled === 0) {
        this.#stand.pass();
      } else {
        this.#take(polled, over);
      }
      const nowNs = this.#stand.nowNs();
      const { ns, ops, leastOps } = this.#limits;
      over ||= this.#count >= ops || (this.#count >= leastOps && nowNs - this.#beganNs >= ns);
    }
    return this.#result();
  }

  #fill(): void {
    const { device } = this.#stand;
    const { depth } = this.#load;
    let added = 0;
    while (this.#open < depth) {
      const tag = this.#free.pop() as number;
      this.#prepare(tag);
      if (!device.submit(this.#op)) {
        this.#free.push(tag);
        break;
      }
      this.#stand.work();
      this.#open += 1;
      this.#sent += 1;
      this.#added[added] = tag;
      added += 1;
      if (this.#op.kind === opKinds.write) {
        this.#written += this.#op.lengthBytes;
      }
    }
    if (added > 0) {
      const nowNs = this.#stand.nowNs();
      for (let index = 0; index < added; index += 1) {
        this.#started[this.#added[index] as number] = nowNs;
      }
      device.commit();
    }
  }

  #prepare(tag: number): void {
    const { writeShare, bytes, durability, writesPerFlush } = this.#load;
    const op = this.#op;
    op.tag = tag;
    op.flags = 0;
    if (durability === "flush" && this.#sinceFlush >= writesPerFlush) {
      this.#sinceFlush = 0;
      op.kind = opKinds.flush;
      op.offsetBytes = 0;
      op.lengthBytes = 0;
      return;
    }
    const write = writeShare >= 1 || (writeShare > 0 && this.#random.unit() < writeShare);
    op.kind = write ? opKinds.write : opKinds.read;
    op.offsetBytes = this.#places.next();
    op.lengthBytes = bytes;
    op.slot = this.#sent % this.#stand.device.arena.slotCount;
    if (write) {
      this.#sinceFlush += 1;
      op.flags = durability === "fua" ? flagFua : 0;
      // No two writes alike, for devices that compare what they are given.
      this.#stamp.setUint32(op.slot * this.#stand.device.arena.slotBytes, this.#sent, true);
    }
  }

  #take(polled: number, over: boolean): void {
    const { completions, facts } = this.#stand.device;
    const { durability } = this.#load;
    const nowNs = this.#stand.nowNs();
    for (let position = 0; position < polled; position += 1) {
      const tag = completions.tag[position] as number;
      const errno = errnoOf(completions.result[position] as number);
      if (errno !== 0) {
        throw new OsdynoError(
          "io",
          `${facts.name}: an operation of ${this.#load.bytes} bytes failed with errno ${errno}`,
        );
      }
      this.#open -= 1;
      this.#free.push(tag);
      if (over) {
        continue;
      }
      if (this.#skip > 0) {
        this.#skip -= 1;
        this.#beganNs = nowNs;
        continue;
      }
      const bytes = completions.result[position] as number;
      this.#bytes += bytes;
      // Flushes are what is looked at there; the writes before them are looked at elsewhere.
      if (durability === "flush" && bytes > 0) {
        continue;
      }
      this.#keep(nowNs - (this.#started[tag] as number));
      this.#endedNs = nowNs;
    }
  }

  #keep(ns: number): void {
    if (this.#count === this.#times.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#times);
      this.#times = larger;
    }
    this.#times[this.#count] = ns;
    this.#count += 1;
  }

  #result(): LoadResult {
    const times = this.#times.subarray(0, this.#count);
    let sum = 0;
    for (const ns of times) {
      sum += ns;
    }
    return {
      ops: this.#count,
      bytes: this.#bytes,
      elapsedNs: Math.max(1, this.#endedNs - this.#beganNs),
      meanNs: this.#count === 0 ? 0 : sum / this.#count,
      quantilesNs: quantilesOf(times.sort()),
      writtenBytes: this.#written,
    };
  }
}

/** Nothing that was written before is on its way any more. Throws `io`. */
export function settle(stand: Stand): void {
  const load: Load = {
    writeShare: 1,
    bytes: stand.device.facts.blockBytes,
    depth: 1,
    order: "random",
    from: 0,
    durability: "flush",
    writesPerFlush: 0,
    seed: 0,
  };
  runLoad(stand, load, { warmOps: 0, ns: 0, ops: 1, leastOps: 1 });
}

export function runLoad(stand: Stand, load: Load, limits: LoadLimits): LoadResult {
  return new LoadRun(stand, load, limits).run();
}
