/** Traces operations of one job and records how long each stage of them took. */
import { SeededRandom } from "../../engine/base/random.ts";
import type { StageClock } from "../../engine/device/stages.ts";
import { type BlockDevice, type BlockOp, opKinds } from "../../engine/port/block-device.ts";
import type { Direction, DirectionStages, StagesOutcome } from "../run-outcome.ts";
import { StageTimes } from "./stage-times.ts";

/** Operations of a run that are traced at once, at most; others begin untraced. */
export const tracesAtOnce = 4096;

/**
 * Sampling by itself: with more than `fastPerSecond` traced operations a second half as many are traced from
 * then on, with fewer than `slowPerSecond` twice as many. A traced operation costs 0.15 to 0.3 us.
 */
const fastPerSecond = 20_000;
const slowPerSecond = 5000;
const mostOneIn = 256;
/** Traced operations after which that is looked at. */
const lookEvery = 256;

const directionOf: readonly Direction[] = ["read", "write", "trim"];

/** Of one direction; `ops` and `serviceNs` are those of all operations that the traced ones stand for. */
interface Recorded {
  traced: number;
  ops: number;
  serviceNs: number;
  readonly stages: (StageTimes | undefined)[];
}

const nothing = (): Recorded => ({ traced: 0, ops: 0, serviceNs: 0, stages: [] });

/** Takes the stages of one job's operations, as its loop tells of them. */
export interface StageTaker {
  /** So many operations are about to be submitted; whether one of them may be marked. */
  begins(count: number): boolean;
  /** Each of them, if so: sets its `trace`. */
  mark(op: BlockOp): void;
  /** The first `count` completions of a device have come. */
  completed(device: BlockDevice, count: number): void;
  /** The job has judged what came: within a warm-up (not `measuring`) nothing is recorded. */
  settle(measuring: boolean): void;
  /** Null: nothing was recorded. */
  outcome(): StagesOutcome | null;
}

export class StageRecorder implements StageTaker {
  readonly #clock: StageClock;
  readonly #adapts: boolean;
  readonly #random: SeededRandom;
  /** Where the time of an operation goes that no layer says anything of. */
  readonly #rest: number;
  /** By tag. */
  readonly #traces: Int32Array;
  readonly #kinds: Uint8Array;
  readonly #weights: Int32Array;
  readonly #submittedNs: Float64Array;
  readonly #completedNs: Float64Array;
  /** Tags of what has completed and was not settled. */
  readonly #ended: Int32Array;
  #endedCount = 0;
  readonly #recorded: readonly Recorded[] = directionOf.map(nothing);
  #underWay = 0;
  #oneIn: number;
  #widest: number;
  #untilNext: number;
  /** Of the operation that comes then: as many as the mean of the gap before it. */
  #weight = 1;
  /** Operations traced since `#lookedNs`. */
  #sinceLook = 0;
  #lookedNs = 0;

  /** `oneIn`: on average one of so many operations is traced; `auto`: as the rate allows. */
  constructor(clock: StageClock, depth: number, oneIn: number | "auto", seed: number) {
    this.#clock = clock;
    this.#adapts = oneIn === "auto";
    this.#oneIn = oneIn === "auto" ? 1 : oneIn;
    this.#widest = this.#oneIn;
    this.#random = new SeededRandom(seed);
    this.#rest = clock.stage("device", "service", "worked");
    this.#traces = new Int32Array(depth);
    this.#kinds = new Uint8Array(depth);
    this.#weights = new Int32Array(depth);
    this.#submittedNs = new Float64Array(depth);
    this.#completedNs = new Float64Array(depth);
    this.#ended = new Int32Array(depth);
    this.#untilNext = this.#gap();
  }

  begins(count: number): boolean {
    if (this.#untilNext > count) {
      this.#untilNext -= count;
      return false;
    }
    return true;
  }

  mark(op: BlockOp): void {
    op.trace = 0;
    this.#untilNext -= 1;
    if (this.#untilNext > 0) {
      return;
    }
    const weight = this.#weight;
    this.#untilNext = this.#gap();
    const trace = op.kind > opKinds.trim ? 0 : this.#clock.begin();
    if (trace !== 0) {
      op.trace = trace;
      this.#traces[op.tag] = trace;
      this.#kinds[op.tag] = op.kind;
      this.#weights[op.tag] = weight;
      this.#underWay += 1;
    }
  }

