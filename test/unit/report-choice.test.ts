/** The answer of a sweep that chose among configurations, and its chart over a numeric parameter. */
import { describe, expect, test } from "vitest";
import { type ChoiceInput, choiceSentences } from "../../results/report/answer-choice.ts";
import { goalSentences } from "../../results/report/answer-goals.ts";
import { pickSentences } from "../../results/report/answer-pick.ts";
import { axisChart } from "../../results/report/chart-axis.ts";
import { effectsChart } from "../../results/report/chart-effects.ts";
import type { Entry, ReportModel } from "../../results/report/model.ts";
import { lineOf, numericAxis } from "../../results/report/sweep-axes.ts";
import { verdictGroups } from "../../results/report/verdict-rows.ts";
import type { SweepComparison } from "../../results/sweep-record.ts";

function entry(point: string, parameters: Record<string, string>, iops: number, p99Ms = 1): Entry {
  const metric = (value: number) => {
    return { value, low: value, high: value, values: [value], solid: true };
  };
  return {
    ...{
      id: `${point}/j/write`,
      point,
      label: point,
      direction: "write",
      facet: "4 KiB randwrite",
    },
    ...{ facetDetail: "", series: point, depth: 16, parameters, replicates: 6, samples: 1000 },
    metrics: { iops: metric(iops), "response.p99": metric(p99Ms * 1e6) },
    spectrum: { service: [], response: [] },
    cdf: [],
    openLoop: false,
  };
}

function against(
  base: string,
  candidate: string,
  ratio: number,
  verdict: SweepComparison["verdict"],
): SweepComparison {
  const numbers = { ratio, low: ratio * 0.98, high: ratio * 1.02, p: 0.03, p_alone: 0.03, runs: 6 };
  const medians = { base_median: 1000, candidate_median: 1000 * ratio };
  const said = { verdict, reason: "", runs_needed: null };
  return { metric: "iops", base, candidate, ...medians, ...numbers, ...said };
}

const kinds = ["hybrid", "avl", "btree", "stupid"];
const input = (comparisons: readonly SweepComparison[]): ChoiceInput => ({
  metrics: ["iops"],
  entries: kinds.map((kind, place) => entry(kind, { allocator: kind }, 1000 + 100 * place)),
  comparisons,
  minEffect: 0.02,
  pick: null,
  baseline: { allocator: "hybrid" },
});

