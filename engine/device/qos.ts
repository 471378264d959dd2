/**
 * The QoS throttle of RBD images as a layer: six token buckets, operations and bytes a second, of reads and
 * writes together and of each. An operation takes what its buckets have and starts once all gave what it
 * needs; those behind it wait. Flushes pass.
 */
import { type BlockDevice, type BlockOp, type OpKind, opKinds } from "../port/block-device.ts";
import type { CancelTimer, Clock } from "../port/clock.ts";
import { checkOp } from "./check-op.ts";
import { QosBucket, type QosLimit } from "./qos-bucket.ts";
import { DeviceWrapper } from "./wrapper.ts";

/** By the part of the option's name, e.g. `rbd_qos_read_iops_limit`. */
export const qosNames = Object.freeze([
  "iops",
  "bps",
  "read_iops",
  "read_bps",
  "write_iops",
  "write_bps",
] as const);
export type QosName = (typeof qosNames)[number];

/** Names of `rbd_qos_exclude_ops`, by kind. */
export const qosOps = Object.freeze({
  read: opKinds.read,
  write: opKinds.write,
  discard: opKinds.trim,
  write_zeroes: opKinds.writeZeroes,
} as const);
export type QosOp = keyof typeof qosOps;

export interface QosDeviceOptions {
  readonly limits: Readonly<Partial<Record<QosName, QosLimit>>>;
  /** Between refills, ms; longer where a tick would bring less than a token. */
  readonly tickMinMs: number;
  /** Operations that are not limited. */
  readonly exclude?: readonly QosOp[];
  /** Operations that wait or are under way; default: the device's. */
  readonly depth?: number;
}

interface Throttle {
  readonly name: QosName;
  readonly bucket: QosBucket;
}

export class QosDevice extends DeviceWrapper {
  readonly #tickMinMs: number;
  #throttles: readonly Throttle[] = [];
  #excluded: ReadonlySet<number> = new Set();
  /** Indices in order of arrival, a ring; those up to `#committed` may start. */
  readonly #waiting: Int32Array;
  #first = 0;
  #count = 0;
  #committed = 0;
  /** What the first of them has still to get, by throttle. */
  #missing: number[] = [];
  #asked = false;
  #cancel: CancelTimer | null = null;
  #timerNs = Number.POSITIVE_INFINITY;
  #throttled = 0;
  #waitedNs = 0;

  constructor(inner: BlockDevice, clock: Clock, options: QosDeviceOptions) {
    super(inner, clock, options.depth ?? inner.facts.queueDepth);
    this.#tickMinMs = options.tickMinMs;
    this.#waiting = new Int32Array(this.table.capacity);
    this.reconfigure(options);
  }

  /** Takes other limits at run time; what was saved up begins anew. */
  reconfigure({ limits, exclude = [] }: Pick<QosDeviceOptions, "limits" | "exclude">): void {
    const nowNs = this.clock.nowNs();
    this.#throttles = qosNames.flatMap((name) => {
      const limit = limits[name];
      return limit === undefined
        ? []
        : [{ name, bucket: new QosBucket(limit, this.#tickMinMs, nowNs) }];
    });
    this.#excluded = new Set(exclude.map((name) => qosOps[name]));
    this.#asked = false;
  }

  submit(op: BlockOp): boolean {
    const index = this.closed ? -1 : this.table.put(op);
    if (index < 0) {
      return false;
    }
    this.#waiting[(this.#first + this.#count) % this.#waiting.length] = index;
    this.#count += 1;
    return true;
  }

  commit(): number {
    const nowNs = this.clock.nowNs();
    const added = this.#count - this.#committed;
    for (let place = this.#committed; place < this.#count; place += 1) {
      const index = this.#waiting[(this.#first + place) % this.#waiting.length] as number;
      this.table.submittedNs[index] = nowNs;
      this.stages.queued(this.table.trace[index] as number, nowNs);
    }
    this.#committed = this.#count;
    this.#pump(nowNs);
    return added;
  }

  /** What was done so far, by name. */
  counters(): Readonly<Record<string, number>> {
    return { "qos.throttled": this.#throttled, "qos.wait_ns": this.#waitedNs };
  }

  protected override beforePoll(): void {
    if (this.#committed > 0) {
      this.#pump(this.clock.nowNs());
    }
  }

  protected override submittedNsOf(index: number): number {
    return this.table.submittedNs[index] as number;
  }

  override close(): void {
    this.#cancel?.();
    this.#cancel = null;
    super.close();
  }

  /** Starts what has its tokens; the rest waits for the next tick. */
  #pump(nowNs: number): void {
    const op = this.op;
    let started = 0;
    while (this.#committed > 0) {
      const index = this.#waiting[this.#first] as number;
      this.table.load(index, op);
      const refused = checkOp(op, this.facts, this.supports, this.arena);
      if (refused !== 0) {
        this.finish(index, refused);
      } else {
        if (!this.#granted(op, nowNs)) {
          break;
        }
        if (!this.inner.submit(op)) {
          // Full: the next poll takes completions out below and comes back here, with its tokens.
          break;
        }
        this.stages.worked(this.table.trace[index] as number, nowNs);
        const waitedNs = nowNs - (this.table.submittedNs[index] as number);
        this.#throttled += waitedNs > 0 ? 1 : 0;
        this.#waitedNs += waitedNs;
        started += 1;
      }
      this.#asked = false;
      this.#first = (this.#first + 1) % this.#waiting.length;
      this.#count -= 1;
      this.#committed -= 1;
    }
    if (started > 0) {
      this.inner.commit();
    }
  }

  /** Whether the first operation has all its tokens; takes what there is of those that it lacks. */
  #granted({ kind, lengthBytes }: BlockOp, nowNs: number): boolean {
    const throttles = this.#throttles;
    if (!this.#asked) {
      this.#asked = true;
      const free = kind === opKinds.flush || kind === opKinds.dataFlush || this.#excluded.has(kind);
      this.#missing = throttles.map(({ name }) => (free ? 0 : tokensOf(name, kind, lengthBytes)));
    }
    let nextNs = Number.POSITIVE_INFINITY;
    for (let place = 0; place < throttles.length; place += 1) {
      const missing = this.#missing[place] as number;
      if (missing > 0) {
        const { bucket } = throttles[place] as Throttle;
        bucket.fill(nowNs);
        const left = missing - bucket.take(missing);
        this.#missing[place] = left;
        if (left > 0) {
          nextNs = Math.min(nextNs, bucket.nextNs);
        }
      }
    }
    if (nextNs === Number.POSITIVE_INFINITY) {
      return true;
    }
    this.#wakeAt(Math.ceil(nextNs));
    return false;
  }

  #wakeAt(timeNs: number): void {
    if (timeNs >= this.#timerNs) {
      return;
    }
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

/** What an operation costs in one bucket. */
function tokensOf(name: QosName, kind: OpKind, lengthBytes: number): number {
  const read = kind === opKinds.read;
  if ((read && name.startsWith("write")) || (!read && name.startsWith("read"))) {
    return 0;
  }
  return name.endsWith("iops") ? 1 : lengthBytes;
}
