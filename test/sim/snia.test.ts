/**
 * Whole tests of the SNIA PTS, unscaled, in virtual time on synthetic devices whose law is known: the real
 * planner, job loop, files and rules.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { performRun } from "../../results/perform.ts";
import { conductSnia, type SniaRequest } from "../../results/snia/conduct.ts";
import { deviceOf, sizesOf } from "../../results/snia/device.ts";
import { loadSnia } from "../../results/snia/load.ts";
import { proceduresOf } from "../../results/snia/procedures.ts";
import { fullScale, type SniaSpec } from "../../results/snia/spec.ts";
import { firstSteady } from "../../results/snia/steady-rule.ts";
import { tablesOf } from "../../results/snia/tables.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";

const root = mkdtempSync(join(tmpdir(), "osdyno-snia-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const campaign = process.env["OSDYNO_CAMPAIGN"] !== undefined;
/** Half a minute together. */
const long = test.runIf(campaign);
let count = 0;

/** Service time in ms of the run that begins; `round` is 0 outside rounds. */
type Law = (round: number, id: string) => string;

const base: SniaSpec = {
  ...{ file: "t.yaml", name: "t", question: "", target: null, test: "latency" },
  ...{ deviceClass: "enterprise", edition: "2.0.2", sizeBytes: null, activeRange: 1 },
  ...{ threads: 1, depth: 1, purge: "none", scale: fullScale, ratedWriteBytes: null },
  ...{ mostWriteBytes: null, people: {} },
};

function requestOf(own: Partial<SniaSpec>, law: Law): SniaRequest {
  const spec = { ...base, ...own };
  const environment = hostEnvironment();
  const device = deviceOf(spec, "null:?service=1ms&size=32m", environment, root);
  const sizes = sizesOf(spec, device);
  count += 1;
  return {
    ...{ spec, device, sizes, sections: proceduresOf(spec, sizes), known: null },
    ...{ directory: join(root, String(count)), seed: 1, overrides: [], budgetSeconds: null },
    ...{ environment },
    settings: {
      ...{ command: [], target: device.target, path: "engine", clock: "virtual", seed: null },
      ...{ destroy: false, live: null, report: false, thresholds: [], intervalMs: null },
      ...{ workingDirectory: root, signal: new AbortController().signal },
    },
    events: {
      layout() {},
      progress() {},
      note() {},
      step() {},
      round() {},
    },
    perform: (request) => {
      const id = request.settings.label;
      const round = Number(/round-(\d+)$/.exec(id)?.[1] ?? 0);
      const target = `null:?size=32m&${law(round, id)}`;
      return performRun({ ...request, settings: { ...request.settings, target } });
    },
  };
}

async function conducted(own: Partial<SniaSpec>, law: Law) {
  const result = await conductSnia(requestOf(own, law));
  expect(result.failure?.line).toBeUndefined();
  return { result, model: loadSnia(result.directory) };
}

const fast = "service=1ms";
const vectors = JSON.parse(
  readFileSync(new URL("../golden/harness/ss_vectors.json", import.meta.url), "utf8"),
) as readonly { readonly y: readonly number[]; readonly pts_le: boolean }[];

