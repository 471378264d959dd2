/**
 * Op scheduling as a layer over any block device. Operations are spread over shards by where they go (by
 * object, as Ceph does by placement group); each shard has a queue and a number of operations that it
 * runs at once, and what waits for one of those places is ordered by the scheduler.
 */
import { DeviceWrapper } from "../../device/wrapper.ts";
import { type BlockDevice, type BlockOp, errnos } from "../../port/block-device.ts";
import type { CancelTimer, Clock } from "../../port/clock.ts";
import type { QosPlan } from "./qos.ts";
import {
  blankSchedulerOp,
  classPriority,
  type OpClass,
  type OpScheduler,
  opClasses,
  opClassNames,
} from "./scheduler.ts";

export interface SchedulerDeviceOptions {
  /** Makes the queue of one shard. */
  readonly queue: (shard: number) => OpScheduler;
  readonly shards: number;
  /** Operations of one shard under way below at once. */
  readonly slotsPerShard: number;
  /** Bytes that stay together on one shard: an object's. */
  readonly stripeBytes: number;
  /** Bytes that an operation counts for at least, for the counters; default: 0. */
  readonly costPerIo?: number;
  /** Operations that wait or are under way, all together; default: the device's. */
  readonly depth?: number;
}

/** What passed of one class. */
interface ClassCounts {
  ops: number;
  bytes: number;
  /** In the bytes that mClock counts. */
  cost: number;
  waitedNs: number;
  waitedMaxNs: number;
}

class Shard {
  readonly queue: OpScheduler;
  running = 0;

  constructor(queue: OpScheduler) {
    this.queue = queue;
  }
}

/**
 * The shard of a stripe: of each `shards` stripes in a row every shard has one, so that random operations
 * load them alike; which one turns from row to row by a hash (Knuth's multiplier), so that no stride
 * meets one shard only.
 */
function shardOfStripe(stripe: number, shards: number): number {
  const row = Math.floor(stripe / shards);
  const turn = ((Math.imul(row | 0, 0x9e3779b1) >>> 0) * shards) / 2 ** 32;
  // An offset below 0 is refused by what is below; until then it is in a shard as any other.
  return (stripe - row * shards + Math.floor(turn)) % shards;
}

