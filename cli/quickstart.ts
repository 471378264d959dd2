/** `npm start`: the main job on a scratch file, from the sweep to the report. */
import { rmSync } from "node:fs";
import { join, relative } from "node:path";
import { exitCodeOf, OsdynoError } from "../engine/base/error.ts";
import { loadReport } from "../results/report/load.ts";
import { tableText } from "../results/sweep/table-text.ts";
import { scratchDirectory } from "../workloads/scratch.ts";
import { sweepWith } from "./commands/sweep.ts";

const sweepFile = "profiles/sweeps/quickstart.yaml";

async function quickstart(): Promise<number> {
  const scratch = join(scratchDirectory(), "osdyno-quickstart.dat");
  try {
    const { result, report } = await sweepWith(
      [sweepFile, "--interval=100", ...process.argv.slice(2)],
      ["sweep", sweepFile, "--interval=100", ...process.argv.slice(2)],
    );
    const model = loadReport(result.directory);
    process.stdout.write(`${tableText(model)}\n\n${model.answer.slice(0, 2).join("\n")}\n`);
    if (report !== null) {
      process.stdout.write(`\nreport: ${relative(process.cwd(), report)}\n`);
    }
    if (result.failure !== null) {
      throw result.failure;
    }
    return 0;
  } catch (error) {
    const line = error instanceof OsdynoError ? error.line : String(error);
    process.stderr.write(`osdyno: ${line}\n`);
    return exitCodeOf(error);
  } finally {
    rmSync(scratch, { force: true });
  }
}

process.exitCode = await quickstart();
