/**
 * Where the time of an operation goes: each operation that is traced is in exactly one stage of one layer
 * at any time, so that the times of its stages add up to its service time. A layer says which stage an
 * operation enters; that ends the one before it, whosever it was.
 */
import { assert } from "../base/assert.ts";

/** `queued`: it waits for its turn; `worked`: something is done for it, by this layer or a device of its own. */
export type StageKind = "queued" | "worked";

export interface StageName {
  /** As in the chain of a run: `qos`, `scheduler`, ..., `store`, `device`. */
  readonly layer: string;
  readonly stage: string;
  readonly kind: StageKind;
}

/** Stages of a run at most: one bit each of what an operation passed. */
const mostStages = 31;
/** A trace is its place in the tables and, above it, how often that was used. */
const placeBits = 16;
const placeMask = 2 ** placeBits - 1;
const mostUses = 2 ** 14;

/** The traced operations of a run and their stages. */
export class StageClock {
  readonly names: StageName[] = [];
  /** Of the operation that `finish` was called for last, ns by stage. */
  readonly times = new Float64Array(mostStages);
  readonly #trace: Int32Array;
  readonly #current: Int32Array;
  readonly #passed: Int32Array;
  readonly #firstNs: Float64Array;
  readonly #sinceNs: Float64Array;
  readonly #spentNs: Float64Array;
  readonly #free: number[];

  /** `capacity`: operations that are traced at once, at most 65535. */
  constructor(capacity: number) {
    assert(capacity <= placeMask, "so many operations cannot be traced at once");
    // Place 0 stays unused: no trace is 0.
    const places = capacity + 1;
    this.#trace = new Int32Array(places);
    this.#current = new Int32Array(places);
    this.#passed = new Int32Array(places);
    this.#firstNs = new Float64Array(places);
    this.#sinceNs = new Float64Array(places);
    this.#spentNs = new Float64Array(places * mostStages);
    this.#free = Array.from({ length: capacity }, (_, at) => capacity - at);
  }

  /** The number of a stage; the same for the same name. */
  stage(layer: string, stage: string, kind: StageKind): number {
    const known = this.names.findIndex((each) => each.layer === layer && each.stage === stage);
    if (known >= 0) {
      return known;
    }
    assert(this.names.length < mostStages, "a run has too many stages");
    return this.names.push({ layer, stage, kind }) - 1;
  }

  /** A trace for an operation that is about to be submitted; 0: none is free. */
  begin(): number {
    const place = this.#free.pop();
    if (place === undefined) {
      return 0;
    }
    const uses = (((this.#trace[place] as number) >> placeBits) + 1) % mostUses;
    const trace = (uses << placeBits) | place;
    this.#trace[place] = trace;
    this.#current[place] = -1;
    this.#passed[place] = 0;
    return trace;
  }

  /** The operation goes over to a stage; one that has ended meanwhile, or is not traced (0), does not. */
  enter(trace: number, stage: number, nowNs: number): void {
    const place = trace & placeMask;
    if (place === 0 || this.#trace[place] !== trace) {
      return;
    }
    const current = this.#current[place] as number;
    if (current < 0) {
      this.#firstNs[place] = nowNs;
    } else {
      const at = place * mostStages + current;
      const spentNs = nowNs - (this.#sinceNs[place] as number);
      this.#spentNs[at] = (this.#spentNs[at] as number) + spentNs;
    }
    this.#open(place, stage);
    this.#sinceNs[place] = nowNs;
  }

  /**
   * The operation has completed: ends its trace, leaves its times in `times`, and answers which stages it
   * passed, a bit each. They add up to `completedNs - submittedNs`; without any stage all of it is that of
   * `rest`.
   */
  finish(trace: number, submittedNs: number, completedNs: number, rest: number): number {
    const place = trace & placeMask;
    assert(this.#trace[place] === trace, "a trace is ended that was not begun");
    if ((this.#current[place] as number) < 0) {
      this.#firstNs[place] = submittedNs;
      this.#sinceNs[place] = submittedNs;
      this.#open(place, rest);
    }
    const base = place * mostStages;
    const last = base + (this.#current[place] as number);
    // What was told as its beginning may lie before the first layer's look at the clock.
    const endsNs = completedNs - (this.#sinceNs[place] as number);
    const beginsNs = (this.#firstNs[place] as number) - submittedNs;
    this.#spentNs[last] = (this.#spentNs[last] as number) + endsNs + beginsNs;
    const passed = this.#passed[place] as number;
    for (let left = passed; left !== 0; left &= left - 1) {
      const stage = 31 - Math.clz32(left & -left);
      this.times[stage] = this.#spentNs[base + stage] as number;
    }
    this.#end(place);
    return passed;
  }

  /** The operation is of no interest any more. */
  drop(trace: number): void {
    const place = trace & placeMask;
    if (place !== 0 && this.#trace[place] === trace) {
      this.#end(place);
    }
  }

  #open(place: number, stage: number): void {
    const bit = 1 << stage;
    const passed = this.#passed[place] as number;
    if ((passed & bit) === 0) {
      this.#passed[place] = passed | bit;
      this.#spentNs[place * mostStages + stage] = 0;
    }
    this.#current[place] = stage;
  }

  /** Whoever still has the trace cannot enter anything with it. */
  #end(place: number): void {
    this.#trace[place] = (this.#trace[place] as number) & ~placeMask;
    this.#free.push(place);
  }
}

/** A clock that traces nothing: for runs whose stages are not asked for. */
export const noStages = new StageClock(0);

/** The two stages that every layer has. */
export class LayerStages {
  readonly clock: StageClock;
  readonly #queued: number;
  readonly #worked: number;

  constructor(clock: StageClock, layer: string) {
    this.clock = clock;
    const known = clock !== noStages;
    this.#queued = known ? clock.stage(layer, "queue", "queued") : 0;
    this.#worked = known ? clock.stage(layer, "work", "worked") : 0;
  }

  queued(trace: number, nowNs: number): void {
    this.clock.enter(trace, this.#queued, nowNs);
  }

  worked(trace: number, nowNs: number): void {
    this.clock.enter(trace, this.#worked, nowNs);
  }
}

/** Those of a layer that nobody traces. */
export const untraced = new LayerStages(noStages, "");

/** A layer that can tell stages; what passes it carries its trace on. */
export interface TracedLayer {
  /** Tells stages from now on, under the layer's name. To be called before the first operation. */
  traceStages(clock: StageClock, layer: string): void;
}

export function isTraced(device: object): device is TracedLayer {
  return "traceStages" in device;
}
