/** Everything that a directory of results publishes: its runs, comparisons and reports. */
import { join } from "node:path";
import { resultsKind } from "./ownership.ts";
import { runPaths } from "./store.ts";
import { completeRun } from "./sweep/sweep-directory.ts";
import { isTuneDirectory } from "./tune/report/load.ts";
import { type Verification, verifyRun } from "./verify.ts";
import { Ledger } from "./verify-ledger.ts";
import { checkReport } from "./verify-report.ts";
import { readSweep, verifySweep } from "./verify-sweep.ts";
import { verifyTune } from "./verify-tune.ts";

/** A verification of each run, and of what stands above them. Throws `bad-input` without readable results. */
export function verifyResults(directory: string): readonly Verification[] {
  if (isTuneDirectory(directory) && resultsKind(directory) === null) {
    // Published by itself.
    return ofTuning(directory);
  }
  const runs = [...closedLoop(directory), ...runPaths(directory)].map(verifyRun);
  switch (resultsKind(directory)) {
    case "sweep":
      return [
        ...runs,
        ...(isTuneDirectory(directory) ? ofTuning(directory) : [verifySweep(directory)]),
      ];
    case "run":
      return runs.map((run) => withReport(run, directory));
    default: {
      const whole = reportOf(directory);
      return whole === null ? runs : [...runs, whole];
    }
  }
}

/** The run of a load curve that is no point of it. */
function closedLoop(directory: string): readonly string[] {
  const curve = resultsKind(directory) === "sweep" ? readSweep(directory).load_curve : undefined;
  const run = curve === undefined ? null : completeRun(directory, curve.closed.run);
  return curve === undefined || run === null ? [] : [join(directory, curve.closed.run)];
}

/** A tuning's search, and the sweep of fresh runs that decides. */
function ofTuning(directory: string): readonly Verification[] {
  const confirm = join(directory, "confirm");
  const fresh = resultsKind(confirm) === "sweep" ? [verifySweep(confirm)] : [];
  return [...fresh, verifyTune(directory)];
}

function reportOf(directory: string): Verification | null {
  const ledger = new Ledger();
  const reports = checkReport(directory, ledger);
  return reports === 0
    ? null
    : {
        directory,
        state: "complete",
        filesChecked: reports,
        numbersChecked: ledger.numbers,
        disagreements: ledger.disagreements,
        notes: ledger.notes,
      };
}

function withReport(run: Verification, directory: string): Verification {
  const report = reportOf(directory);
  return report === null
    ? run
    : {
        ...run,
        numbersChecked: run.numbersChecked + report.numbersChecked,
        disagreements: [...run.disagreements, ...report.disagreements],
        notes: [...run.notes, ...report.notes],
      };
}
