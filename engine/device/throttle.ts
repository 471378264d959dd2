import { type BlockDevice, type BlockOp, opKinds } from "../port/block-device.ts";
import type { CancelTimer, Clock } from "../port/clock.ts";
import { checkOp } from "./check-op.ts";
import { DeviceWrapper } from "./wrapper.ts";

/**
 * A token bucket kept as one time: when the bucket would be full again at the steady rate. Fractions of
 * a nanosecond stay in it, so that the rate is exact in the long run. Source: the virtual scheduling
 * form of the leaky bucket, ITU-T I.371.
 */
export class TokenBucket {
  readonly #tokenNs: number;
  readonly #burstNs: number;
  #fullAtNs = Number.NEGATIVE_INFINITY;

  /** `ratePerSecond` tokens a second, at most `burst` saved up. Both above 0. */
  constructor(ratePerSecond: number, burst: number) {
    this.#tokenNs = 1e9 / ratePerSecond;
    this.#burstNs = burst * this.#tokenNs;
  }

  /**
   * When `tokens` may be taken: as soon as the bucket holds them, or is full if they are more than a
   * bucket (the debt is then paid before the next).
   */
  readyAtNs(tokens: number): number {
    const need = Math.min(tokens * this.#tokenNs, this.#burstNs);
    return this.#fullAtNs + need - this.#burstNs;
  }

  take(nowNs: number, tokens: number): void {
    this.#fullAtNs = Math.max(this.#fullAtNs, nowNs) + tokens * this.#tokenNs;
  }
}

export interface ThrottleLimits {
  /** Operations a second (flushes count); absent: no limit. */
  readonly iops?: number;
  /** Bytes a second of reads and writes; absent: no limit. */
  readonly bytesPerSecond?: number;
  /** Operations that may start at once after a pause; default 1. */
  readonly burstOps?: number;
  /** Bytes that may start at once after a pause; default: one arena slot. */
  readonly burstBytes?: number;
}

/**
 * A device that starts operations no faster than its limits, in order of submission. The time spent
 * waiting here counts as service: `submittedNs` is when this device was handed the operation.
 */
export class ThrottleDevice extends DeviceWrapper {
  readonly #ops: TokenBucket | null;
  readonly #bytes: TokenBucket | null;
  /** Indices in order; those before `#committed` may start. */
  readonly #waiting: number[] = [];
  #committed = 0;
  #queued = 0;
  #cancel: CancelTimer | null = null;
  #timerNs = Number.POSITIVE_INFINITY;

  constructor(inner: BlockDevice, limits: ThrottleLimits, clock: Clock) {
    super(inner, clock);
    const { iops, bytesPerSecond } = limits;
    const burstBytes = limits.burstBytes ?? inner.arena.slotBytes;
    this.#ops = iops === undefined ? null : new TokenBucket(iops, limits.burstOps ?? 1);
    this.#bytes = bytesPerSecond === undefined ? null : new TokenBucket(bytesPerSecond, burstBytes);
  }

  submit(op: BlockOp): boolean {
    const index = this.closed ? -1 : this.table.put(op);
    if (index < 0) {
      return false;
    }
    this.#waiting.push(index);
    this.#queued += 1;
    return true;
  }

  commit(): number {
    const nowNs = this.clock.nowNs();
    for (let position = this.#committed; position < this.#waiting.length; position += 1) {
      this.table.submittedNs[this.#waiting[position] as number] = nowNs;
    }
    this.#committed = this.#waiting.length;
    this.#pump();
    const count = this.#queued;
    this.#queued = 0;
    return count;
  }

  protected override beforePoll(): void {
    this.#pump();
  }

  protected override submittedNsOf(index: number): number {
    return this.table.submittedNs[index] as number;
  }

  override close(): void {
    this.#cancel?.();
    this.#cancel = null;
    super.close();
  }

  /** Starts what may start; sets the timer for what may not yet. */
  #pump(): void {
    const nowNs = this.clock.nowNs();
    const op = this.op;
    let started = 0;
    while (started < this.#committed) {
      const index = this.#waiting[started] as number;
      this.table.load(index, op);
      const refused = checkOp(op, this.facts, this.supports, this.arena);
      if (refused !== 0) {
        this.finish(index, refused);
      } else {
        const bytes = op.kind === opKinds.read || op.kind === opKinds.write ? op.lengthBytes : 0;
        const readyNs = this.#readyAtNs(bytes);
        if (readyNs > nowNs) {
          this.#wakeAt(readyNs);
          break;
        }
        if (!this.inner.submit(op)) {
          // Full: the next poll takes completions out below and comes back here.
          break;
        }
        this.#ops?.take(nowNs, 1);
        this.#bytes?.take(nowNs, bytes);
      }
      started += 1;
    }
    if (started > 0) {
      this.#waiting.splice(0, started);
      this.#committed -= started;
      this.inner.commit();
    }
  }

  #readyAtNs(bytes: number): number {
    const forOps = this.#ops?.readyAtNs(1) ?? Number.NEGATIVE_INFINITY;
    const forBytes = this.#bytes?.readyAtNs(bytes) ?? Number.NEGATIVE_INFINITY;
    return Math.ceil(Math.max(forOps, forBytes));
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
      this.#pump();
      this.sentByItself();
    });
  }
}
