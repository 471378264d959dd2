/**
 * The same in real time on the disk, small: a configuration against itself, and against one that has another
 * block size. Prints its rates; only campaigns make it, since it takes a minute and wants a quiet machine.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { metric } from "../../results/metrics.ts";
import { performRun } from "../../results/perform.ts";
import { blocksOf } from "../../results/sweep/points.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { writeScratchFile } from "../../workloads/runner/layout.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import {
  bounds,
  called,
  campaign,
  percent,
  type SweptRun,
  say,
  seed,
  sideOf,
  variationOf,
  verdictOf,
} from "./machine.ts";

const fileBytes = 256 << 20;
const blocks = 10;
const trials = 6;

/** Runs of three kinds in randomised blocks: twice the same, and once with reads four times as large. */
async function measure(root: string, file: string, random: SeededRandom): Promise<SweptRun[][]> {
  const runs: SweptRun[][] = [[], [], []];
  const order = blocksOf(3, blocks, () => random.unit());
  for (const [block, kinds] of order.entries()) {
    for (const kind of kinds) {
      const size = kind === 2 ? "64k" : "4k";
      const keys = ["rw=randread", `bs=${size}`, "ioengine=io_uring", "direct=1", "iodepth=4"];
      const text = [
        "[a]",
        `filename=${file}`,
        `size=${fileBytes}`,
        ...keys,
        "time_based",
        "runtime=300ms",
      ];
      const parsed = parseJobs(
        [{ kind: "file", name: "disk", text: text.join("\n") }],
        hostEnvironment(),
        { sections: [], target: null },
      );
      const performed = await performRun({
        parsed,
        directory: join(root, `${kind}-${block}`),
        settings: {
          command: ["truth"],
          label: "disk",
          target: null,
          path: "native",
          seed: random.below(2 ** 31),
          destroy: false,
          live: null,
          report: false,
          thresholds: [],
          intervalMs: 100,
          workingDirectory: root,
          signal: new AbortController().signal,
        },
        events: { layout() {}, progress() {}, note() {} },
      });
      expect(performed.failure).toBeNull();
      runs[kind]?.push(performed);
    }
  }
  return runs;
}

test.runIf(campaign)(
  `real time on the disk, ${trials} comparisons, OSDYNO_SEED=${seed}`,
  async () => {
    const root = mkdtempSync(join(tmpdir(), "osdyno-truth-disk-"));
    const file = join(scratchDirectory(), `osdyno-truth-${process.pid}.dat`);
    const random = new SeededRandom(seed).fork("disk");
    const iops = ({ record }: SweptRun) => metric(record, "iops") ?? 0;
    let [wrong, found] = [0, 0];
    const spread: number[] = [];
    try {
      await writeScratchFile(file, fileBytes, new AbortController().signal);
      for (let trial = 0; trial < trials; trial += 1) {
        const place = join(root, String(trial));
        const [a = [], b = [], c = []] = await measure(place, file, random);
        wrong += Number(called(verdictOf(sideOf("a", a, place), sideOf("b", b, place), 0)));
        found += Number(
          verdictOf(sideOf("a", a, place), sideOf("c", c, place), 0).verdict === "worse",
        );
        spread.push(variationOf(a.map(iops)));
      }
    } finally {
      rmSync(root, { recursive: true, force: true });
      rmSync(file, { force: true });
    }
    const median = spread.toSorted((x, y) => x - y)[Math.floor(trials / 2)] ?? 0;
    say(
      `real time on the disk, runs vary by ${percent(median)}, OSDYNO_SEED=${seed}: equal ones told apart in ${wrong} of ` +
        `${trials}, 64k found to have fewer IOPS than 4k in ${found} of ${trials}`,
    );
    expect(wrong).toBeLessThanOrEqual(bounds(trials)[1]);
    expect(found).toBe(trials);
  },
  600_000,
);