describe("choices", () => {
  test("the best one, by how much, and what became of the others", () => {
    const found = choiceSentences(
      input([
        against("hybrid", "avl", 1.1, "better"),
        against("hybrid", "btree", 1.2, "better"),
        against("hybrid", "stupid", 0.5, "worse"),
      ]),
    );
    expect(found).toEqual([
      "IOPS: btree is better than hybrid, 20.0% higher (medians 1.20k against 1.00k, interval +17.6% to +22.4%; also better: avl +10.0%; worse: stupid -50.0%).",
    ]);
  });

  test("nothing better is said as such", () => {
    expect(choiceSentences(input([against("hybrid", "avl", 0.7, "worse")]))[0]).toBe(
      "IOPS: best with hybrid, 1.00k (worse: avl -30.0%).",
    );
    expect(choiceSentences(input([against("hybrid", "avl", 1, "same")]))[0]).toMatch(
      /does not depend on the choice: nothing differs from hybrid .* by more than 2%/,
    );
    const open = { ...against("hybrid", "avl", 1.1, "unclear"), runs_needed: 40 };
    expect(choiceSentences(input([open]))[0]).toBe(
      "The runs do not tell the choices apart in IOPS (highest measured: avl 1.10k; about 40 runs of each would).",
    );
    expect(choiceSentences(input([open, against("hybrid", "btree", 0.9, "worse")]))[0]).toMatch(
      /nothing was shown to be better than hybrid .*\(worse: btree -10.0%; undecided: avl\)/,
    );
    expect(choiceSentences(input([]))).toEqual([]);
  });

  test("every metric in which something was decided is told, what was not is named together", () => {
    const of = (metric: string, ratio: number, verdict: SweepComparison["verdict"]) => ({
      ...against("hybrid", "avl", ratio, verdict),
      metric,
    });
    const metrics = ["iops", "response.p99", "alloc_ns.p99", "counter.ops", "fragmentation"];
    const asked = (...comparisons: SweepComparison[]) =>
      choiceSentences({ ...input(comparisons), metrics: [...metrics, "write_amplification"] });
    const open = metrics.slice(0, 3).map((metric) => of(metric, 1.1, "unclear"));
    const late = of("fragmentation", 0.9, "better");
    const same = of("write_amplification", 1, "same");
    const [first, second, ...rest] = asked(...open, late, same, of("counter.ops", 2, "better"));
    // The index of a site shows the first sentence alone.
    expect(first).toMatch(
      /^The runs do not tell the choices apart in IOPS .*; but fragmentation score of free space: avl is better than hybrid, 10.0% lower /,
    );
    expect(second).toMatch(/^Bytes to the device .* does not depend on the choice: /);
    expect(rest).toEqual(["Not told apart: response p99 time, time of an allocation p99."]);
    expect(asked(...open).at(-1)).toBe(
      "Not told apart: response p99 time, time of an allocation p99.",
    );
    // What another class pays is told, however late in the list it was asked for.
    const paid = asked(of("iops", 2, "better"), of("fragmentation", 4, "worse"));
    expect(paid[1]).toMatch(
      /^Fragmentation score of free space: best with hybrid.*worse: avl \+300.0%/,
    );
    const price = asked(of("iops", 0.1, "worse"), of("response.p99", 0.1, "better"));
    expect(price[1]).toMatch(/avl is better than hybrid, 90.0% lower .*price of IOPS -90.0%/);
  });

  test("of many that are worse the nearest and the farthest are named, of five each", () => {
    const worse = (count: number) =>
      choiceSentences({
        ...input(
          Array.from({ length: count }, (_, place) =>
            against("hybrid", `c${place}`, 0.9 - place / 10, "worse"),
          ),
        ),
      })[0];
    expect(worse(5)).toContain("worse: c0 -10.0%, c1 -20.0%, c2 -30.0%, c3 -40.0%, c4 -50.0%");
    expect(worse(6)).toContain("worse: 6 others, from c0 -10.0% to c5 -60.0%");
  });

  test("several groups say where each is", () => {
    const entries = ["4k", "64k"].flatMap((bs) =>
      ["hybrid", "avl"].map((allocator) => entry(`${allocator}-${bs}`, { bs, allocator }, 1000)),
    );
    const comparisons = ["4k", "64k"].map((bs) =>
      against(`hybrid-${bs}`, `avl-${bs}`, 1.1, "better"),
    );
    expect(choiceSentences({ ...input(comparisons), entries })[0]).toBe(
      "IOPS: avl is better than hybrid in every comparison, +10.0% at bs 4k (medians 1.10k against 1.00k, interval +7.8% to +12.2%); +10.0% at bs 64k (medians 1.10k against 1.00k, interval +7.8% to +12.2%).",
    );
    const [first, second] = comparisons;
    const mixed = [...(first === undefined ? [] : [first]), { ...second, verdict: "worse" }];
    expect(choiceSentences({ ...input(mixed as SweepComparison[]), entries })[0]).toMatch(
      /^At bs 4k, IOPS: avl is better than hybrid, 10.0% higher .*; at bs 64k, IOPS: best with hybrid, 1.00k \(worse/,
    );
    // One that was not decided has the highest median: nothing is said of it.
    const three = [...entries, entry("btree-4k", { bs: "4k", allocator: "btree" }, 9000)];
    const unsure = against("hybrid-4k", "btree-4k", 9, "unclear");
    const claim = choiceSentences({ ...input([...comparisons, unsure]), entries: three })[0];
    expect(claim).not.toMatch(/best|btree/);
    const less = against("hybrid-4k", "btree-4k", 1.05, "better");
    expect(choiceSentences({ ...input([...comparisons, less]), entries: three })[0]).toMatch(
      /^IOPS: avl is better .*; also better, by less: btree\.$/,
    );
    const open = comparisons.map((each) => ({ ...each, verdict: "unclear" as const }));
    expect(choiceSentences({ ...input(open), entries })[0]).toBe(
      "Nowhere do the runs tell the choices apart in IOPS.",
    );
  });
});

describe("points of several entries", () => {
  // Reads at one rate, writes at another: what was compared is of both together.
  const both = ["none", "writeback"].flatMap((cache) =>
    [entry(cache, { cache }, 100), entry(cache, { cache }, 900)].map((each, place) => ({
      ...each,
      direction: place === 0 ? ("read" as const) : ("write" as const),
      facet: `4 KiB randrw, ${place === 0 ? "reads" : "writes"}`,
      label: `${cache}, ${place === 0 ? 64 : 192} outstanding`,
    })),
  );
  const compared = {
    ...against("none", "writeback", 2, "better"),
    ...{ metric: "response.p50", ratio: null, low: null, high: null },
    ...{ base_median: 1e6, candidate_median: 0 },
    gap: { value: -1e6, low: -1.1e6, high: -0.9e6 },
  };
  const asked = {
    ...input([compared]),
    entries: both,
    baseline: { cache: "none" },
    metrics: ["response.p50"],
  };

  test("are called by what their entries share, with the medians that were compared", () => {
    const model = { ...asked, parameters: {} } as unknown as ReportModel;
    const [group] = verdictGroups(model);
    expect(group?.heading).toBe("Response p50, all operations together");
    expect(group?.rows).toMatchObject([
      {
        ...{ at: -1, candidate: "writeback", base: "none", verdict: "better" },
        ...{ medians: "0 ns against 1.00 ms", difference: "-1.00 ms" },
        interval: "-1.10 ms to -900 \u00b5s",
      },
    ]);
    expect(choiceSentences(asked)[0]).toBe(
      "Response p50 time: writeback is better than none, 1.00 ms lower (medians 0 ns against 1.00 ms, interval -1.10 ms to -900 \u00b5s).",
    );
  });
});

test("a goal that is reached says at what price", () => {
  const goal = {
    metric: "iops",
    threshold: "iops > 1500",
    low: 1,
    high: 2,
    because: "",
    goal: true as const,
  };
  const of = (point: string, verdict: "met" | "missed", median: number) => {
    return { ...goal, point, verdict, median };
  };
  const paid = { ...against("hybrid", "avl", 9, "worse"), metric: "response.p99" };
  const found = goalSentences({
    ...input([against("hybrid", "avl", 2, "better"), paid]),
    metrics: ["iops", "response.p99"],
    requirements: [of("hybrid", "missed", 1000), of("avl", "met", 2000)],
  });
  expect(found).toEqual([
    "IOPS > 1500: reached with avl (2.00k, response p99 9.00 \u00b5s; at the price of response p99 +800.0%); not with hybrid (1.00k).",
  ]);
});

test("rows keep the axis that tells groups apart", () => {
  const of = (work: string, scheduler: string, facets: readonly string[]) =>
    facets.map((facet) => ({
      ...entry(`${work}-${scheduler}`, { work, scheduler }, 100),
      ...{ facet, label: `scheduler=${scheduler}` },
    }));
  const mixed = ["4 KiB randrw, reads", "4 KiB randrw, writes"];
  const both = ["none", "kyber"].flatMap((scheduler) => [
    ...of("reads", scheduler, ["4 KiB randread"]),
    ...of("mixed", scheduler, mixed),
  ]);
  const rows = (entries: readonly Entry[], ...works: readonly string[]) =>
    verdictGroups({
      entries,
      comparisons: works.map((work) => against(`${work}-none`, `${work}-kyber`, 1.1, "better")),
    } as unknown as ReportModel)[0]?.rows.map(({ candidate, base }) => [candidate, base]);
  expect(rows(both, "reads", "mixed")).toEqual([
    ["4 KiB randread, scheduler=kyber", "4 KiB randread, scheduler=none"],
    ["4 KiB randrw, scheduler=kyber", "4 KiB randrw, scheduler=none"],
  ]);
  // Two loads of one kind: what differs is named, and nothing else.
  const alike = ["none", "kyber"].flatMap((scheduler) => [
    ...of("hot", scheduler, mixed),
    ...of("cold", scheduler, mixed),
  ]);
  expect(rows(alike, "hot", "cold")).toEqual([
    ["work hot, scheduler=kyber", "work hot, scheduler=none"],
    ["work cold, scheduler=kyber", "work cold, scheduler=none"],
  ]);
});

const doubled = ["32k", "64k", "128k", "256k", "512k"];
const search = doubled.map((value, place) =>
  entry(value, { throttle: value }, [500, 800, 960, 990, 1000][place] ?? 0, place + 1),
);

describe("how small a value may be", () => {
  /** Intervals of the ratios to 512k, from 256k downwards; null: none. */
  const asked = (...intervals: readonly (readonly [number, number] | null)[]): ChoiceInput => ({
    ...{ metrics: ["iops", "response.p99"], entries: search, minEffect: 0.02 },
    comparisons: intervals.map((interval, place) => {
      const candidate = doubled[3 - place] ?? "";
      const [low, high] = interval ?? [null, null];
      const ratio = interval === null ? 0.97 : Math.sqrt(interval[0] * interval[1]);
      return { ...against("512k", candidate, ratio, "unclear"), low, high };
    }),
    pick: { parameter: "throttle", within: 0.05 },
    baseline: { throttle: "512k" },
  });
  const within = [0.96, 1.01] as const;
  const unsure = [0.7, 1.2] as const;
  const short = [0.5, 0.8] as const;

  test("goes down as long as whole intervals lie within the share", () => {
    expect(pickSentences(asked(within, [0.955, 1.02], unsure, short))).toEqual([
      "The smallest throttle shown to keep IOPS within 5% of 512k's: 128k (987 against 1.00k, interval -4.5% to +2.0%, response p99 3.00 ms against 5.00 ms; undecided: 64k; shown to fall short: 32k).",
    ]);
    // Beyond one that is undecided nothing is claimed, however good it looks.
    expect(pickSentences(asked(within, unsure, within, short))[0]).toMatch(
      /^The smallest throttle shown .*: 256k .*; undecided: 128k; shown to fall short: 32k; within it, but below one that is undecided: 64k\)\.$/,
    );
  });

  test("of medians that are near, but no interval within the share, says that the runs do not decide", () => {
    expect(pickSentences(asked([0.9, 1.05], unsure, unsure, short))).toEqual([
      "The runs do not decide how small throttle can be to keep IOPS within 5% of 512k's: undecided: 256k, 128k, 64k; shown to fall short: 32k (at 256k 972 against 1.00k, interval -10.0% to +5.0%, response p99 4.00 ms against 5.00 ms).",
    ]);
    expect(pickSentences(asked(null, null, null, null))[0]).toMatch(
      /^The runs do not decide .*undecided: 256k, 128k, 64k, 32k .*; 6 runs of each have no interval\.$/,
    );
    expect(pickSentences({ ...asked(), comparisons: [] })[0]).toMatch(/^The runs do not decide /);
  });

  test("may be no smaller one", () => {
    expect(pickSentences(asked(short, short, short, short))[0]).toMatch(
      /^No throttle below 512k keeps IOPS within 5% of 512k's: 256k was shown to fall short \(/,
    );
  });

  test("is asked of times the other way round", () => {
    const times = (low: number, high: number) => ({
      ...asked(within),
      metrics: ["response.p99"],
      comparisons: [
        { ...against("512k", "256k", 1, "unclear"), metric: "response.p99", low, high },
      ],
    });
    expect(pickSentences(times(0.8, 1.04))[0]).toMatch(
      /^The smallest throttle shown to keep response p99 within 5% of 512k's: 256k /,
    );
    expect(pickSentences(times(0.8, 1.06))[0]).toMatch(/^The runs do not decide /);
    expect(pickSentences(times(1.06, 1.2))[0]).toMatch(/^No throttle below 512k /);
  });
});

