/** Traces operations of one job and records how long each stage of them took. */
import { SeededRandom } from "../../engine/base/random.ts";
import type { StageClock } from "../../engine/device/stages.ts";
import { type BlockDevice, type BlockOp, opKinds } from "../../engine/port/block-device.ts";
import type { Direction, DirectionStages, StagesOutcome } from "../run-outcome.ts";
import { StageTimes } from "./stage-times.ts";

/** Operations of a run that are traced at once, at most; others begin untraced. */
export const tracesAtOnce = 4096;

/** Unless a run says otherwise, one operation in so many is traced. */
export const usualStagesOneIn = 8;

const directionOf: readonly Direction[] = ["read", "write", "trim"];

/** Of one direction: operations, their service times together, and the times of each stage by its number. */
interface Recorded {
  ops: number;
  serviceNs: number;
  readonly stages: (StageTimes | undefined)[];
}

const nothing = (): Recorded => ({ ops: 0, serviceNs: 0, stages: [] });

export class StageRecorder {
  readonly #clock: StageClock;
  readonly #oneIn: number;
  readonly #random: SeededRandom;
  /** Where the time of an operation goes that no layer says anything of. */
  readonly #rest: number;
  /** By tag. */
  readonly #traces: Int32Array;
  readonly #kinds: Uint8Array;
  readonly #submittedNs: Float64Array;
  readonly #completedNs: Float64Array;
  /** Tags of what has completed and was not settled. */
  readonly #ended: Int32Array;
  #endedCount = 0;
  readonly #recorded: readonly Recorded[] = directionOf.map(nothing);
  #underWay = 0;
  #untilNext: number;

  /** `oneIn`: on average one of so many operations is traced. */
  constructor(clock: StageClock, depth: number, oneIn: number, seed: number) {
    this.#clock = clock;
    this.#oneIn = oneIn;
    this.#random = new SeededRandom(seed);
    this.#rest = clock.stage("device", "service", "worked");
    this.#traces = new Int32Array(depth);
    this.#kinds = new Uint8Array(depth);
    this.#submittedNs = new Float64Array(depth);
    this.#completedNs = new Float64Array(depth);
    this.#ended = new Int32Array(depth);
    this.#untilNext = this.#gap();
  }

  /** Marks an operation that is about to be submitted, if it is to be traced. */
  mark(op: BlockOp): void {
    op.trace = 0;
    if (op.kind > opKinds.trim) {
      return;
    }
    this.#untilNext -= 1;
    if (this.#untilNext > 0) {
      return;
    }
    this.#untilNext = this.#gap();
    const trace = this.#clock.begin();
    if (trace !== 0) {
      op.trace = trace;
      this.#traces[op.tag] = trace;
      this.#kinds[op.tag] = op.kind;
      this.#underWay += 1;
    }
  }

  /** Takes note of the first `count` completions of a device. */
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

  /** Records what has completed, once the job has judged it: within a warm-up (not `measuring`) nothing. */
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

  /** What was recorded; null: nothing. */
  outcome(): StagesOutcome | null {
    const entries = this.#recorded.flatMap((recorded, place) =>
      recorded.ops === 0 ? [] : [[directionOf[place], this.#outcomeOf(recorded)] as const],
    );
    return entries.length === 0 ? null : { oneIn: this.#oneIn, ...Object.fromEntries(entries) };
  }

  /** Gaps of random length: a pattern in the stream must not decide what is traced. */
  #gap(): number {
    return this.#oneIn === 1 ? 1 : 1 + this.#random.below(2 * this.#oneIn - 1);
  }

  #record(tag: number, trace: number): void {
    const submittedNs = this.#submittedNs[tag] as number;
    const completedNs = this.#completedNs[tag] as number;
    const recorded = this.#recorded[this.#kinds[tag] as number] as Recorded;
    const passed = this.#clock.finish(trace, submittedNs, completedNs, this.#rest);
    recorded.ops += 1;
    recorded.serviceNs += completedNs - submittedNs;
    const { stages } = recorded;
    for (let left = passed; left !== 0; left &= left - 1) {
      const stage = 31 - Math.clz32(left & -left);
      let times = stages[stage];
      if (times === undefined) {
        times = new StageTimes();
        stages[stage] = times;
      }
      times.add(this.#clock.times[stage] as number);
    }
  }

  #outcomeOf({ ops, serviceNs, stages }: Recorded): DirectionStages {
    return {
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
