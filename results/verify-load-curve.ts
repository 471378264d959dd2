/** Checks the response curve in `sweep.json`: its points against their runs, the knee against its points. */
import { capacityOf, pointOf } from "./load-curve/conduct-curve.ts";
import { type CurvePoint, curveOf, type LoadCurve } from "./load-curve/curve.ts";
import { metric } from "./metrics.ts";
import type { RunRecord } from "./run-record.ts";
import { completeRun } from "./sweep/sweep-directory.ts";
import { parseThreshold } from "./threshold.ts";
import type { Ledger } from "./verify-ledger.ts";
import { compare } from "./verify-report.ts";

/** Both as JSON has them: what is absent is absent. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

/** What the run's own job asks for: rates of the directions that it has, all clones together. */
function offeredIops({ job }: RunRecord): number {
  const resolved = job.resolved as readonly {
    readonly numjobs?: number;
    readonly arrival?: readonly ({ readonly rate?: number } | null)[];
  }[];
  return resolved.reduce((sum, { numjobs = 1, arrival = [] }) => {
    return sum + numjobs * arrival.reduce((all, rule) => all + (rule?.rate ?? 0), 0);
  }, 0);
}

/** Runs that are not there are told of; what follows from their points is checked all the same. */
export function checkLoadCurve(directory: string, curve: LoadCurve, ledger: Ledger): void {
  const texts = curve.thresholds?.texts ?? [];
  const thresholds = texts.map(parseThreshold);
  const closed = completeRun(directory, curve.closed.run);
  let lowest: CurvePoint | undefined;
  let missing = 0;
  const computed = curve.points.map((published): CurvePoint => {
    const { id, run } = published;
    const record = completeRun(directory, run);
    if (record === null) {
      missing += 1;
      return published;
    }
    // By rate: the first one is what the others are held against.
    const capacity = capacityOf(closed, curve.closed.iops, lowest);
    const rules = { directory, thresholds, capacity };
    const point = pointOf(record, { id, run }, offeredIops(record), rules);
    lowest ??= point;
    compare(`sweep.json load_curve ${id}`, published, plain(point), ledger);
    return point;
  });
  if (closed === null) {
    missing += 1;
  } else {
    const what = "sweep.json load_curve closed loop iops";
    ledger.same(what, curve.closed.iops, metric(closed, "iops") ?? 0);
  }
  if (missing > 0) {
    const text = `${missing} of ${curve.points.length + 1} runs of the load curve are not there: their points are taken as they are`;
    ledger.notes.push(text);
  }
  const whole = curveOf(curve.closed, curve.arrivals, computed, texts, curve.cut_short === true);
  for (const name of ["knee", "kept_iops", "saturated_iops"] as const) {
    ledger.sameText(`sweep.json load_curve ${name}`, String(curve[name]), String(whole[name]));
  }
  const highest = curve.thresholds?.highest_iops;
  if (highest !== undefined) {
    const what = "sweep.json load_curve highest rate at which the thresholds hold";
    ledger.sameText(what, String(highest), String(whole.thresholds?.highest_iops));
  }
}
