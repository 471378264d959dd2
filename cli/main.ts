/** The `osdyno` command: parses, calls, prints. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { exitCodeOf, OsdynoError } from "../engine/base/error.ts";
import { hostFiles } from "../engine/os/host-files.ts";
import { journalDirectory, replayJournals } from "../engine/os/host-journal.ts";
import { givenTwice } from "./split-arguments.ts";

type Finish = (code: number) => void;

/** Commands of the contract whose part is not built yet: no typing errors. */
const laterCommands = ["ceph cluster crush fs rados rbd"].flatMap((names) => names.split(" "));

/** Each command's module is loaded only when it is used: a run must not carry the report's libraries. */
const commands: Readonly<Record<string, (finish: Finish) => Promise<Command>>> = {
  devices: async () => (await import("./commands/devices.ts")).devicesCommand(),
  run: async (finish) => (await import("./commands/run.ts")).runCommand(finish),
  sweep: async (finish) => (await import("./commands/sweep.ts")).sweepCommand(finish),
  report: async () => (await import("./commands/report.ts")).reportCommand(),
  calibrate: async (finish) => (await import("./commands/calibrate.ts")).calibrateCommand(finish),
  bench: async (finish) => (await import("./commands/bench.ts")).benchCommand(finish),
  list: async () => (await import("./commands/list.ts")).listCommand(),
  options: async () => (await import("./commands/options.ts")).optionsCommand(),
  compare: async (finish) => (await import("./commands/compare.ts")).compareCommand(finish),
  results: async () => (await import("./commands/results.ts")).resultsCommand(),
  fsck: async (finish) => (await import("./commands/fsck.ts")).fsckCommand(finish),
  store: async () => (await import("./commands/store.ts")).storeCommand(),
  writelog: async () => (await import("./commands/writelog.ts")).writelogCommand(),
  fingerprint: async () => (await import("./commands/fingerprint.ts")).fingerprintCommand(),
  simulate: async (finish) => (await import("./commands/simulate.ts")).simulateCommand(finish),
  tune: async (finish) => (await import("./commands/tune.ts")).tuneCommand(finish),
};

/** Puts back what a command that was killed left changed on the host, before anything else. */
function replayHost(): void {
  const root = process.env["OSDYNO_HOST_ROOT"] ?? null;
  for (const { pid, restored, failed } of replayJournals(journalDirectory(root), hostFiles(root))) {
    const texts = restored.map(({ path, text }) => `${path} = ${text}`);
    const bad = failed.map(({ path, text }) => `${path} = ${text} (FAILED)`);
    const what = [...texts, ...bad].join(", ");
    process.stderr.write(`osdyno: put back what process ${pid} had left changed: ${what}\n`);
  }
}

/** Of an option that holds one value a second one is refused, not taken in silence. */
function refuseSecondValues(command: Command): void {
  for (const option of command.options) {
    const gathers = option.variadic || (option.parseArg !== undefined && !option.argChoices);
    const values: string[] = [];
    if (!option.isBoolean() && !gathers) {
      command.on(`option:${option.name()}`, (value: string) => {
        values.push(value);
        if (values.length > 1) {
          throw givenTwice(option.name(), values);
        }
      });
    }
  }
}

async function program(name: string | undefined, finish: Finish): Promise<Command> {
  const { version } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  ) as { version: string };
  const root = new Command("osdyno")
    .description(
      "A dynamometer for storage stacks: drive a device, measure it truly, publish the report.",
    )
    .version(version)
    .showSuggestionAfterError(true);
  const wanted =
    name !== undefined && Object.hasOwn(commands, name) ? [name] : Object.keys(commands);
  for (const each of wanted) {
    const made = await commands[each]?.(finish);
    if (made !== undefined) {
      root.addCommand(made);
    }
  }
  const throwing = (command: Command) => {
    command.exitOverride();
    refuseSecondValues(command);
    // One line, as every other message.
    command.configureOutput({
      outputError: (text, write) =>
        write(
          `osdyno: ${text
            .trim()
            .replace(/^error: /, "")
            .replaceAll(/\s*\n\s*/g, " ")}\n`,
        ),
    });
    command.commands.forEach(throwing);
  };
  throwing(root);
  return root;
}

/** Runs one command line; returns the exit code (`cli.md`: 0, 1, 2, 3, 4, 130). */
export async function main(args: readonly string[]): Promise<number> {
  let code = 0;
  // Nobody reads the progress any more: no reason to lose the run.
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // `osdyno ... | head` closes the pipe: that is the reader's wish, not a failure.
    if (error.code !== "EPIPE") {
      process.stderr.write(`osdyno: cannot write to stdout (${error.code})\n`);
      process.once("exit", () => {
        process.exitCode = process.exitCode === 0 ? 1 : (process.exitCode ?? 1);
      });
    }
  });
  try {
    replayHost();
    const [name = ""] = args;
    if (laterCommands.includes(name)) {
      throw new OsdynoError("bad-input", `${name}: this command is not in this version`);
    }
    const root = await program(args[0], (result) => {
      code = result;
    });
    if (args.length === 0) {
      root.outputHelp({ error: true });
      return 2;
    }
    await root.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? 0 : 2;
    }
    if (error instanceof OsdynoError) {
      process.stderr.write(`osdyno: ${error.line}\n`);
    } else if (error instanceof Error && "syscall" in error) {
      // The operating system's no, e.g. of a full disk: its message names the path.
      process.stderr.write(`osdyno: ${error.message}\n`);
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
