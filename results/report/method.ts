/** How the figures of a report came about, in sentences: what a reader needs to judge or repeat them. */
import { mostByStudent, testName } from "../stats/paired.ts";
import type { ReportModel } from "./model.ts";
import { formatShare, metricTitle } from "./units.ts";

type MethodInput = Pick<
  ReportModel,
  "kind" | "entries" | "runs" | "seed" | "comparisons" | "metrics" | "preview" | "minEffect"
>;

/**
 * One sentence each; in the order of the work.
 * @param looks at which the sweep could end before its last block
 */
export function methodOf(
  model: MethodInput,
  looks: readonly { readonly runs: number; readonly level: number }[],
): readonly string[] {
  const fewest = Math.min(...model.entries.map((entry) => entry.replicates));
  const most = Math.max(...model.entries.map((entry) => entry.replicates));
  const times = fewest === most ? `${most}` : `${fewest} to ${most}`;
  const open = model.entries.filter((entry) => entry.openLoop).length;
  return [
    ...orderOf(model, times, most),
    loopOf(open, model.entries.length),
    "Latencies are counted in HDR histograms of three digits with exact extremes; percentiles come from histograms " +
      "that were added up, never from averages of percentiles, and are shown where at least 10 samples lie beyond them.",
    ...comparedBy(model),
    ...looksText(looks),
  ];
}

function orderOf(model: MethodInput, times: string, most: number): readonly string[] {
  switch (model.kind) {
    case "sweep":
      return most > 1
        ? [
            `Every configuration ran ${times} times, once in each of ${most} blocks, in an order drawn anew for each ` +
              `block from seed ${model.seed}: a drift of the machine reaches all alike. Figures are medians of runs; ` +
              "a run is one replicate, its seconds are none.",
          ]
        : [`Every configuration ran once, in an order drawn from seed ${model.seed}.`];
    case "repeat":
      return [
        `The job ran ${model.runs.length} times one after the other; figures are medians of the runs.`,
      ];
    case "run":
      return ["The job ran once; its seconds are no replicates, so no interval is given."];
  }
}

function loopOf(open: number, all: number): string {
  if (open === all) {
    return "Operations were due at times fixed in advance (open loop), and response time counts from when one was due.";
  }
  const closed =
    "In a closed loop an operation is sent when another has completed, and response time counts from then";
  return open === 0 ? `${closed}.` : `${closed}; ${open} of ${all} rows are open loops instead.`;
}

function looksText(
  looks: readonly { readonly runs: number; readonly level: number }[],
): readonly string[] {
  if (looks.length < 2) {
    return [];
  }
  const plan = looks.map(({ runs, level }) => `${runs} (${Number(level.toPrecision(2))})`);
  return [
    `The sweep could end at looks fixed beforehand, after so many runs of each (with the level of p there): ${plan.join(", ")}; ` +
      "all looks together are wrong no more often than one at 0.05 would be.",
  ];
}

function comparedBy({ comparisons, preview, minEffect }: MethodInput): readonly string[] {
  if (comparisons.length === 0) {
    return preview ? ["Runs as short as these are a preview: nothing is compared."] : [];
  }
  const margin = formatShare(minEffect);
  const counts = [...new Set(comparisons.map((each) => each.metric))].map((metric) => {
    return comparisons.filter((each) => each.metric === metric).length;
  });
  const apart = comparisons.some(({ ratio }) => ratio === null)
    ? "Where a figure is 0 there is no ratio: there the difference itself is tested in the same way, with what counts taken of the base's median. "
    : "";
  return [
    "A difference is the ratio of two configurations within a block: its Hodges-Lehmann estimate on logarithms. " +
      `${testText(comparisons)} ${apart}p is adjusted by Benjamini and Hochberg for the ` +
      `${Math.max(...counts)} comparisons of the metric. Better and worse need both an interval without ` +
      `1, p of at most 0.05 (or the level of the look) and a difference of at least ${margin}; same needs the whole interval within ${margin}; anything else is unclear.`,
  ];
}

/** Which test the intervals and p are of. */
function testText(comparisons: MethodInput["comparisons"]): string {
  const runs = comparisons.flatMap((each) => each.runs ?? []);
  const student = runs.some((each) => each <= mostByStudent);
  const ranks = runs.some((each) => each > mostByStudent);
  const tests = [
    ...(student ? [`${testName(true, 1)} on logarithms (up to ${mostByStudent} pairs)`] : []),
    ...(ranks ? [`${testName(true, Infinity)} (more than ${mostByStudent} pairs)`] : []),
  ];
  return tests.length === 0
    ? "Interval and p are those of the version that made the comparisons."
    : `Its 95% interval and p are both of ${tests.join(" or ")}.`;
}

/** A sentence a metric: how equal runs differed. Empty with fewer than three runs of everything. */
export function noiseSentences(model: ReportModel): readonly string[] {
  return model.noise.map(({ metric, configurations, spread, worstSpread, worst, drift }) => {
    const entry = model.entries.find((each) => each.id === worst);
    const name = entry === undefined ? worst : `${entry.facet}, ${entry.label}`;
    const most =
      configurations > 1
        ? ` in the middle of ${configurations} configurations, by ${formatShare(worstSpread)} at most (${name})`
        : "";
    const trend =
      drift.p <= 0.05
        ? `; from the first run to the last it drifted by ${formatShare(drift.share)} (p ${drift.p.toPrecision(2)})`
        : "; no drift was found over the runs";
    const title = metricTitle(metric).replace(/^[a-z]/, (letter) => letter.toUpperCase());
    return `${title}: equal runs differed by ${formatShare(spread)} (standard deviation)${most}${trend}.`;
  });
}
