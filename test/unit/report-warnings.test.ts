/** Charts that only some results have are drawn without a warning, on the page and on a phone. */
import { readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { renderSvg } from "../../results/report/render.ts";
import { importanceChart } from "../../results/tune/report/chart-importance.ts";
import { traceChart } from "../../results/tune/report/chart-trace.ts";
import type { TuneRecord } from "../../results/tune/tune-record.ts";

const published = new URL("../../results/published/tune-store-nvme/tune.json", import.meta.url);
const one = JSON.parse(readFileSync(published, "utf8")) as TuneRecord;
/** The same search with its CPU time as a second goal, of which a few runs have no figure. */
const two: TuneRecord = {
  ...one,
  goals: [...one.goals, { metric: "cpu_us_per_io", direction: "minimise" }],
  importance: one.importance.flatMap((each) => [each, { ...each, metric: "cpu_us_per_io" }]),
};

test.each(["wide", "phone"] as const)("a search for two goals, %s", async (form) => {
  for (const chart of [traceChart(two), importanceChart(two)]) {
    const svg = await renderSvg(chart?.spec(form) as never);
    expect(svg).toContain("<svg");
  }
});

test("a warning of Vega does not pass unseen", async () => {
  const said = vi.spyOn(console, "warn").mockImplementation(() => {});
  const legend = { orient: "top" };
  const cell = (own: object | null) => ({
    data: { values: [{ a: 1, b: "x" }] },
    mark: "point",
    encoding: { x: { field: "a", type: "quantitative" }, color: { field: "b", legend: own } },
  });
  await renderSvg({ hconcat: [cell(legend), cell(null)] } as never);
  expect(said.mock.calls.flat().join(" ")).toMatch(/WARN Conflicting legend property/);
  said.mockClear();
});
