/** `npm start`: the main jobs on scratch files, from the sweeps to their reports. */
import { rmSync } from "node:fs";
import { join, relative } from "node:path";
import { exitCodeOf, OsdynoError } from "../engine/base/error.ts";
import { isHeld } from "../engine/os/hold.ts";
import { loadReport } from "../results/report/load.ts";
import { tableText } from "../results/sweep/table-text.ts";
import { scratchDirectory } from "../workloads/scratch.ts";
import { sweepWith } from "./commands/sweep.ts";

/** The device by itself, then the object store on it. */
const sweepFiles = [
  "profiles/sweeps/quickstart.yaml",
  "profiles/sweeps/quickstart-store.yaml",
] as const;

/** Runs one sweep and prints its table, its answer and where the report is. */
async function measure(sweepFile: string): Promise<void> {
  const given = process.argv.slice(2);
  const interval = given.some((word) => /^--interval(?:=|$)/.test(word)) ? [] : ["--interval=100"];
  const args = [sweepFile, ...interval, ...given];
  const { result, report } = await sweepWith(args, ["sweep", ...args]);
  const model = loadReport(result.directory);
  process.stdout.write(`${tableText(model)}\n\n${model.answer.slice(0, 2).join("\n")}\n`);
  if (report !== null) {
    process.stdout.write(`\nreport: ${relative(process.cwd(), report)}\n\n`);
  }
  if (result.failure !== null) {
    throw result.failure;
  }
}

async function quickstart(): Promise<number> {
  const scratch = join(scratchDirectory(), "osdyno-quickstart.dat");
  try {
    for (const file of sweepFiles) {
      await measure(file);
    }
    return 0;
  } catch (error) {
    const line = error instanceof OsdynoError ? error.line : String(error);
    process.stderr.write(`osdyno: ${line}\n`);
    return exitCodeOf(error);
  } finally {
    // Another quick start may still be at it.
    if (!isHeld(scratch)) {
      rmSync(scratch, { force: true });
    }
  }
}

process.exitCode = await quickstart();
