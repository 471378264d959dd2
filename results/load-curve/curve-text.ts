/** The response curve for a terminal, and in sentences for reports. */
import Table from "cli-table3";
import { formatCount, formatNs } from "../units.ts";
import type { CurvePoint, LoadCurve } from "./curve.ts";

const time = (ns: number | null) => (ns === null ? "-" : formatNs(ns));

const untold = "too few samples for the threshold";

function stateOf(curve: LoadCurve, point: CurvePoint): string {
  const words = [
    ...(point.id === curve.knee ? ["knee"] : []),
    ...(point.saturated ? ["saturated"] : []),
    ...(point.generator_late ? ["generator late"] : []),
    ...(point.holds === false ? ["threshold missed"] : []),
    ...(curve.thresholds !== undefined && point.holds === undefined ? [untold] : []),
  ];
  return words.join(", ");
}

function noKnee({ points, kept_iops: kept, cut_short: cut }: LoadCurve): string {
  if (cut === true && points.length === 0) {
    return "The curve ended before any rate was measured, so nothing is known of a knee.";
  }
  return cut === true && kept !== null
    ? `The curve ended before a knee was seen: it is at ${formatCount(kept)} IOPS, the last rate measured, or above.`
    : "There is no knee: not even the lowest rate was kept up with.";
}

function noneHolds({ points }: LoadCurve, texts: string): string {
  return points.every(({ holds }) => holds === undefined)
    ? `Whether ${texts} holds is not known of any rate tried: fewer than 10 samples lie beyond the percentile.`
    : `At no rate tried does ${texts} hold.`;
}

/** What the curve says; the first sentence stands alone. */
export function curveSentences(
  curve: LoadCurve,
  text: (ns: number) => string = formatNs,
): readonly string[] {
  const knee = curve.points.find(({ id }) => id === curve.knee);
  const { closed, kept_iops: kept, saturated_iops: saturated, thresholds } = curve;
  const of = (ns: number | null) => (ns === null ? "not known" : text(ns));
  const sentences: string[] = [];
  if (knee === undefined) {
    sentences.push(noKnee(curve));
  } else {
    const share = ((100 * knee.offered_iops) / closed.iops).toFixed(0);
    sentences.push(
      `The knee is at ${formatCount(knee.offered_iops)} IOPS, ${share}% of what a closed loop reaches: response p50 ${of(knee.p50_ns)}, p99 ${of(knee.p99_ns)}.`,
    );
  }
  if (saturated !== null) {
    const before = kept === null ? "" : `up to ${formatCount(kept)} IOPS are kept up with, `;
    sentences.push(`${before}${formatCount(saturated)} are not.`.replace(/^u/, "U"));
  } else if (kept !== null) {
    sentences.push(`The target keeps up with ${formatCount(kept)} IOPS, the highest rate tried.`);
  }
  if (thresholds !== undefined) {
    const texts = thresholds.texts.join(" and ");
    const highest = thresholds.highest_iops;
    sentences.push(
      highest === null
        ? noneHolds(curve, texts)
        : `${texts} ${thresholds.texts.length === 1 ? "holds" : "hold"} up to ${formatCount(highest)} IOPS${highest === curve.points.at(-1)?.offered_iops ? ", the highest rate tried" : ""}.`,
    );
  }
  const late = curve.points.filter((point) => point.generator_late).length;
  if (late > 0) {
    sentences.push(
      `At ${late} of ${curve.points.length} rates the generator was late: their times are not the target's alone.`,
    );
  }
  return sentences;
}

/** Ends without a newline. */
export function curveText(curve: LoadCurve): string {
  const table = new Table({
    head: ["offered", "IOPS", "mean", "p50", "p99", "p99.9", "max", ""],
    style: { head: [], border: [], compact: true },
    colAligns: [...Array<"right">(7).fill("right"), "left"],
  });
  for (const point of curve.points) {
    table.push([
      ...[formatCount(point.offered_iops), formatCount(point.iops), time(point.mean_ns)],
      ...[time(point.p50_ns), time(point.p99_ns), time(point.p999_ns), time(point.max_ns)],
      stateOf(curve, point),
    ]);
  }
  return [
    `closed loop: ${formatCount(curve.closed.iops)} IOPS; ${curve.arrivals} arrivals; response times count from when an operation was due`,
    table.toString(),
    ...curveSentences(curve),
    curve.method,
  ].join("\n");
}
