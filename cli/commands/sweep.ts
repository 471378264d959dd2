/** `osdyno sweep`: every point of a matrix, repeated in randomised blocks, resumable. */
import { join, relative, resolve } from "node:path";
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { loadReport } from "../../results/report/load.ts";
import { runDirectoryName, runsRoot } from "../../results/run-directory.ts";
import { runSweep, type SweepResult } from "../../results/sweep/run-sweep.ts";
import { readSweep } from "../../results/sweep/spec.ts";
import { tableText } from "../../results/sweep/table-text.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { runEvents } from "../run-events.ts";
import { laterFlags, refuseLaterFlags, runFlags } from "../run-flags.ts";
import { splitArguments } from "../split-arguments.ts";
import { settingsOf } from "./run.ts";

const sweepFlags = [
  ...runFlags.filter(
    (flag) =>
      ![
        "section",
        "parse-only",
        "showcmd",
        "dry-run",
        "output-format",
        "output",
        "json",
        "threshold",
      ].includes(flag.name),
  ),
  { name: "resume", value: true, help: "finish the sweep in this directory" },
  { name: "budget", value: true, help: "start no further run after this time, e.g. 20m" },
];

/** `90`, `90s`, `20m`, `2h` in seconds. */
function seconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h)?$/.exec(text);
  if (match === null) {
    throw new OsdynoError("bad-input", `--budget ${text}: give a time such as 90s, 20m or 2h`);
  }
  return Number(match[1]) * { s: 1, m: 60, h: 3600 }[(match[2] ?? "s") as "s" | "m" | "h"];
}

export interface SweepOutcome {
  readonly result: SweepResult;
  readonly report: string | null;
}

/** Reads, runs and reports a sweep; used by the command and by `npm start`. */
export async function sweepWith(
  args: readonly string[],
  command: readonly string[],
): Promise<SweepOutcome> {
  const { own, jobs } = splitArguments(args, [...sweepFlags, ...laterFlags]);
  refuseLaterFlags(own);
  const [file, ...overrides] = jobs;
  if (file === undefined || file.startsWith("--")) {
    throw new OsdynoError(
      "bad-input",
      "name the sweep file first (osdyno list profiles shows some)",
    );
  }
  const stray = overrides.find((argument) => !argument.startsWith("--"));
  if (stray !== undefined) {
    throw new OsdynoError(
      "bad-input",
      `${stray}: a sweep takes one file and fio keys as --KEY=VALUE`,
    );
  }
  const read = readSweep(file);
  const repeat = own.get("repeat")?.at(-1);
  const spec = repeat === undefined ? read : { ...read, repeat: Math.max(1, Number(repeat) || 1) };
  const interrupts = watchInterrupts();
  const progress = makeProgress(!own.has("no-progress"));
  const events = runEvents(progress);
  const settings = settingsOf(own, command, interrupts.signal);
  const resume = own.get("resume")?.at(-1);
  const directory = resolve(
    resume ?? own.get("out")?.at(-1) ?? join(runsRoot, runDirectoryName(Date.now(), spec.name)),
  );
  const budget = own.get("budget")?.at(-1);
  const host = hostEnvironment();
  const variables = { SCRATCH: host.variables["SCRATCH"] ?? scratchDirectory() };
  try {
    const result = await runSweep({
      spec,
      directory,
      resume: resume !== undefined,
      seed: settings.seed ?? 1,
      overrides,
      budgetSeconds: budget === undefined ? null : seconds(budget),
      settings: { ...settings, report: false },
      variables,
      environment: { ...host, variables: { ...host.variables, ...variables } },
      events: {
        ...events,
        point: (point, repetition, done, total) =>
          events.begin(
            `${done + 1}/${total} ${Object.values(point.parameters).join(", ")} (repeat ${repetition})`,
          ),
      },
    });
    progress.end();
    if (result.completed === 0 && result.failure !== null) {
      throw result.failure;
    }
    const { writeReport } = await import("../../results/report/write.ts");
    const report = settings.report ? ((await writeReport(directory)).files[0] ?? null) : null;
    return { result, report };
  } finally {
    progress.end();
    interrupts.release();
  }
}

async function sweep(args: readonly string[]): Promise<number> {
  const { result } = await sweepWith(args, ["sweep", ...args]);
  process.stdout.write(`${tableText(loadReport(result.directory))}\n`);
  const shown = relative(process.cwd(), result.directory);
  process.stderr.write(`results: ${shown.startsWith("..") ? result.directory : shown}\n`);
  if (result.failure !== null) {
    throw result.failure;
  }
  return 0;
}

export function sweepCommand(finish: (code: number) => void): Command {
  const command = new Command("sweep")
    .description("run every point of a sweep file, in randomised blocks, and report on all")
    .usage("FILE.yaml [fio keys as --KEY=VALUE] [options]")
    .argument("[file]")
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(async () => {
      const args = process.argv.slice(process.argv.indexOf("sweep") + 1);
      if (args.includes("--help") || args.includes("-h")) {
        command.outputHelp();
        return;
      }
      finish(await sweep(args));
    });
  const lines = [...sweepFlags, ...laterFlags].map(
    (flag) => `  --${`${flag.name}${flag.value ? " X" : ""}`.padEnd(24)} ${flag.help}`,
  );
  command.addHelpText("after", `\nFlags:\n${lines.join("\n")}`);
  return command;
}
