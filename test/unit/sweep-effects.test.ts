/** Sweeps that ask what a burden does (`asks: effect`): no value of it is told as a choice. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { effectSentences } from "../../results/report/answer-effects.ts";
import type { Entry } from "../../results/report/model.ts";
import { askedOtherwise, fileRecord } from "../../results/sweep/file-record.ts";
import { judge } from "../../results/sweep/judge.ts";
import { readSweep } from "../../results/sweep/spec.ts";
import { openRecord } from "../../results/sweep/sweep-directory.ts";

const folder = mkdtempSync(join(tmpdir(), "osdyno-effects-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const reads = ["100", "200"];
const writes = ["0", "1000", "5000"];
const points = reads.flatMap((read) =>
  writes.map((write) => ({ id: `${read}-${write}`, parameters: { read, write } })),
);
/** Waiting of reads, us: 200 a second do not care, and nothing cares for 1,000 writes. */
const levels: Readonly<Record<string, number>> = { "100-5000": 150 };
const figures = (point: string, metric: string) =>
  Array.from({ length: 8 }, (_, block) => {
    const level = metric === "response.p50@reads" ? (levels[point] ?? 100) : 40;
    return level * (1 + 0.002 * Math.sin(3 * block + level + point.length));
  });
const metrics = ["response.p50@reads", "response.p99@reads"];
const baseline = { write: "0" };
const comparisons = judge({ points, metrics, baseline, figures, margin: 0.02 });
const entries = points.map((each) => ({
  ...{ ...each, point: each.id, label: each.id, facet: "reads", metrics: {} },
})) as unknown as Entry[];

describe("effects of a burden", () => {
  test("each is told by its size against the baseline, never as better or the choice", () => {
    const input = { metrics, entries, comparisons, minEffect: 0.02, pick: null, baseline };
    const [first = "", second = ""] = effectSentences(input);
    expect(first).toMatch(/^Response p50 of reads: at read 100, write against 0: 5000 \+50\.\d%/);
    expect(first).toContain("(medians");
    expect(first).toContain("1000 less than 2%");
    expect(first).toContain("at read 200, write against 0: 1000, 5000 less than 2%");
    expect(second).toMatch(/^Response p99 of reads: /);
    expect(`${first}${second}`).not.toMatch(/better|choice|worse/);
  });

  test("what no run tells from chance is one short sentence", () => {
    const noise = (_point: string, _metric: string) => [100, 180, 60, 140, 90, 120, 70, 150];
    const scattered = (point: string, metric: string) =>
      points.findIndex(({ id }) => id === point) % 2 === 0
        ? noise(point, metric)
        : noise(point, metric).toReversed();
    const own = judge({ points, metrics, baseline, figures: scattered, margin: 0.02 }).filter(
      ({ verdict }) => verdict === "unclear",
    );
    const input = { metrics, entries, comparisons: own, minEffect: 0.02, pick: null, baseline };
    expect(effectSentences(input)[0]).toBe(
      "Response p50 of reads: no effect of write was told from chance.",
    );
  });

  test("the record holds what the file asks, and says where they differ", () => {
    const path = join(folder, "s.yaml");
    const text = `name: s
question: What do writes do to reads?
job: |
  [a]
  rw=randread
  size=1m
  rate_iops=\${rate}
targets: ["null:"]
matrix: { rate: [10, 20] }
baseline: { rate: 10 }
asks: effect
`;
    writeFileSync(path, text);
    const spec = readSweep(path);
    expect(spec.asks).toBe("effect");
    const asked = { spec, points: [], blocks: 6, preview: false, command: ["osdyno"], seed: 1 };
    const record = { ...openRecord(asked), file: fileRecord(path, text) };
    expect(record.asks).toBe("effect");
    expect(askedOtherwise(record)).toEqual([]);
    const { asks: _asks, ...other } = record;
    expect(askedOtherwise(other)).toEqual(['sweep.json asks: "choice", but s.yaml says "effect"']);
    writeFileSync(path, text.replace("asks: effect", "asks: nothing"));
    expect(() => readSweep(path)).toThrow(/asks/);
  });
});