  completed({ completions }: BlockDevice, count: number): void {
    if (this.#underWay === 0) {
      return;
    }
    const { tag, result, submittedNs, completedNs } = completions;
    for (let position = 0; position < count; position += 1) {
      const at = tag[position] as number;
      if (this.#traces[at] === 0) {
        continue;
      }
      if ((result[position] as number) < 0) {
        this.#clock.drop(this.#traces[at] as number);
        this.#traces[at] = 0;
        this.#underWay -= 1;
        continue;
      }
      this.#submittedNs[at] = submittedNs[position] as number;
      this.#completedNs[at] = completedNs[position] as number;
      this.#ended[this.#endedCount] = at;
      this.#endedCount += 1;
    }
  }

  settle(measuring: boolean): void {
    for (let position = 0; position < this.#endedCount; position += 1) {
      const at = this.#ended[position] as number;
      const trace = this.#traces[at] as number;
      this.#traces[at] = 0;
      if (measuring) {
        this.#record(at, trace);
      } else {
        this.#clock.drop(trace);
      }
    }
    this.#underWay -= this.#endedCount;
    this.#endedCount = 0;
  }

  outcome(): StagesOutcome | null {
    const entries = this.#recorded.flatMap((recorded, place) =>
      recorded.ops === 0 ? [] : [[directionOf[place], this.#outcomeOf(recorded)] as const],
    );
    return entries.length === 0 ? null : { oneIn: this.#widest, ...Object.fromEntries(entries) };
  }

  /** Gaps of random length: a pattern in the stream must not decide what is traced. */
  #gap(): number {
    this.#weight = this.#oneIn;
    return this.#oneIn === 1 ? 1 : 1 + this.#random.below(2 * this.#oneIn - 1);
  }

  #record(tag: number, trace: number): void {
    const submittedNs = this.#submittedNs[tag] as number;
    const completedNs = this.#completedNs[tag] as number;
    const recorded = this.#recorded[this.#kinds[tag] as number] as Recorded;
    const weight = this.#weights[tag] as number;
    const passed = this.#clock.finish(trace, submittedNs, completedNs, this.#rest);
    recorded.traced += 1;
    recorded.ops += weight;
    recorded.serviceNs += (completedNs - submittedNs) * weight;
    const { stages } = recorded;
    for (let left = passed; left !== 0; left &= left - 1) {
      const stage = 31 - Math.clz32(left & -left);
      let times = stages[stage];
      if (times === undefined) {
        times = new StageTimes();
        stages[stage] = times;
      }
      times.add(this.#clock.times[stage] as number, weight);
    }
    if (this.#adapts) {
      this.#adapt(completedNs);
    }
  }

  #adapt(nowNs: number): void {
    this.#sinceLook += 1;
    if (this.#sinceLook < lookEvery) {
      return;
    }
    const perSecond = (this.#sinceLook * 1e9) / (nowNs - this.#lookedNs);
    this.#sinceLook = 0;
    this.#lookedNs = nowNs;
    // Completions may come out of order: a time that is not above 0 is a rate without bound.
    if (!(perSecond > 0 && perSecond <= fastPerSecond)) {
      this.#oneIn = Math.min(mostOneIn, this.#oneIn * 2);
      this.#widest = Math.max(this.#widest, this.#oneIn);
    } else if (perSecond < slowPerSecond) {
      this.#oneIn = Math.max(1, this.#oneIn / 2);
    }
  }

  #outcomeOf({ traced, ops, serviceNs, stages }: Recorded): DirectionStages {
    return {
      traced,
      ops,
      serviceNs,
      stages: this.#clock.names.flatMap((name, number) => {
        const times = stages[number];
        if (times === undefined) {
          return [];
        }
        const { count, minNs, maxNs, sumNs, sumSquares } = times;
        return [{ ...name, count, minNs, maxNs, sumNs, sumSquares, buckets: times.buckets() }];
      }),
    };
  }
}