describe("rounds of nine minutes on a device whose latency is known", () => {
  // The rule itself is held against all of them elsewhere.
  const shown = vectors.filter((_, at) => campaign || [2, 3, 4].includes(at));
  test.each(shown.map(({ y, pts_le: steady }) => [y, steady] as const))(
    "%j ms: steady at the fifth round: %s",
    async (y, steady) => {
      const at = (round: number) => (round === 0 ? 1 : (y[round - 1] ?? 1000 * 4 ** (round - 5)));
      const law: Law = (round) => `service=${Math.round(at(round) * 1e6)}ns`;
      const request = requestOf({}, law);
      const sections = request.sections.map((section) => ({
        ...section,
        steps: section.steps.map((step) => ({ ...step, most: 5 })),
      }));
      const { record } = await conductSnia({ ...request, sections });
      const [verdict] = record.snia?.verdicts ?? [];
      expect(verdict).toMatchObject({ rounds: 5, steady, window: { first: 1, last: 5 } });
      expect(verdict?.ended).toBe(steady ? "steady" : "rounds");
      for (const [place, value] of (verdict?.verdicts[0]?.values ?? []).entries()) {
        expect(value / 1e6).toBeCloseTo(y[place] ?? Number.NaN, 9);
      }
    },
  );

  test("a latency that settles is steady at the round that its law says", async () => {
    const law = (round: number) => 1000 * (1 - 0.9 * Math.exp(-(round - 1) / 3));
    const values = Array.from({ length: 25 }, (_, at) => law(at + 1));
    const { model } = await conducted({}, (round) =>
      round === 0 ? fast : `service=${Math.round(law(round) * 1e6)}ns`,
    );
    const expected = firstSteady([{ label: "", values }])?.round;
    expect(expected).toBeGreaterThan(6);
    expect(model.snia.verdicts[0]).toMatchObject({ rounds: expected, steady: true });
    // The figures are means of the window, and those of all cells are there.
    const window = values.slice((expected ?? 0) - 5, expected);
    const mean = window.reduce((sum, value) => sum + value, 0) / 5;
    const [rounds] = model.rounds;
    expect(rounds?.cells).toHaveLength(9);
    for (const cell of rounds?.cells ?? []) {
      expect(cell.latency_mean_ns / 1e6 / mean).toBeCloseTo(1, 6);
    }
    expect(tablesOf(model)[0]?.rows.flat()).not.toContain("-");
  });

  long(
    "a latency that creeps by 3% a round is never steady: 25 rounds, and it says so",
    async () => {
      const { model, result } = await conducted({}, (round) =>
        round === 0 ? fast : `service=${Math.round(1000 * 1.03 ** round)}ms`,
      );
      expect(model.snia.verdicts[0]).toMatchObject({ rounds: 25, steady: false, ended: "rounds" });
      expect(model.snia.runs.filter(({ kind }) => kind === "rounds")).toHaveLength(25);
      expect(result.record.state).toBe("complete");
      expect(tablesOf(model)[0]?.note).toContain("not steady");
    },
  );
});

