/** Merging: fio's own client on the same documents, exact sums of buckets, runs without loss. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { assembleRun } from "../../results/assemble.ts";
import { clientDocument, fioDocument } from "../../results/fio-output.ts";
import type { FioDirection } from "../../results/fio-record.ts";
import { jsonValues, mergeResults } from "../../results/merge.ts";
import { mergeFioLatency } from "../../results/merge-latency.ts";
import { platIndex, platMiddle, platPercentiles } from "../../results/plat.ts";
import { RunWriter } from "../../results/run-directory.ts";
import type { FioLatency, OsdynoLatency } from "../../results/run-record.ts";
import { type FixtureJob, fixtureRun, resolvedJob, startedEpochMs } from "./results-fixture.ts";

const root = mkdtempSync(join(tmpdir(), "osdyno-merge-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

type Json = Readonly<Record<string, unknown>>;

const fioClients = new URL("../golden/fio/clients.json", import.meta.url);
const allOf = (document: Json) => (document["client_stats"] as readonly Json[]).at(-1) ?? {};

/** Differences of two values, by path. */
function differences(fio: unknown, ours: unknown, path = ""): string[] {
  if (typeof fio === "object" && fio !== null && typeof ours === "object" && ours !== null) {
    const [left, right] = [fio as Json, ours as Json];
    const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])];
    return keys.flatMap((key) =>
      key in left && key in right
        ? differences(left[key], right[key], `${path}.${key}`)
        : [`${path}.${key}: only ${key in left ? "fio" : "ours"}`],
    );
  }
  if (typeof fio === "number" && typeof ours === "number") {
    // fio prints six decimals, and shares of less than 0.01% as that.
    return Math.abs(fio - ours) <= 2e-6 * Math.max(1, Math.abs(fio)) ? [] : [`${path}: ${ours}`];
  }
  return fio === ours ? [] : [`${path}: ${String(ours)}`];
}

test("all clients are fio's, and have the percentiles that fio 3.33 leaves out", () => {
  const text = readFileSync(fioClients, "utf8");
  const path = join(root, "clients.json");
  writeFileSync(path, text);
  const { document, notes } = mergeResults([path], 0);
  expect(notes).toEqual([]);
  const fio = jsonValues(text, "clients")[0] as Json;
  const found = differences(allOf(fio), allOf(document));
  const unexplained = found.filter(
    // fio takes the share of the last client's group, not of all.
    (line) => !/(percentile|bins): only ours$|\.bw_agg:/.test(line),
  );
  expect(unexplained).toEqual([]);
  const keys = Object.keys(allOf(fio));
  expect(Object.keys(allOf(document))).toEqual(keys);
  const read = allOf(document)["read"] as FioDirection;
  const parts = (fio["client_stats"] as readonly Json[]).slice(0, -1);
  const counted = parts.map((part) => (part["read"] as FioDirection).clat_ns);
  const bins = counted.flatMap((latency) => Object.entries(latency.bins ?? {}));
  const sum = new Map<number, number>();
  for (const [middle, count] of bins) {
    sum.set(platIndex(Number(middle)), (sum.get(platIndex(Number(middle))) ?? 0) + count);
  }
  const buckets = [...sum].sort((a, b) => a[0] - b[0]);
  expect(Object.values(read.clat_ns.percentile ?? {})).toEqual(
    platPercentiles(buckets, [50, 99]).map(([, ns]) => ns),
  );
  const shown = clientDocument(document, true);
  expect(jsonValues(shown, "merged")).toHaveLength(1);
  expect(shown.slice(0, 22)).toBe('{\n  "fio version" : "f');
});

function latencyOf(values: readonly number[], percentiles: readonly number[]): FioLatency {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const counts = new Map<number, number>();
  for (const value of values) {
    counts.set(platIndex(value), (counts.get(platIndex(value)) ?? 0) + 1);
  }
  const buckets = [...counts].sort((a, b) => a[0] - b[0]);
  return {
    min: Math.min(...values),
    max: Math.max(...values),
    mean,
    stddev: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0,
    N: values.length,
    percentile: Object.fromEntries(
      platPercentiles(buckets, percentiles).map(([p, ns]) => [p.toFixed(6), ns]),
    ),
    bins: Object.fromEntries(buckets.map(([index, n]) => [String(platMiddle(index)), n])),
  };
}

