/** What a reader must know before using the figures. */
import { aboutCourse } from "./course.ts";
import { isSolid, samplesBeyond } from "./measure.ts";
import type { Caveat, Entry, RunSummary, TimeLine } from "./model.ts";
import { persistenceCaveat, type VolatilePoints } from "./not-persistent.ts";
import { names } from "./run-names.ts";
import { formatCount, formatNs, formatShare } from "./units.ts";

/** A stop of a whole core this long can be seen in the latencies of a fast device. */
const hiccupNs = 1_000_000;

export interface CaveatInput {
  readonly state: "complete" | "partial";
  readonly reason: string | null;
  readonly preview: boolean;
  readonly runs: readonly RunSummary[];
  readonly entries: readonly Entry[];
  readonly timeLines: readonly TimeLine[];
  readonly missing: readonly string[];
  /** Runs that were to attain a steady state and did not. */
  readonly unsteady: readonly string[];
  readonly changedFacts: readonly string[];
  /** Shapes that stood for devices, by name. */
  readonly shapes: readonly string[];
  /** Points whose writes went to memory, and how many points there are. */
  readonly inMemory: { readonly points: VolatilePoints; readonly pointCount: number };
  /** What a sweep did beside what its file says. */
  readonly notes: readonly string[];
}

/** Serious ones first. */
export function findCaveats(input: CaveatInput): readonly Caveat[] {
  const found = [
    ...input.notes.map(aboutNote),
    ...aboutShapes(input.shapes),
    ...persistenceCaveat(input.inMemory.points, input.inMemory.pointCount),
    ...aboutState(input),
    ...aboutGenerator(input.runs),
    ...aboutOthers(input.runs),
    ...aboutCourse(input.runs),
    ...aboutLoop(input.entries),
    ...aboutSamples(input),
  ];
  return [
    ...found.filter((caveat) => caveat.weight === "serious"),
    ...found.filter((caveat) => caveat.weight === "mind"),
  ];
}

function aboutNote(note: string): Caveat {
  return { kind: "note", weight: "mind", text: `${note[0]?.toUpperCase()}${note.slice(1)}.` };
}

function aboutShapes(shapes: readonly string[]): readonly Caveat[] {
  const which = shapes.length === 1 ? "the shape" : "the shapes";
  const text =
    `Modelled: ${which} ${names(shapes)} said how long the device took. What lies above the device was ` +
    "measured, the device was not.";
  return shapes.length === 0 ? [] : [{ kind: "modelled", weight: "serious", text }];
}

function aboutState(input: CaveatInput): readonly Caveat[] {
  const caveats: Caveat[] = [];
  const cut = input.runs.filter((run) => run.state === "partial");
  if (input.state === "partial" || cut.length > 0) {
    const which = cut.length > 0 ? ` ${names(cut.map((run) => run.path))} ended early` : "";
    const why = input.reason ?? cut[0]?.reason ?? null;
    const text = `The results are partial:${which}${why === null ? "" : ` (${why})`}.`;
    caveats.push({ kind: "partial", weight: "serious", text });
  }
  const errors = input.runs.flatMap((run) => {
    const where = run.path === "." ? "" : `${names([run.path])}: `;
    return run.errors.map((error) => `${where}${error}`);
  });
  if (errors.length > 0) {
    const more = errors.length > 3 ? ` and ${errors.length - 3} more` : "";
    const text = `I/O errors: ${errors.slice(0, 3).join("; ")}${more}.`;
    caveats.push({ kind: "errors", weight: "serious", text });
  }
  if (input.missing.length > 0) {
    const text = `Files are missing, so that figures or charts are left out: ${names(input.missing)}.`;
    caveats.push({ kind: "missing-files", weight: "serious", text });
  }
  if (input.unsteady.length > 0) {
    const text =
      `The steady state that the job asks for was not attained in ${names(input.unsteady)}: the figures are ` +
      "those of a target that was still changing.";
    caveats.push({ kind: "unsteady", weight: "serious", text });
  }
  if (input.changedFacts.length > 0) {
    const text = `The machine changed between the runs: ${names(input.changedFacts)}.`;
    caveats.push({ kind: "changed-host", weight: "serious", text });
  }
  return caveats;
}

