/** Each value of a parameter against the one before it (`steps:`): how it is judged, recorded and told. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { stepSentences } from "../../results/report/answer-steps.ts";
import { renderMarkdown } from "../../results/report/markdown.ts";
import type { Entry, ReportModel } from "../../results/report/model.ts";
import { askedOtherwise, fileRecord } from "../../results/sweep/file-record.ts";
import { stepsOf } from "../../results/sweep/judge-again.ts";
import { judgeSteps } from "../../results/sweep/judge-steps.ts";
import { readSweep } from "../../results/sweep/spec.ts";
import { openRecord } from "../../results/sweep/sweep-directory.ts";
import type { SweepComparison } from "../../results/sweep-record.ts";
import { dataInside } from "../../results/verify-report.ts";

const folder = mkdtempSync(join(tmpdir(), "osdyno-steps-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const engines = ["io_uring", "psync"];
const depths = ["1", "16", "64"];
const points = engines.flatMap((engine) =>
  depths.map((depth) => ({ id: `${engine}-${depth}`, parameters: { engine, depth } })),
);
/** What the device does at each depth; psync has no more at 64 than at 16. */
const levels: Readonly<Record<string, readonly [iops: number, p99: number]>> = {
  "io_uring-1": [1000, 100],
  "io_uring-16": [4000, 400],
  "io_uring-64": [5000, 2000],
  "psync-1": [1000, 100],
  "psync-16": [3000, 500],
  "psync-64": [3000, 2200],
};
const figures = (point: string, metric: string) => {
  const level = levels[point]?.[metric === "iops" ? 0 : 1] ?? 0;
  return Array.from({ length: 8 }, (_, block) => level * (1 + 0.002 * Math.sin(3 * block + level)));
};
const metrics = ["iops", "response.p99"];
const steps = judgeSteps({ points, metrics, figures, along: "depth", values: depths });
const entries = points.map((each) => ({
  ...{ ...each, point: each.id, label: each.id, facet: "reads", metrics: {} },
})) as unknown as Entry[];

describe("steps", () => {
  test("each value is compared with the one before it, and with nothing else", () => {
    const pairs = (name: string) =>
      steps
        .filter(({ metric }) => metric === name)
        .map(({ base, candidate, verdict }) => `${base} ${candidate} ${verdict}`);
    expect(pairs("iops")).toEqual([
      "io_uring-1 io_uring-16 better",
      "io_uring-16 io_uring-64 better",
      "psync-1 psync-16 better",
      "psync-16 psync-64 same",
    ]);
    expect(new Set(pairs("response.p99").map((text) => text.split(" ")[2]))).toEqual(
      new Set(["worse"]),
    );
  });

  test("a value that is not there is stepped over", () => {
    const some = points.filter(({ id }) => id !== "psync-16");
    const found = judgeSteps({ points: some, metrics, figures, along: "depth", values: depths });
    expect(found.map(({ base, candidate }) => `${base} ${candidate}`)).toContain(
      "psync-1 psync-64",
    );
  });

  test("the answer says how far each choice gets, and what waiting does meanwhile", () => {
    const input = { metrics, entries, baseline: { engine: "io_uring" } };
    expect(stepSentences({ ...input, steps: { along: "depth", comparisons: steps } })).toEqual([
      "IOPS: higher with each step up to depth 64 with io_uring, higher with each step up to depth 16 with " +
        "psync (at 64 same); from 1 to 16 x3.00 to x4.00 (response p99 x4.00 to x5.00, shown to grow " +
        "more in 1 of 2); from 16 to 64 x1.00 to x1.25 (response p99 x4.40 to x5.00, shown to grow more).",
    ]);
    const flat = steps.map((each): SweepComparison => ({ ...each, verdict: "unclear" }));
    const [open] = stepSentences({ ...input, steps: { along: "depth", comparisons: flat } });
    expect(open).toMatch(
      /^IOPS: not shown to be higher beyond depth 1 with every choice \(16 undecided\); /,
    );
    expect(stepSentences(input)).toEqual([]);
  });

  test("other parameters make groups of their own", () => {
    const works = ["reads", "writes"];
    const both = works.flatMap((work) =>
      steps.map((each) => ({
        ...each,
        base: `${work} ${each.base}`,
        candidate: `${work} ${each.candidate}`,
      })),
    );
    const named = works.flatMap((work) =>
      entries.map((each) => ({
        ...each,
        point: `${work} ${each.point}`,
        parameters: { work, ...each.parameters },
      })),
    );
    const found = stepSentences({
      ...{ metrics, entries: named, baseline: { engine: "io_uring" } },
      steps: { along: "depth", comparisons: both },
    });
    expect(found.map((text) => text.slice(0, 30))).toEqual([
      "At work reads, IOPS: higher wi",
      "At work writes, IOPS: higher w",
    ]);
  });

  test("a record holds what its file asks for, and is judged again from it", () => {
    const file = join(folder, "s.yaml");
    const text =
      "name: s\njob: |\n  [a]\n  rw=randread\n" +
      "matrix: {iodepth: [1, 16, 64]}\nsteps: iodepth\nbaseline: {iodepth: 1}\n";
    writeFileSync(file, text);
    const spec = readSweep(file);
    const own = ["1", "16", "64"].map((iodepth) => {
      return { id: `io_uring-${iodepth}`, parameters: { iodepth } };
    });
    const asked = { spec, command: [], seed: 1, preview: false, blocks: 8 };
    const open = openRecord({ ...asked, points: own as never });
    expect(open).toMatchObject({ steps: { along: "iodepth" }, file: fileRecord(file, text) });
    expect(stepsOf(open, figures).map(({ base, candidate }) => `${base} ${candidate}`)).toEqual([
      ...["io_uring-1 io_uring-16", "io_uring-16 io_uring-64"],
      ...["io_uring-1 io_uring-16", "io_uring-16 io_uring-64"],
    ]);
    expect(askedOtherwise(open)).toEqual([]);
    const { steps: _steps, ...without } = open;
    expect(askedOtherwise(without)).toEqual(['sweep.json steps: none, but s.yaml says "iodepth"']);
  });
});

test("published steps stand in tables of their own, every one with a column for each heading", () => {
  const at = fileURLToPath(
    new URL("../../results/published/ioengine-depth/report.html", import.meta.url),
  );
  // The page carries the model that it was drawn from.
  const model = dataInside(readFileSync(at, "utf8")) as ReportModel;
  expect(model.steps?.along).toBe("depth");
  const text = renderMarkdown(model);
  expect(text).toContain("<summary>Steps of depth: each value against the one before it</summary>");
  expect(text).toContain("At work random read, IOPS: higher with each step up to depth 64 with io");
  const columns = (line: string) => line.replaceAll("\\|", "").split("|").length;
  const lines = text.split("\n");
  const rules = [...lines.entries()].filter(([, line]) => /^\|[:|-]+$/.test(line));
  expect(rules.length).toBeGreaterThan(4);
  for (const [place, rule] of rules) {
    expect(columns(rule), lines[place - 1]).toBe(columns(lines[place - 1] ?? ""));
  }
});