describe("a numeric parameter", () => {
  const model = (entries: readonly Entry[], parameters: Record<string, string[]>) =>
    ({ entries, parameters, metrics: ["iops", "response.p99"] }) as unknown as ReportModel;

  test("is the axis, sorted by its numbers, with a line per other choice", () => {
    const entries = ["lru", "2q"].flatMap((cache) =>
      ["1m", "64k", "4m"].map((size) => entry(`${cache}-${size}`, { cache, size }, 1000)),
    );
    const own = model(entries, { cache: ["lru", "2q"], size: ["1m", "64k", "4m"] });
    const axis = numericAxis(own);
    expect(axis).toEqual({
      name: "size",
      texts: ["64k", "1m", "4m"],
      numbers: [2 ** 16, 2 ** 20, 2 ** 22],
    });
    expect(axis === null ? [] : entries.map((each) => lineOf(own, each, axis))).toEqual([
      "lru",
      "lru",
      "lru",
      "2q",
      "2q",
      "2q",
    ]);
    expect(axisChart(own)).toMatchObject({ name: "axis", title: "Figures over size" });
  });

  test("is none of names, of two values, or of the load itself", () => {
    expect(numericAxis(model(search, { throttle: doubled }))?.name).toBe("throttle");
    const two = search.slice(0, 2);
    expect(numericAxis(model(two, { throttle: doubled.slice(0, 2) }))).toBeNull();
    const named = kinds.map((kind) => entry(kind, { allocator: kind }, 1));
    expect(axisChart(model(named, { allocator: kinds }))).toBeNull();
    const depths = ["1", "4", "16"].map((depth) => entry(depth, { iodepth: depth }, 1));
    expect(numericAxis(model(depths, { iodepth: ["1", "4", "16"] }))).toBeNull();
  });
});

