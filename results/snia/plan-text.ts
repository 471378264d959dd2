/** What a test is going to do, before it does it: steps, time, bytes written, conformance. */
import { formatBytes, formatPercent, ofVirtualTime } from "../units.ts";
import type { Cell } from "./cells.ts";
import type { SniaDevice } from "./device.ts";
import type { SniaSizes } from "./procedures.ts";
import { compositeLoads, type Section, type Step } from "./procedures.ts";
import type { SniaSpec } from "./spec.ts";
import { windowRounds } from "./steady-rule.ts";

/** Bounds of something that a steady state ends. */
interface Bounds {
  readonly least: number;
  readonly most: number;
}

export interface StepPlan {
  readonly title: string;
  readonly seconds: Bounds;
  /** Seconds of these in which the target is written to. */
  readonly writingSeconds: Bounds;
  /** Bytes that do not depend on the target's speed. */
  readonly bytes: number;
  readonly what: string;
}

const none: Bounds = { least: 0, most: 0 };

function times({ least, most }: Bounds, factor: number): Bounds {
  return { least: least * factor, most: most * factor };
}

function add(a: Bounds, b: Bounds): Bounds {
  return { least: a.least + b.least, most: a.most + b.most };
}

const secondsOf = (cells: readonly Cell[]) =>
  cells.reduce((sum, cell) => sum + (cell.seconds ?? 0), 0);

/** Time of these cells in which writes are sent, as far as the mix says. */
function writing(cells: readonly Cell[]): number {
  return cells.reduce((sum, { seconds, readPercent, bursts }) => {
    const busy =
      bursts === undefined ? 1 : bursts.onSeconds / (bursts.onSeconds + bursts.offSeconds);
    return sum + (seconds ?? 0) * busy * (1 - readPercent / 100);
  }, 0);
}

function planOf(step: Step): Omit<StepPlan, "title"> {
  const same = (value: number): Bounds => ({ least: value, most: value });
  switch (step.kind) {
    case "fill": {
      const bytes = step.cell.bytes ?? 0;
      return { seconds: none, writingSeconds: none, bytes, what: `${formatBytes(bytes)} written` };
    }
    case "drive": {
      const seconds = secondsOf(step.cells);
      const what = `${clock(seconds)}`;
      return { seconds: same(seconds), writingSeconds: same(writing(step.cells)), bytes: 0, what };
    }
    case "rounds": {
      const one = secondsOf(step.cells);
      const rounds = { least: windowRounds, most: step.most };
      const cells = step.cells.length === 1 ? "1 cell" : `${step.cells.length} cells`;
      return {
        seconds: times(rounds, one),
        writingSeconds: times(rounds, writing(step.cells)),
        bytes: 0,
        what: `${windowRounds} to ${step.most} rounds of ${cells}, ${clock(one)} each`,
      };
    }
    case "saturate": {
      const rounds = { least: windowRounds, most: step.mostRounds };
      const seconds = times(rounds, step.roundSeconds);
      const what = `until steady over ${windowRounds} rounds of ${clock(step.roundSeconds)}, ${formatBytes(step.mostBytes)} or ${clock(seconds.most)}, whichever is first`;
      return { seconds, writingSeconds: none, bytes: step.mostBytes, what };
    }
    case "histograms": {
      const before = step.before.seconds ?? 0;
      const most = 3 * (before + step.seconds);
      const writes = 3 * (before + 0.6 * step.seconds);
      const what = `of ${compositeLoads.length ** 2} loads at most three, ${clock(before)} of writes and ${clock(step.seconds)} each`;
      return { seconds: same(most), writingSeconds: same(writes), bytes: 0, what };
    }
  }
}

/** `4 h 40 min`, `2 min 5 s`, `0.25 s`. */
export function clock(seconds: number): string {
  if (seconds < 60) {
    return `${Number(seconds.toPrecision(3))} s`;
  }
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const parts = [
    ...(hours > 0 ? [`${hours} h`] : []),
    ...(minutes > 0 ? [`${minutes} min`] : []),
    ...(rest > 0 && hours === 0 ? [`${rest} s`] : []),
  ];
  return parts.join(" ");
}

export interface SniaPlan {
  readonly steps: readonly StepPlan[];
  readonly seconds: Bounds;
  readonly writingSeconds: Bounds;
  readonly bytes: number;
}

export function planSnia(sections: readonly Section[]): SniaPlan {
  const steps = sections.flatMap((section) =>
    section.steps.map((step) => ({
      title: section.id === "" ? step.title : `${section.title}: ${step.title}`,
      ...planOf(step),
    })),
  );
  return {
    steps,
    seconds: steps.reduce((sum, { seconds }) => add(sum, seconds), none),
    writingSeconds: steps.reduce((sum, { writingSeconds }) => add(sum, writingSeconds), none),
    bytes: steps.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Bytes a second, for saying what time-bound writes come to. */
const example = 100e6;

function range({ least, most }: Bounds, text: (value: number) => string): string {
  return text(least) === text(most) ? text(most) : `${text(least)} to ${text(most)}`;
}

function enduranceLines(spec: SniaSpec, plan: SniaPlan): readonly string[] {
  const { ratedWriteBytes: rated, mostWriteBytes: most } = spec;
  const share = (bytes: number) => formatPercent((100 * bytes) / (rated ?? 1));
  const from = spec.ratedFrom === undefined ? "" : ` (${spec.ratedFrom})`;
  const timed = times(plan.writingSeconds, example);
  const total = add({ least: plan.bytes, most: plan.bytes }, timed);
  return [
    ...(rated === null
      ? ["endurance: rated writes are not known (snia: endurance: rated: 600TB)"]
      : [
          `endurance: ${range(total, share)} of the ${formatBytes(rated)} that the device is rated for${from}`,
        ]),
    ...(most === null ? [] : [`endurance: ends before more than ${formatBytes(most)} is written`]),
  ];
}

/** The plan as text; ends without a newline. */
export function planLines(
  spec: SniaSpec,
  device: SniaDevice,
  sizes: SniaSizes,
  sections: readonly Section[],
  deviations: readonly string[],
  /** Time passes as the model says. */
  virtual: boolean,
): readonly string[] {
  const plan = planSnia(sections);
  const timed = times(plan.writingSeconds, example);
  const bounded = plan.bytes === 0 ? [] : [`${formatBytes(plan.bytes)} by size`];
  const byTime =
    timed.most === 0
      ? []
      : [
          `as much as the target takes in ${range(plan.writingSeconds, clock)} (${range(timed, formatBytes)} at 100 MB/s)`,
        ];
  return [
    `SNIA PTS ${spec.edition}, ${spec.test}, ${spec.deviceClass} class, on ${device.target} (${device.kind}, ${formatBytes(device.sizeBytes)}; active ${formatBytes(sizes.activeBytes)})`,
    `purge: ${spec.purge}${sections.length > 1 ? ", before each part" : ""}`,
    ...plan.steps.map(({ title, what }) => `${title}: ${what}`),
    `time: ${range(plan.seconds, clock)}${virtual ? ` ${ofVirtualTime}` : ""}${plan.steps.some(({ bytes }) => bytes > 0) ? ", and what is bounded by size" : ""}`,
    `written: ${[...bounded, ...byTime].join("; ") || "nothing"}`,
    ...enduranceLines(spec, plan),
    ...(deviations.length === 0
      ? ["conformant as far as can be told from here"]
      : [`NOT CONFORMANT: ${deviations.join("; ")}`]),
  ];
}
