/** What is said of rates offered: chance in the arrivals is no failure of the target. */
import { expect, test } from "vitest";
import { offeredOf, timesAtKept } from "../../results/report/answer-growth.ts";
import type { Entry } from "../../results/report/model.ts";

const value = (figure: number) => ({ value: figure, low: null, high: null, solid: true });

function entry(rate: number, completed: number, own: Partial<Entry> = {}): Entry {
  return {
    ...{ id: String(rate), point: `r${rate}`, label: "", direction: "read", facet: "randread" },
    ...{ facetDetail: "", series: "s", depth: rate, offered: rate, openLoop: true },
    ...{ load: `${rate} offered/s, Poisson`, parameters: {}, replicates: 1 },
    ...{ samples: 4 * completed, spectrum: {}, cdf: [] },
    metrics: { iops: value(completed), "response.p99": value(5e6) },
    ...own,
  } as unknown as Entry;
}

test("196 of 200 drawn in four seconds is chance; a schedule has none, nor have many arrivals", () => {
  expect(offeredOf([entry(200, 192), entry(400, 391)])).toEqual([
    "randread kept up with 400 operations offered a second with response p99 5.00 ms, the highest rate offered.",
  ]);
  const constant = (rate: number, completed: number) =>
    entry(rate, completed, { load: `${rate} offered/s, constant` });
  expect(offeredOf([constant(200, 192), constant(400, 391)])[0]).toMatch(
    /^randread did not even keep up with 200 /,
  );
  expect(offeredOf([entry(200_000, 192_000), entry(400_000, 391_000)])[0]).toMatch(
    /^randread did not even keep up with 200k /,
  );
});

test("a response curve's directions at the rate that it says is kept up with", () => {
  const curve = {
    points: [
      { id: "r100", offered_iops: 100 },
      { id: "r200", offered_iops: 200 },
    ],
    kept_iops: 200,
  } as never;
  const both = [entry(100, 96), entry(200, 192), entry(200, 192, { facet: "randread, writes" })];
  expect(timesAtKept(curve, both)).toEqual([
    "At 200 IOPS the 99th percentile of response time is 5.00 ms for randread and 5.00 ms for randread, writes.",
  ]);
  expect(timesAtKept({ points: [], kept_iops: null }, both)).toEqual([]);
});