describe("whole tests, unscaled", () => {
  test("IOPS: 56 cells a round, three figures followed", async () => {
    const { model } = await conducted({ test: "iops" }, (round) =>
      round === 0 ? fast : "service=500ms",
    );
    const { runs, verdicts, deviations } = model.snia;
    const rounds = runs.filter(({ kind }) => kind === "rounds");
    expect(rounds).toHaveLength(5);
    for (const { cells, seconds } of rounds) {
      expect(cells).toHaveLength(56);
      // An hour but four minutes, and what was under way at each cell's end.
      expect(seconds).toBeGreaterThanOrEqual(3360);
      expect(seconds).toBeLessThan(3360 + 56);
      for (const { iops } of cells) {
        expect(Math.abs(iops / 2 - 1)).toBeLessThan(0.05);
      }
    }
    expect(verdicts[0]?.followed).toHaveLength(3);
    expect(verdicts[0]?.steady).toBe(true);
    expect(deviations.join()).not.toMatch(/scaled/);
    expect(runs[0]).toMatchObject({ kind: "fill", written_bytes: 2 * (32 << 20) });
  });

  test("several threads: their rates are those of all of them, as the run's own record says", async () => {
    const own = { test: "iops", threads: 4, depth: 4 } as const;
    const scale = { ...fullScale, capacityBytes: 16 << 20, minuteSeconds: 0.2 };
    const { model } = await conducted({ ...own, scale }, () => "service=1ms");
    const cells = model.rounds.flatMap((rounds) => rounds.cells);
    expect(cells).toHaveLength(56);
    for (const { cell, iops, bw_bytes: bytes } of cells) {
      // 4 x 4 outstanding, a millisecond each.
      expect(Math.abs(iops / 16_000 - 1), cell).toBeLessThan(0.01);
      expect(bytes).toBeGreaterThan(0.99 * 16_000 * 512);
    }
    for (const run of model.snia.runs.filter(({ kind }) => kind === "rounds")) {
      expect(Math.abs(run.seconds / (56 * 0.2) - 1)).toBeLessThan(0.01);
    }
  });

  test.each([
    ["service=1ms", 16_000],
    ["service=10ms", 1600],
    ["service=1ms&iops=1000", 4000],
  ])(
    "scaled bursts on a device without a memory, %s, are as fast as writes on end",
    async (law, expected) => {
      const scale = { ...fullScale, capacityBytes: 16 << 20, minuteSeconds: 0.25, cycles: 4 };
      const own = { test: "host-idle", threads: 4, depth: 4, scale } as const;
      const { model } = await conducted(own, () => law);
      const idle = model.series.filter(({ id }) => id.startsWith("idle-"));
      expect(idle).toHaveLength(5);
      for (const { id, points } of idle) {
        // What is under way at the end of a burst lengthens its cycle, so that at most as many begin.
        expect(points.length, id).toBeLessThanOrEqual(4);
        expect(points.length, id).toBeGreaterThanOrEqual(3);
        const mean = points.reduce((sum, { iops }) => sum + iops, 0) / points.length;
        expect(Math.abs(mean / expected - 1), `${id}: ${mean}`).toBeLessThan(0.03);
      }
      for (const row of tablesOf(model)[0]?.rows ?? []) {
        expect(Math.abs(Number.parseFloat(row[5] ?? "") / 100 - 1)).toBeLessThan(0.03);
      }
    },
  );

  test("throughput: a preconditioning and rounds for each block size", async () => {
    const { model } = await conducted({ test: "throughput", depth: 32 }, (round) =>
      round === 0 ? fast : "service=1s",
    );
    const ids = model.snia.runs.map(({ id }) => id);
    expect(ids.filter((id) => id.endsWith("wipc"))).toEqual(["128k-wipc", "1024k-wipc"]);
    const [, reads = "", writes = ""] = tablesOf(model)[0]?.rows[1] ?? [];
    // 32 outstanding of 1 MiB, a second each.
    expect([reads, writes]).toEqual(["33.6 MB/s", "33.6 MB/s"]);
    expect(model.snia.verdicts.map(({ steady }) => steady)).toEqual([true, true]);
  });

  test("write saturation ends steady, or when four times the capacity is written", async () => {
    const still = await conducted({ test: "write-saturation" }, () => "service=500ms");
    expect(still.model.snia.verdicts[0]).toMatchObject({
      ...{ steady: true, ended: "steady", window: { first: 1, last: 5 } },
    });
    const stalls = "service=50ms&stall_at=1s&stall_for=31s&stall_every=37s";
    const uneven = await conducted({ test: "write-saturation" }, () => stalls);
    const [verdict] = uneven.model.snia.verdicts;
    expect(verdict).toMatchObject({ steady: false, ended: "bytes" });
    const written = uneven.model.snia.endurance.written_bytes;
    expect(Math.abs(written - 4 * (32 << 20))).toBeLessThan(1 << 16);
    const points = uneven.model.series[0]?.points ?? [];
    expect(points).toHaveLength(verdict?.rounds ?? 0);
    // The last minute was cut short by the bytes, and is none of the rounds.
    const last = points.at(-1)?.written_bytes ?? 0;
    expect(last).toBeLessThanOrEqual(written);
    expect(last).toBeGreaterThan(written * (1 - 1 / points.length));
  });

  test.each([
    ["five rounds and a bit", "service=10ms", 16, 0.25, 5],
    ["six rounds and most of a seventh", "service=10ms", 20, 0.25, 6],
    ["times that vary", "service=10ms&jitter=uniform", 20, 0.25, 6],
    ["times that vary by far", "service=10ms&jitter=exp", 20, 0.25, 6],
    ["three rounds and most of a fourth", "service=100ms", 28, 6, 3],
    ["less than a round", "service=10ms", 16, 2, 0],
  ])(
    "saturation of a device without a memory: %s; the rest of a round is none",
    async (_, law, mib, minuteSeconds, rounds) => {
      const scale = { ...fullScale, capacityBytes: mib << 20, minuteSeconds };
      const own = { test: "write-saturation", threads: 4, depth: 32, scale } as const;
      const { model } = await conducted(own, () => law);
      const [verdict] = model.snia.verdicts;
      const steady = rounds >= 5;
      expect(verdict).toMatchObject({ steady, ended: steady ? "steady" : "bytes" });
      const points = model.series[0]?.points ?? [];
      expect(points).toHaveLength(verdict?.rounds ?? 0);
      // It is ended where it is steady, in that round or in the next.
      expect(points.length).toBeGreaterThanOrEqual(Math.min(5, rounds));
      expect(points.length).toBeLessThanOrEqual(rounds);
      const truth = law.startsWith("service=100ms") ? 1280 : 12_800;
      // Times of up to 0.1 s are a third of a round at this scale: the last one may hold what was under way when the
      // test was ended, and is not looked at here; the window of the verdict always is.
      const last = law.endsWith("jitter=exp") ? points.length - 1 : points.length;
      const rates = points.slice(0, last).map(({ iops }) => iops);
      const shown = [...(verdict?.verdicts[0]?.values ?? []), ...rates];
      for (const iops of shown) {
        // The first round begins with nothing under way.
        expect(Math.abs(iops / truth - 1), String(iops)).toBeLessThan(0.07);
      }
      for (const row of tablesOf(model)[0]?.rows ?? []) {
        const thousands = Number.parseFloat(row[1] ?? "") * (row[1]?.endsWith("k") ? 1000 : 1);
        expect(Math.abs(thousands / truth - 1), row.join()).toBeLessThan(0.07);
      }
    },
  );

  long("host idle recovery: bursts of each state, and what came back is seen", async () => {
    const cycles = campaign ? 360 : 12;
    const scale = { ...fullScale, cycles };
    const { model } = await conducted({ test: "host-idle", scale }, (_, id) =>
      id === "idle-50" ? "service=250ms" : "service=500ms",
    );
    const table = tablesOf(model)[0]?.rows ?? [];
    expect(table.map(([, bursts]) => bursts)).toEqual([
      "-",
      ...Array<string>(5).fill(String(cycles)),
    ]);
    const shares = table.map((row) => Number.parseFloat(row[3] ?? ""));
    expect(shares[1]).toBeCloseTo(100, -1);
    expect(shares[5]).toBeCloseTo(200, -1);
  });

  long("cross stimulus: 8, 6 and 8 hours by the minute", async () => {
    const { model } = await conducted({ test: "cross-stimulus" }, (_, id) =>
      id === "sequential-2" ? "service=64s" : "service=32s",
    );
    expect(model.series.map(({ points }) => points.length)).toEqual([480, 360, 480]);
    const [first, , last] = tablesOf(model)[0]?.rows ?? [];
    // 32 outstanding of 1 MiB, 32 s and 64 s each.
    const [before, after] = [first, last].map((row) => Number.parseFloat(row?.[2] ?? ""));
    expect(Math.abs((before ?? 0) / 1.05 - 1)).toBeLessThan(0.03);
    expect(Math.abs((after ?? 0) / 524 - 1)).toBeLessThan(0.03);
  });

  long("composite: 49 loads, of which those below 5 ms may be looked at closely", async () => {
    const { model } = await conducted({ test: "composite" }, (_, id) =>
      id === "matrix" ? "service=8s" : "service=64s",
    );
    const [iops] = tablesOf(model);
    const loads = [32, 16, 8, 6, 4, 2, 1];
    for (const [row, threads] of loads.entries()) {
      for (const [column, depth] of loads.entries()) {
        const shown = Number.parseFloat(iops?.rows[row]?.[column + 1] ?? "");
        expect(shown / ((threads * depth) / 8)).toBeCloseTo(1, 0);
      }
    }
    // None is below 5 ms.
    const closer = model.snia.runs.filter(({ kind }) => kind === "histograms");
    expect(closer.map(({ id }) => id)).toEqual(["histogram-min"]);
  });
});

