/** `osdyno bench`: the implementations of a hot path side by side, and the suite that a plug-in must pass. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { nearestName } from "../../engine/base/nearest-name.ts";
import { type ConformanceReport, conformPlugIn } from "../../results/bench/conform.ts";
import { type BenchedHotPath, benchedHotPaths } from "../../results/bench/hot-paths.ts";
import { loadPlugIns } from "../../results/plug-ins.ts";
import { makeProgress } from "../progress.ts";
import { benchAllocator } from "./bench-allocator.ts";
import { type BenchFlags, wholeNumber } from "./bench-flags.ts";
import { benchEngines } from "./bench-ioengine.ts";
import { benchKv } from "./bench-kv.ts";
import { benchTheStages } from "./bench-stages.ts";
import { benchTheStore } from "./bench-store.ts";
import { benchTheWriteLogs } from "./bench-writelog.ts";
import { microBench } from "./micro-bench.ts";

function keep(out: string | undefined, name: string, document: object): void {
  if (out !== undefined) {
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, name), `${JSON.stringify(document, null, 2)}\n`);
  }
}

/** The hot path of that name, and the implementation if one is named; throws `bad-input`. */
function chosen(text: string): { hotPath: BenchedHotPath; only: string | null } {
  const [name = "", only = null] = text.split("/", 2);
  const hotPath = benchedHotPaths.find((known) => known.name === name);
  const refuse = (what: string, wrong: string, names: readonly string[]): never => {
    const guess = nearestName(wrong, names);
    const hint = guess === null ? "" : `; did you mean ${guess}?`;
    throw new OsdynoError("bad-input", `${what}${hint} (there are ${names.join(", ")})`);
  };
  if (hotPath === undefined) {
    const names = benchedHotPaths.map((known) => known.name);
    return refuse(`no hot path with a bench is called ${name}`, name, names);
  }
  const names = hotPath.implementations().map((each) => each.name);
  if (only !== null && !names.includes(only)) {
    refuse(`no ${name} is called ${only}`, only, names);
  }
  return { hotPath, only };
}

async function bench(text: string, flags: BenchFlags): Promise<void> {
  const { hotPath, only } = chosen(text);
  const seed = wholeNumber("seed", flags.seed, 0);
  const rounds = wholeNumber("rounds", flags.rounds ?? "6", 1);
  if (hotPath.micro !== null) {
    await microBench(hotPath.micro(seed, only), {
      rounds,
      runtimeMs: wholeNumber("runtime", flags.runtime, 1),
      seed,
      out: flags.out,
      json: flags.json === true,
    });
  } else if (hotPath.name === "kv") {
    await benchKv(only, flags);
  } else if (hotPath.name === "allocator") {
    await benchAllocator(only, flags);
  } else if (hotPath.name === "store") {
    await benchTheStore(only, flags);
  } else if (hotPath.name === "writelog") {
    await benchTheWriteLogs(only, flags);
  } else if (hotPath.name === "stages") {
    await benchTheStages(only, flags);
  } else {
    await benchEngines(only, flags);
  }
}

function conformText(report: ConformanceReport): string {
  const count = (outcome: string) =>
    report.results.filter((result) => result.outcome === outcome).length;
  const lines = report.results.map(
    ({ check, outcome, reason }) =>
      `${outcome.padEnd(7)} ${check}${reason === "" ? "" : ` (${reason})`}`,
  );
  const verdict = report.conforms ? "conforms" : "does NOT conform";
  return [
    `${report.hotPath} ${report.name}: ${report.describe}`,
    ...lines,
    `${report.name} ${verdict}: ${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped (seed ${report.seed})`,
    "",
  ].join("\n");
}

async function conform(file: string, flags: BenchFlags): Promise<number> {
  const progress = makeProgress(true);
  const seed = wholeNumber("seed", flags.seed, 0);
  let report: ConformanceReport;
  try {
    progress.begin(`conformance of ${file}`);
    report = await conformPlugIn(file, seed, (done, total, check) =>
      progress.update(done / total, check),
    );
  } finally {
    progress.end();
  }
  keep(flags.out, "conformance.json", report);
  process.stdout.write(
    flags.json === true ? `${JSON.stringify(report, null, 2)}\n` : conformText(report),
  );
  return report.conforms ? 0 : 1;
}

function listHotPaths(flags: BenchFlags): void {
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify(benchedHotPaths, null, 2)}\n`);
    return;
  }
  const lines = benchedHotPaths.map(({ name, describe }) => `${name}  ${describe}`);
  process.stdout.write(`hot paths that have a bench:\n${lines.join("\n")}\n`);
}

export function benchCommand(finish: (code: number) => void): Command {
  return new Command("bench")
    .description("the implementations of a hot path side by side; without one: which have a bench")
    .argument("[hotpath]", "HOTPATH or HOTPATH/NAME, e.g. ioengine or ioengine/libaio")
    .option(
      "--rounds <n>",
      "rounds, order alternating; 6 or more give intervals (default: 6; allocator 3)",
    )
    .option("--runtime <ms>", "length of each measurement, ms", "500")
    .option("--size <mib>", "ioengine, store, writelog: size of the scratch files, MiB", "256")
    .option("--keys <n>", "kv: keys to begin with", "100000")
    .option("--commits <n>", "kv: commits of each measurement", "4000")
    .option("--objects <n>", "store: objects of the store that is mounted; 0: none is", "100000")
    .option("--capacity <gib>", "allocator: size of the device, GiB", "1024")
    .option("--steps <n>", "allocator: timed pairs of each measurement", "200000")
    .option(
      "--plugin <file>",
      "an implementation of your own takes part, after its conformance suite; may be repeated",
      (file: string, before: readonly string[] = []) => [...before, file],
    )
    .option("--conform <file>", "run the conformance suite on the plug-in of this module")
    .option("--seed <n>", "seed of the conformance suite, and of what benches draw", "1")
    .option("--out <dir>", "keep bench-HOTPATH.json and its charts, or conformance.json there")
    .option("--json", "print one JSON document")
    .action(async (hotPath: string | undefined, flags: BenchFlags) => {
      if (flags.conform !== undefined) {
        finish(await conform(flags.conform, flags));
        return;
      }
      await loadPlugIns(flags.plugin ?? []);
      if (hotPath === undefined) {
        listHotPaths(flags);
      } else {
        await bench(hotPath, flags);
      }
    });
}