test("merged parts are what measuring all at once would have given", () => {
  const times = fc.array(fc.integer({ min: 0, max: 2 ** 33 }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(fc.array(times, { minLength: 1, maxLength: 5 }), (parts) => {
      const { latency, lostPercentiles } = mergeFioLatency(
        parts.map((part) => latencyOf(part, [50, 99, 99.9])),
      );
      const whole = latencyOf(parts.flat(), [50, 99, 99.9]);
      expect(lostPercentiles).toBe(false);
      expect({ ...latency, mean: 0, stddev: 0 }).toEqual({ ...whole, mean: 0, stddev: 0 });
      expect(latency.mean).toBeCloseTo(whole.mean, 0);
      expect(Math.abs(latency.stddev - whole.stddev)).toBeLessThanOrEqual(1 + whole.stddev * 1e-6);
    }),
    { numRuns: 100 },
  );
});

test("without bins there are no percentiles, and a note says so", () => {
  const full = latencyOf([1, 2, 3], [50]);
  const { bins: _bins, ...thin } = full;
  const { latency, lostPercentiles } = mergeFioLatency([full, thin]);
  expect([latency.N, latency.percentile, latency.bins]).toEqual([6, undefined, undefined]);
  expect(lostPercentiles).toBe(true);
  const path = join(root, "plain.json");
  writeFileSync(path, fioDocument(recordOf([1000, 2000]).record, false));
  const { notes } = mergeResults([path, path], 0);
  expect(notes).toEqual([expect.stringMatching(/^read clat_ns .*no bins; make it with/)]);
});

function recordOf(service: readonly number[]) {
  const job: FixtureJob = {
    resolved: resolvedJob("job"),
    jobnum: 0,
    groupId: 0,
    intervals: { read: [{ lengthNs: 1e9, service }] },
  };
  const made = fixtureRun([[job]]);
  return { made, record: assembleRun(made.input) };
}

function runDirectory(name: string, service: readonly number[]): string {
  const { made, record } = recordOf(service);
  const out = join(root, name);
  const writer = RunWriter.create({ label: name, startedEpochMs, plan: made.plan, out });
  for (const { job, row } of made.rows) {
    writer.interval(job, row, null);
  }
  writer.finish(record);
  return out;
}

test("run directories merge without loss: ours is that of all values together", () => {
  const low = Array.from({ length: 500 }, (_, at) => 1000 + 7 * at);
  const high = Array.from({ length: 500 }, (_, at) => 90_000 + 11 * at);
  const { document } = mergeResults([runDirectory("a", low), runDirectory("b", high)], 0);
  const whole = recordOf([...low, ...high]).record.osdyno.totals.read?.service_ns;
  const ours = document["osdyno"] as {
    readonly totals: { readonly read: { readonly service_ns: OsdynoLatency } };
  };
  const merged = ours.totals.read.service_ns;
  expect({ ...merged, mean: 0, stddev: 0 }).toEqual({ ...whole, mean: 0, stddev: 0 });
  expect(merged.mean).toBeCloseTo(whole?.mean ?? 0, 3);
  expect(merged.stddev).toBeCloseTo(whole?.stddev ?? 0, 3);
  const names = (document["client_stats"] as readonly Json[]).map((job) => job["jobname"]);
  expect(names).toEqual(["job", "job", "All clients"]);
});

test("documents: text before them, several one after the other, arrays; anything else is refused", () => {
  expect(jsonValues('note: x\n{"a": "}\\""}\n{\n"b": [1]}\n', "t")).toEqual([
    { a: '}"' },
    { b: [1] },
  ]);
  expect(() => jsonValues("nothing", "t")).toThrow(/t: it holds no JSON document/);
  expect(() => jsonValues('{"a": 1', "t")).toThrow(/t: it cannot be read as JSON/);
  const path = join(root, "other.json");
  writeFileSync(path, '{"x": 1}');
  expect(() => mergeResults([path], 0)).toThrow(/no fio document/);
  expect(() => mergeResults([join(root, "absent")], 0)).toThrow(/no such file/);
});
