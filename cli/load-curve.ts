/** `osdyno run --load-curve`: response times of an open loop at rising rates, and the knee. */
import { join, relative, resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { curveKeys, measureCurve } from "../results/load-curve/conduct-curve.ts";
import { curveText } from "../results/load-curve/curve-text.ts";
import type { RunSettings } from "../results/perform.ts";
import { drawReport } from "../results/report/draw.ts";
import { checkOut, runDirectoryName, runsRoot } from "../results/run-directory.ts";
import type { ParsedJobs } from "../workloads/job/model.ts";
import { type Outputs, writeResult } from "./outputs.ts";
import { makeProgress } from "./progress.ts";
import { runEvents } from "./run-events.ts";
import type { SplitArguments } from "./split-arguments.ts";

/** Flags of a run whose meaning a curve has no place for. */
const notHere = ["repeat", "status-interval", "live", "junit"] as const;

export interface CurveArguments {
  readonly own: SplitArguments["own"];
  readonly settings: RunSettings;
  readonly outputs: Outputs;
  /** The job with further keys. */
  readonly parse: (keys: readonly string[]) => ParsedJobs;
}

/** Throws what can be known to be wrong before something is created. */
export function checkCurve(own: SplitArguments["own"], parsed: ParsedJobs): void {
  curveKeys(parsed);
  const stray = notHere.find((name) => own.has(name));
  if (stray !== undefined) {
    throw new OsdynoError(
      "bad-input",
      `--load-curve and --${stray} exclude each other; leave one out`,
    );
  }
  const out = own.get("out")?.at(-1);
  if (out !== undefined) {
    checkOut(out, "sweep");
  }
}

/** Measures, reports and prints the curve; exit code 3 when no rate holds the thresholds. */
export async function loadCurve({
  own,
  settings,
  outputs,
  parse,
}: CurveArguments): Promise<number> {
  const name = settings.label;
  const out = own.get("out")?.at(-1) ?? join(runsRoot, runDirectoryName(Date.now(), name));
  const progress = makeProgress(!own.has("no-progress"));
  const events = runEvents(progress);
  try {
    const { curve, directory, failure } = await measureCurve({
      ...{ name, directory: resolve(out), settings, events, parse },
      step: (title) => events.begin(`${name}: ${title}`),
    });
    progress.end();
    if (curve.points.length > 0 && !own.has("no-report")) {
      await drawReport(directory);
    }
    const text = outputs.format === "normal" ? curveText(curve) : JSON.stringify(curve, null, 2);
    writeResult(outputs, `${text}\n`);
    const shown = relative(process.cwd(), directory);
    process.stderr.write(`results: ${shown.startsWith("..") ? directory : shown}\n`);
    if (failure !== null) {
      throw failure;
    }
    return curve.thresholds?.highest_iops === null ? 3 : 0;
  } finally {
    progress.end();
  }
}
