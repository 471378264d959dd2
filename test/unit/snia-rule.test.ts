/** The steady state of the SNIA PTS, against vectors computed elsewhere; and what its tests consist of. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jobText } from "../../results/snia/cells.ts";
import { chosenLoads } from "../../results/snia/composite-choice.ts";
import { proceduresOf, type Step } from "../../results/snia/procedures.ts";
import { fullScale, readScale, readSize, type SniaSpec } from "../../results/snia/spec.ts";
import { firstSteady, judgeLast, judgeWindow } from "../../results/snia/steady-rule.ts";

interface Vector {
  readonly y: readonly number[];
  readonly avg: number;
  readonly range: number;
  readonly slope: number;
  readonly intercept: number;
  readonly excursion: number;
  readonly r: number | null;
  readonly pts_le: boolean;
  readonly pts_lt: boolean;
}

const vectors = JSON.parse(
  readFileSync(new URL("../golden/harness/ss_vectors.json", import.meta.url), "utf8"),
) as readonly Vector[];

describe("steady state", () => {
  test.each(vectors.map((vector) => [vector.y.join(" "), vector] as const))("%s", (_, vector) => {
    const verdict = judgeWindow(vector.y);
    expect(verdict.average).toBeCloseTo(vector.avg, 9);
    expect(verdict.range).toBeCloseTo(vector.range, 9);
    expect(verdict.slope).toBeCloseTo(vector.slope, 9);
    expect(verdict.intercept).toBeCloseTo(vector.intercept, 9);
    expect(verdict.excursion).toBeCloseTo(vector.excursion, 9);
    expect(verdict.correlation === null).toBe(vector.r === null);
    expect(verdict.correlation ?? 0).toBeCloseTo(vector.r ?? 0, 9);
    expect(verdict.steady).toBe(vector.pts_le);
    // Where the two readings of the text differ, and only there, the verdict says so.
    expect(verdict.steady && verdict.onBound).toBe(vector.pts_le && !vector.pts_lt);
  });

  test("is the same in any unit, and of a line of any slope what its excursion says", () => {
    const scale = fc.double({ min: 1e-6, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(fc.constantFrom(...vectors), scale, ({ y, pts_le: steady }, unit) => {
        expect(judgeWindow(y.map((value) => value * unit)).steady).toBe(steady);
      }),
    );
    fc.assert(
      fc.property(fc.double({ min: -0.05, max: 0.05, noNaN: true }), (slope) => {
        fc.pre(Math.abs(Math.abs(slope) - 0.025) > 1e-6);
        const line = [-2, -1, 0, 1, 2].map((x) => 1000 * (1 + slope * x));
        expect(judgeWindow(line).steady).toBe(Math.abs(slope) < 0.025);
      }),
    );
  });

  test("needs all figures steady over the same rounds, and none before an interruption", () => {
    const still = { label: "still", values: Array<number>(12).fill(100) };
    const late = { label: "late", values: [10, 20, 40, 80, ...Array<number>(8).fill(100)] };
    expect(firstSteady([still])?.round).toBe(5);
    expect(firstSteady([still, late])?.round).toBe(8 + 1);
    expect(firstSteady([still], 4)?.round).toBe(8);
    expect(firstSteady([still], 9)).toBeNull();
    expect(judgeLast([{ label: "few", values: [1, 1, 1, 1] }])).toBeNull();
  });
});

const spec: SniaSpec = {
  ...{ file: "t.yaml", name: "t", question: "", target: "null:", test: "iops" },
  ...{ deviceClass: "enterprise", edition: "2.0.2", sizeBytes: null, activeRange: 1 },
  ...{ threads: 4, depth: 32, purge: "none", scale: fullScale, ratedWriteBytes: null },
  ...{ mostWriteBytes: null, people: {} },
};
const sizes = { capacityBytes: 1e12, activeBytes: 1e12 };

function stepsOf(own: Partial<SniaSpec>): readonly Step[] {
  return proceduresOf({ ...spec, ...own }, sizes).flatMap(({ steps }) => steps);
}

/** Seconds of one round, or of a step. */
function secondsOf(step: Step | undefined): number {
  const cells = step === undefined || !("cells" in step) ? [] : step.cells;
  return cells.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
}

