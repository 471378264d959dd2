/** A sweep over targets says what each layer adds, and its report shows it, with the stages beside it. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

/** One operation at a time: 10,000 a second, and with a limit 1,000. */
const sweep = `name: tax
question: What does a limit cost?
job: |
  [j]
  rw=randwrite
  bs=4k
  size=1m
  time_based
  runtime=2
targets: ["null:?service=100us&size=1m", "null:?service=100us&size=2m"]
matrix:
  rbd_qos_iops_limit: [1000, 0]
exclude: [{ target: "null:?service=100us&size=2m", rbd_qos_iops_limit: 0 }]
when: { rbd_qos_iops_limit: { target: "null:?service=100us&size=2m" } }
repeat: 6
metrics: [iops]
`;

test("sweep.json, page and Markdown say what a layer adds", () => {
  place.write("tax.yaml", sweep);
  const done = place.run([
    "sweep",
    "tax.yaml",
    "--clock=virtual",
    "--stages=1",
    "--no-progress",
    "--out=s",
  ]);
  expect(done, done.err).toMatchObject({ code: 0 });
  const record = JSON.parse(place.read("s", "sweep.json")) as SweepRecord;
  const rows = record.layer_tax ?? [];
  expect(rows.map(({ direction, added, layers }) => [direction, added, layers])).toEqual([
    ["write", [], []],
    ["write", ["qos"], ["qos"]],
  ]);
  const upper = rows.filter(({ below }) => below !== null);
  expect(upper.length).toBe(1);
  for (const tax of upper) {
    const lower = rows.find(({ point }) => point === tax.below);
    expect(lower?.parameters).toEqual(tax.parameters);
    expect(lower?.response_ns.p50?.median).toBeCloseTo(100_000, -4);
    // And what the limit had saved up at the beginning, of a second.
    expect(Math.abs((tax.iops_kept?.median ?? 0) - 0.1)).toBeLessThan(0.01);
    expect(tax.added_ns?.p99?.runs).toBe(6);
    expect(tax.added_ns?.p99?.low).not.toBeNull();
    expect(tax.cpu_us?.median).toBeGreaterThan(0);
  }
  const page = place.read("s", "report.html");
  expect(page).toContain("What each layer adds");
  expect(page).toContain("Layer tax");
  // The stages of the points with a limit; the others have one stage only.
  expect(page).toContain("Where the time went");
  expect(page).toContain("qos: queue");
  const markdown = place.run(["report", "s", "--format", "md"]);
  expect(markdown, markdown.err).toMatchObject({ code: 0 });
  const text = markdown.out === "" ? place.read("s", "report.md") : markdown.out;
  expect(text).toContain("## Layer tax");
  expect(text).toContain("Where the time went, by layer and stage");
});