test("an endurance budget ends a test, and so it stays", async () => {
  const request = requestOf({ mostWriteBytes: 40 << 20 }, () => fast);
  const { record, failure } = await conductSnia(request);
  expect(failure?.code).toBe("interrupted");
  expect(failure?.message).toMatch(/endurance: the 40.0 MiB/);
  expect(record.state).toBe("partial");
  expect(record.snia?.endurance.lost_bytes).toBeGreaterThanOrEqual(40 << 20);
  const again = await conductSnia({ ...request, known: record });
  expect(again.failure?.message).toMatch(/endurance/);
  expect(again.completed).toBe(0);
});

test("a test that was interrupted goes on; its window does not reach over the pause", async () => {
  const request = requestOf({}, (round) => (round === 0 ? fast : "service=1s"));
  const stop = new AbortController();
  const { perform } = request;
  const first = await conductSnia({
    ...request,
    settings: { ...request.settings, signal: stop.signal },
    perform: async (run) => {
      const done = perform?.(run) ?? performRun(run);
      if (run.settings.label === "round-04") {
        stop.abort("SIGINT");
      }
      return await done;
    },
  });
  expect(first.failure?.code).toBe("interrupted");
  expect(first.record).toMatchObject({ state: "partial" });
  expect(first.record.snia?.runs.map(({ id }) => id)).toEqual([
    ...["wipc", "round-01", "round-02", "round-03"],
  ]);
  const second = await conductSnia({ ...request, known: first.record });
  expect(second.record.state).toBe("complete");
  expect(second.record.snia?.verdicts[0]).toMatchObject({
    ...{ steady: true, rounds: 8, window: { first: 4, last: 8 } },
  });
  expect(second.record.snia?.deviations.join()).toMatch(/interrupted once/);
});