describe("procedures", () => {
  test("IOPS: 56 minutes a round, reads first, large blocks first, three figures followed", () => {
    const [fill, rounds] = stepsOf({});
    expect(fill).toMatchObject({ kind: "fill", cell: { bytes: 2e12, blocks: [[131072, 100]] } });
    expect(secondsOf(rounds)).toBe(56 * 60);
    const cells = rounds?.kind === "rounds" ? rounds.cells.map(({ id }) => id) : [];
    expect(cells.slice(0, 9)).toEqual([
      ...["r100-1024k", "r100-128k", "r100-64k", "r100-32k", "r100-16k", "r100-8k", "r100-4k"],
      ...["r100-512", "r95-1024k"],
    ]);
    expect(cells.at(-1)).toBe("r0-512");
    const followed = rounds?.kind === "rounds" ? rounds.followed.map(({ cell }) => cell) : [];
    expect(followed).toEqual(["r0-4k", "r65-64k", "r100-1024k"]);
    const old = stepsOf({ edition: "1.1" })[1];
    expect(old?.kind === "rounds" ? old.followed.length : 0).toBe(1);
  });

  test("the others last as long as the standard says", () => {
    expect(secondsOf(stepsOf({ test: "latency" })[1])).toBe(9 * 60);
    expect(stepsOf({ test: "throughput" })).toHaveLength(4);
    expect(stepsOf({ test: "throughput", deviceClass: "client" })).toHaveLength(2);
    expect(stepsOf({ test: "cross-stimulus" }).map(secondsOf)).toEqual([28800, 21600, 28800]);
    const idle = stepsOf({ test: "host-idle" });
    const states = idle.filter(({ id }) => id.startsWith("idle-")).map(secondsOf);
    expect(states).toEqual([10, 15, 20, 30, 55].map((seconds) => 360 * seconds));
    expect(stepsOf({ test: "write-saturation" })[0]).toMatchObject({
      ...{ mostBytes: 4e12, mostRounds: 1440, roundSeconds: 60 },
    });
    const composite = stepsOf({ test: "composite" });
    expect(secondsOf(composite[0])).toBe(30 * 60);
    expect(secondsOf(composite[1])).toBe((5 + 49) * 60);
  });

  test("the composite mix sums up to all, and its job says so in fio's words", () => {
    const matrix = stepsOf({ test: "composite" })[1];
    const cells = matrix?.kind === "drive" ? matrix.cells : [];
    const blocks = cells[1]?.blocks ?? [];
    expect(blocks.reduce((sum, [, percent]) => sum + percent, 0)).toBe(100);
    const text = jobText(cells.slice(1, 2), 2 ** 30);
    expect(text).toContain("bssplit=512/4:1024/1:1536/1:2048/1:2560/1:3072/1:3584/1:4096/67:");
    expect(text).toContain("random_distribution=zoned:50/5:30/15:20/80\n");
    expect(text).toMatch(/rwmixread=40\n.*numjobs=32\niodepth=32\n/s);
  });

  test("max, mid and min loads are chosen below 5 ms", () => {
    const cell = (threads: number, depth: number, iops: number, ms: number) => ({
      ...{ cell: `t${threads}-q${depth}`, ios: 100, iops, bw_bytes: 0 },
      ...{ latency_mean_ns: ms * 1e6, latency_max_ns: 0, percentile: {} },
    });
    const cells = [
      cell(32, 32, 1000, 9),
      cell(4, 4, 900, 4),
      cell(2, 2, 520, 1),
      cell(1, 1, 100, 1),
    ];
    expect(chosenLoads(cells)).toEqual([
      { name: "max", threads: 4, depth: 4 },
      { name: "mid", threads: 2, depth: 2 },
      { name: "min", threads: 1, depth: 1 },
    ]);
    expect(chosenLoads([cell(1, 1, 10, 90)])).toEqual([{ name: "min", threads: 1, depth: 1 }]);
  });

  test("sizes and scales are read as written", () => {
    const sizesRead = ["4k", "1.5GiB", "600TB", "0", "4x"].map(readSize);
    expect(sizesRead).toEqual([4096, 1.5 * 2 ** 30, 600e12, null, null]);
    const refuse = (why: string) => new Error(why) as never;
    expect(readScale("none", refuse)).toEqual(fullScale);
    expect(readScale("capacity=1g,minute=250ms", refuse)).toEqual({
      ...{ capacityBytes: 2 ** 30, minuteSeconds: 0.25, cycles: 360 },
    });
    expect(() => readScale("minute=2h", refuse)).toThrow(/10ms to 60s/);
    expect(() => readScale("speed=2", refuse)).toThrow(/capacity=SIZE/);
  });
});