test("differences from the baseline are drawn where they have intervals", () => {
  const { entries } = input([]);
  const model = (comparisons: readonly SweepComparison[]) =>
    ({ entries, comparisons, metrics: ["iops"], parameters: {} }) as unknown as ReportModel;
  const chart = effectsChart(model([against("hybrid", "avl", 1.1, "better")]));
  expect(chart?.caption).toContain("IOPS: right is better");
  expect(JSON.stringify(chart?.spec("wide"))).toContain(
    "avl: IOPS +10.0% (+7.8% to +12.2%), better",
  );
  const bare = { ...against("hybrid", "avl", 1.1, "unclear"), low: null, high: null };
  expect(effectsChart(model([bare]))).toBeNull();
  // What has no ratio is not drawn, and that is said.
  const gap = { ...bare, ratio: null, gap: { value: -1, low: -1.1, high: -0.9 } };
  const drawn = effectsChart(model([against("hybrid", "avl", 1.1, "better"), gap]));
  expect(drawn?.caption).toMatch(/1 comparison with figures of 0, .* stands in the table/);
  expect(effectsChart(model([]))).toBeNull();
  // Every metric in which something was decided is drawn, however late it was asked for.
  const names = ["iops", "bw", "response.p50", "response.p99", "fragmentation"];
  const late = names.map((metric) => ({
    ...against("hybrid", "avl", 1.1, metric === "fragmentation" ? ("better" as const) : "unclear"),
    metric,
  }));
  const both = effectsChart({ ...model(late as SweepComparison[]), metrics: names });
  expect(both?.caption).toMatch(
    /IOPS: right is better; fragmentation score of free space: left is better/,
  );
});
