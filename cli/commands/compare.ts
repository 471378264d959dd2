/** `osdyno compare BASE... --with CANDIDATE...`: is it better, by how much, how sure. */
import { resolve } from "node:path";
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import {
  type CompareDocument,
  checkMetrics,
  compareSides,
  usualMetrics,
} from "../../results/compare/compare.ts";
import { compareDistributions, countSide } from "../../results/compare/distributions.ts";
import { junitOf } from "../../results/compare/junit.ts";
import { readSide, type Side } from "../../results/compare/sides.ts";
import { compareText } from "../../results/compare/text.ts";
import { readNoise } from "../../results/noise-record.ts";
import { runsRoot } from "../../results/run-directory.ts";
import { writeWhole } from "../../results/whole-file.ts";
import { checkPlace } from "../outputs.ts";
import { shareOf } from "../share-flag.ts";

interface CompareFlags {
  readonly with: readonly string[];
  readonly metric?: readonly string[];
  readonly confidence: string;
  readonly minEffect: string;
  readonly noise?: string;
  readonly json?: true;
  readonly junit?: string;
  readonly root: string;
}

const collect = (value: string, before: readonly string[] = []) => [...before, value];

export function compareCommand(finish: (code: number) => void): Command {
  return new Command("compare")
    .description(
      "two sets of runs: which is better, by how much, how sure; exit 3 when one is worse",
    )
    .argument("<base...>", "run directories, a directory of repeats, or SWEEPDIR#POINT")
    .requiredOption("--with <candidate...>", "the same for the other side")
    .option("--metric <name>", `repeatable (default: ${usualMetrics.join(", ")})`, collect)
    .option("--confidence <share>", "of the intervals", "0.95")
    .option("--min-effect <share>", "a difference within it does not count", "2%")
    .option("--noise <share>", "by which equal runs differ here: nothing below it is believed")
    .option("--root <dir>", "directory that holds the runs", runsRoot)
    .option("--json", "print one JSON document")
    .option("--junit <file>", "write JUnit XML: a metric that is worse fails")
    .action((base: readonly string[], flags: CompareFlags) => {
      const metrics = flags.metric ?? usualMetrics;
      checkMetrics(metrics);
      if (flags.junit !== undefined) {
        checkPlace("junit", flags.junit);
      }
      const rules = {
        confidence: shareOf(flags.confidence, "confidence", 0.5, 1),
        minEffect: shareOf(flags.minEffect, "min-effect", 0, 1),
        noise: readNoise(),
        ...(flags.noise === undefined ? {} : { noiseFloor: shareOf(flags.noise, "noise", 0, 1) }),
      };
      const sides = [readSide(base, flags.root), readSide(flags.with, flags.root)] as const;
      checkApart(...sides);
      const document = {
        ...compareSides(...sides, metrics, rules),
        distributions: compareDistributions(
          countSide(sides[0]),
          countSide(sides[1]),
          rules.confidence,
        ),
      };
      if (flags.junit !== undefined) {
        writeWhole(flags.junit, junitOf(document));
      }
      process.stdout.write(
        flags.json === true ? `${JSON.stringify(document, null, 2)}\n` : compareText(document),
      );
      checkCompared(document);
      if (document.comparisons.some(({ verdict }) => verdict === "worse")) {
        finish(3);
      }
    });
}

/** What compared nothing has found nothing to be in order. */
function checkCompared({ comparisons, left_out: leftOut }: CompareDocument): void {
  if (comparisons.length === 0) {
    const whys = leftOut.map(({ metric, reason }) => `${metric}: ${reason}`).join("; ");
    throw new OsdynoError("bad-input", `nothing could be compared: ${whys}`);
  }
}

/** A run on both sides would say of itself that it is no different. */
function checkApart(base: Side, candidate: Side): void {
  const own = new Set(base.runs.map(({ path }) => resolve(path)));
  const shared = candidate.runs.find(({ path }) => own.has(resolve(path)));
  if (shared !== undefined) {
    throw new OsdynoError("bad-input", `--with: ${shared.path} is on both sides; name other runs`);
  }
}