export class SchedulerDevice extends DeviceWrapper {
  readonly #shards: readonly Shard[];
  readonly #slots: number;
  readonly #stripeBytes: number;
  #costPerIo: number;
  readonly #schedulerOp = blankSchedulerOp();
  readonly #shardOf: Int32Array;
  readonly #startedNs: Float64Array;
  /** Taken by `submit` since the last `commit`. */
  readonly #taken: Int32Array;
  #takenCount = 0;
  /** The shard that is asked first: each in turn. */
  #turn = 0;
  #cancel: CancelTimer | null = null;
  #timerNs = Number.POSITIVE_INFINITY;
  readonly #counts: readonly ClassCounts[] = opClassNames.map(() => ({
    ops: 0,
    bytes: 0,
    cost: 0,
    waitedNs: 0,
    waitedMaxNs: 0,
  }));

  constructor(inner: BlockDevice, clock: Clock, options: SchedulerDeviceOptions) {
    super(inner, clock, options.depth ?? inner.facts.queueDepth);
    const { capacity } = this.table;
    this.#shards = Array.from(
      { length: options.shards },
      (_, shard) => new Shard(options.queue(shard)),
    );
    this.#slots = options.slotsPerShard;
    this.#stripeBytes = options.stripeBytes;
    this.#costPerIo = options.costPerIo ?? 0;
    this.#shardOf = new Int32Array(capacity);
    this.#startedNs = new Float64Array(capacity);
    this.#taken = new Int32Array(capacity);
  }

  submit(op: BlockOp): boolean {
    const index = this.closed ? -1 : this.table.put(op);
    if (index < 0) {
      return false;
    }
    this.#taken[this.#takenCount] = index;
    this.#takenCount += 1;
    return true;
  }

  commit(): number {
    const count = this.#takenCount;
    if (count > 0) {
      this.#takenCount = 0;
      const nowNs = this.clock.nowNs();
      for (let position = 0; position < count; position += 1) {
        this.#enqueue(this.#taken[position] as number, nowNs);
      }
      this.#pump(nowNs);
    }
    return count;
  }

  override poll(max: number): number {
    const count = super.poll(max);
    if (count > 0) {
      this.#pump(this.clock.nowNs());
    }
    return count;
  }

  override close(): void {
    this.#cancel?.();
    this.#cancel = null;
    super.close();
  }

  /** Takes other reservations, weights and limits at run time. */
  reconfigure(plan: QosPlan): void {
    this.#costPerIo = plan.costPerIo;
    for (const { queue } of this.#shards) {
      queue.reconfigure(plan);
    }
  }

  /** What was done so far, by name: operations, bytes and waiting of each class, and by which rule. */
  counters(): Readonly<Record<string, number>> {
    const all: Record<string, number> = {};
    for (const [place, counts] of this.#counts.entries()) {
      if (counts.ops > 0) {
        const name = `scheduler.${opClassNames[place]}`;
        all[`${name}.ops`] = counts.ops;
        all[`${name}.bytes`] = counts.bytes;
        all[`${name}.cost_bytes`] = counts.cost;
        all[`${name}.wait_ns`] = counts.waitedNs;
        all[`${name}.wait_max_ns`] = counts.waitedMaxNs;
      }
    }
    for (const key of ["strict", "reservation", "weight", "limitBreaks", "rejected"] as const) {
      const sum = this.#shards.reduce((total, { queue }) => total + queue.stats[key], 0);
      all[`scheduler.${key.replace("B", "_b")}`] = sum;
    }
    return all;
  }

  protected override resultOf(index: number, result: number): number {
    const shard = this.#shards[this.#shardOf[index] as number] as Shard;
    shard.running -= 1;
    const counts = this.#counts[this.table.opClass[index] as number] as ClassCounts;
    const waitedNs = (this.#startedNs[index] as number) - (this.table.submittedNs[index] as number);
    counts.ops += 1;
    counts.bytes += Math.max(0, result);
    counts.cost += Math.max(this.table.lengthBytes[index] as number, this.#costPerIo);
    counts.waitedNs += waitedNs;
    counts.waitedMaxNs = Math.max(counts.waitedMaxNs, waitedNs);
    return result;
  }

  protected override submittedNsOf(index: number): number {
    return this.table.submittedNs[index] as number;
  }

  #enqueue(index: number, nowNs: number): void {
    const { table } = this;
    table.submittedNs[index] = nowNs;
    this.stages.queued(table.trace[index] as number, nowNs);
    const stripe = Math.floor((table.offsetBytes[index] as number) / this.#stripeBytes);
    const place = shardOfStripe(stripe, this.#shards.length);
    this.#shardOf[index] = place;
    const known = (table.opClass[index] as number) < opClassNames.length;
    const op = this.#schedulerOp;
    op.opClass = known ? (table.opClass[index] as OpClass) : opClasses.client;
    op.clientId = table.clientId[index] as number;
    op.priority = table.priority[index] || classPriority[op.opClass];
    op.costBytes = table.lengthBytes[index] as number;
    if (!known || !(this.#shards[place] as Shard).queue.enqueue(index, op, nowNs)) {
      this.finish(index, known ? -errnos.EAGAIN : -errnos.EINVAL);
    }
  }

  /** Starts what may start in every shard; sets the timer for what may not yet. */
  #pump(nowNs: number): void {
    const { length } = this.#shards;
    let started = 0;
    let wakeNs = Number.POSITIVE_INFINITY;
    for (let step = 0; step < length; step += 1) {
      const shard = this.#shards[(this.#turn + step) % length] as Shard;
      while (shard.running < this.#slots) {
        const index = shard.queue.dequeue(nowNs);
        if (index < 0) {
          wakeNs = shard.queue.size === 0 ? wakeNs : Math.min(wakeNs, shard.queue.wakeNs);
          break;
        }
        this.table.load(index, this.op);
        if (!this.inner.submit(this.op)) {
          // Full: the next poll takes completions out below and comes back here.
          shard.queue.enqueueFront(index);
          break;
        }
        this.#startedNs[index] = nowNs;
        this.stages.worked(this.table.trace[index] as number, nowNs);
        shard.running += 1;
        started += 1;
      }
    }
    this.#turn = (this.#turn + 1) % length;
    if (started > 0) {
      this.inner.commit();
    }
    if (wakeNs < this.#timerNs) {
      this.#wakeAt(wakeNs);
    }
  }

  #wakeAt(timeNs: number): void {
    this.#cancel?.();
    this.#timerNs = timeNs;
    this.#cancel = this.clock.at(timeNs, () => {
      this.#cancel = null;
      this.#timerNs = Number.POSITIVE_INFINITY;
      this.#pump(this.clock.nowNs());
      this.sentByItself();
    });
  }
}
