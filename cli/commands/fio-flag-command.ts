/** Commands that take fio's keys beside their own flags: `run`, `sweep`, `tune`. */
import { Command } from "commander";
import { flagLines, type RunFlag } from "../run-flags.ts";

export interface FioFlagCommand {
  readonly name: string;
  readonly description: string;
  readonly usage: string;
  readonly argument: readonly [name: string, description: string];
  readonly flags: readonly RunFlag[];
  /** Runs with the words behind the command's name; answers the exit code. */
  readonly run: (args: readonly string[]) => Promise<number>;
}

/** A command that reads its words itself: `--KEY=VALUE` may be any key of fio. */
export function fioFlagCommand(asked: FioFlagCommand, finish: (code: number) => void): Command {
  const { name, description, usage, argument, flags, run } = asked;
  const command = new Command(name)
    .description(description)
    .usage(usage)
    .argument(...argument)
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(async () => {
      const args = process.argv.slice(process.argv.indexOf(name) + 1);
      if (args.includes("--help") || args.includes("-h")) {
        command.outputHelp();
        return;
      }
      finish(await run(args));
    });
  command.addHelpText("after", `\n${flagLines(flags)}`);
  return command;
}