function aboutGenerator(runs: readonly RunSummary[]): readonly Caveat[] {
  const caveats: Caveat[] = [];
  const all = runs.flatMap((run) => run.generators.map((g) => ({ ...g, run: run.path })));
  const late = all.filter((g) => g.late);
  if (late.length > 0) {
    const worst = late.reduce((a, b) => (b.late_share > a.late_share ? b : a));
    const text =
      `The generator was late: in ${names(late.map((g) => g.run))}, up to ${formatShare(worst.late_share)} ` +
      `of the operations were sent more than ${formatNs(worst.late_threshold_ns)} after they were due ` +
      `although a slot was free. Their wait is the harness's, not the device's.`;
    caveats.push({ kind: "late", weight: "serious", text });
  }
  const saturated = all.filter((g) => g.saturated);
  if (saturated.length > 0) {
    const busiest = Math.max(...saturated.map((g) => g.busy_share));
    const text =
      `The generator was saturated: in ${names(saturated.map((g) => g.run))} a job's thread was busy for ` +
      `up to ${formatShare(busiest)} of the time, so the device may be faster than shown.`;
    caveats.push({ kind: "saturated", weight: "serious", text });
  }
  const overloaded = all.filter((g) => g.overloaded);
  if (overloaded.length > 0) {
    const dropped = overloaded.reduce((sum, g) => sum + g.dropped_arrivals, 0);
    const text =
      `The target was overloaded in ${names(overloaded.map((g) => g.run))}: the backlog reached its cap and ` +
      `${dropped} arrivals were dropped. Response times are lower bounds there.`;
    caveats.push({ kind: "overloaded", weight: "serious", text });
  }
  const hiccups = Math.max(0, ...all.map((g) => g.hiccups.max_ns));
  if (hiccups > hiccupNs) {
    const text =
      `A core was taken away for up to ${formatNs(hiccups)} while measuring (hiccup meter): the slowest ` +
      "operations may show the machine's scheduler instead of the device.";
    caveats.push({ kind: "hiccups", weight: "mind", text });
  }
  return caveats;
}

/** Told with the first run that has it, since the figures of others differ. */
function aboutOthers(runs: readonly RunSummary[]): readonly Caveat[] {
  const shared = runs.filter(({ others }) => others.length > 0);
  const first = shared[0];
  if (first === undefined) {
    return [];
  }
  const which = runs.length === 1 ? "" : ` in ${shared.length} of ${runs.length} runs`;
  const text = `The machine was not the run's alone${which}: ${first.others.join("; ")}.`;
  return [{ kind: "others", weight: "serious", text }];
}

function aboutLoop(entries: readonly Entry[]): readonly Caveat[] {
  const closed = entries.filter((entry) => !entry.openLoop);
  if (closed.length === 0) {
    return [];
  }
  const which = closed.length === entries.length ? "" : ` for ${closed.length} of the rows`;
  const text =
    `The load was a closed loop${which}: a new operation is sent only when one has completed, so a stall ` +
    "delays few operations. Give rate_iops for response times that a stall cannot hide from.";
  return [{ kind: "closed-loop", weight: "mind", text }];
}

function aboutSamples(input: CaveatInput): readonly Caveat[] {
  const caveats: Caveat[] = [];
  for (const percentile of ["p99", "p99.9"]) {
    const weak = input.entries.filter((entry) => {
      return !isSolid(`response.${percentile}`, entry.samples / entry.replicates);
    });
    if (weak.length > 0) {
      const text =
        `${percentile} is not shown${weak.length === input.entries.length ? "" : ` for ${weak.length} of ${input.entries.length} rows`}: ` +
        `a percentile needs at least ${samplesBeyond} samples beyond it.`;
      caveats.push({ kind: "few-samples", weight: "mind", text });
      break;
    }
  }
  const fewest = Math.min(...input.entries.map((entry) => entry.replicates));
  // Where nothing stands beside anything else, nothing is compared.
  const compared = new Set(input.entries.map((entry) => entry.facet)).size < input.entries.length;
  if (compared && fewest < 6) {
    const runs = fewest === 1 ? "one run" : `${fewest} runs`;
    const why = input.preview ? "" : "; at least 6 are needed for a 95% interval of a median";
    const text = `Each figure rests on ${runs}${why}. Differences may be chance.`;
    caveats.push({ kind: "few-runs", weight: "mind", text });
  }
  if (input.runs.length === 1 && input.entries.length > 0 && !compared) {
    const samples = input.entries.reduce((sum, entry) => sum + entry.samples, 0);
    const text =
      `The figures rest on one run of ${formatCount(samples)} operations${spreadOf(input.timeLines)}.${rankedOf(input.runs)} ` +
      "How far another run would differ, only repeats tell (--repeat 6).";
    caveats.push({ kind: "few-runs", weight: "mind", text });
  }
  return caveats;
}

/** What the samples of one run say of its p99, as if they were independent. */
function rankedOf([run]: readonly RunSummary[]): string {
  const [low, high] = run?.p99IntervalNs ?? [];
  return low === undefined || high === undefined
    ? ""
    : ` By their ranks p99 of the response times lies between ${formatNs(low)} and ${formatNs(high)} (95%).`;
}

/** Fewer intervals have no spread worth telling. */
const leastIntervals = 8;

/** How much the rate changed within the run: the worst of its lines. */
function spreadOf(lines: readonly TimeLine[]): string {
  const spreads = lines.flatMap((line) => {
    const rates = line.rows.filter((row) => row.ms > line.warmupEndMs).map((row) => row.iops);
    const sorted = rates.sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
    return sorted.length < leastIntervals || at(0.5) === 0 ? [] : [(at(0.9) - at(0.1)) / at(0.5)];
  });
  return spreads.length === 0
    ? ""
    : `, in which IOPS changed by ${formatShare(Math.max(...spreads))} of their median ` +
        "(from the 10th to the 90th percentile of its intervals)";
}
