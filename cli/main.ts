/** The `osdyno` command: parses, calls, prints. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { exitCodeOf, OsdynoError } from "../engine/base/error.ts";
import { calibrateCommand } from "./commands/calibrate.ts";
import { devicesCommand } from "./commands/devices.ts";
import { listCommand } from "./commands/list.ts";
import { reportCommand } from "./commands/report.ts";
import { resultsCommand } from "./commands/results.ts";
import { runCommand } from "./commands/run.ts";
import { sweepCommand } from "./commands/sweep.ts";

function program(finish: (code: number) => void): Command {
  const { version } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  ) as { version: string };
  const root = new Command("osdyno")
    .description(
      "A dynamometer for storage stacks: drive a device, measure it truly, publish the report.",
    )
    .version(version)
    .showSuggestionAfterError(true)
    .addCommand(devicesCommand())
    .addCommand(runCommand(finish))
    .addCommand(sweepCommand(finish))
    .addCommand(reportCommand())
    .addCommand(calibrateCommand(finish))
    .addCommand(listCommand())
    .addCommand(resultsCommand());
  const quiet = (command: Command) => {
    command.exitOverride();
    command.commands.forEach(quiet);
  };
  quiet(root);
  return root;
}

/** Runs one command line; returns the exit code (`cli.md`: 0, 1, 2, 3, 4, 130). */
export async function main(args: readonly string[]): Promise<number> {
  let code = 0;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // `osdyno ... | head` closes the pipe: that is the reader's wish, not a failure.
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
  try {
    await program((result) => {
      code = result;
    }).parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? 0 : 2;
    }
    if (error instanceof OsdynoError) {
      process.stderr.write(`osdyno: ${error.line}\n`);
    } else {
      const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.stderr.write(`osdyno: internal error, please report it: ${shown}\n`);
    }
    return exitCodeOf(error);
  }
}

if (import.meta.main) {
  process.exitCode = await main(process.argv.slice(2));
}
