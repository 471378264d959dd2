/** A run on two stores: its metrics are those of both, whichever stands first, or name the store they are of. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const small = "k1.img?size=256m&bluestore_kvbackend=waltree";
// Every write goes through the log first, and so to the device twice.
const deferred = "k2.img?size=256m&bluestore_kvbackend=waltree&bluestore_prefer_deferred_size=1m";
const jobs = {
  a: ["--name=a", `--target=store:${small}`],
  b: ["--name=b", `--target=store:${deferred}`],
};
const rest = ["--rw=randwrite", "--bs=16k", "--size=8m", "--iodepth=4", "--randseed=7"];

function run(names: readonly ("a" | "b")[], more: readonly string[]) {
  const [global, own] = [rest, names.map((name) => jobs[name])];
  place.write(
    "two.fio",
    [
      "[global]",
      ...global.map((key) => key.slice(2)),
      ...own.flatMap(([name = "", target = ""]) => [
        `[${name.slice("--name=".length)}]`,
        target.slice(2),
      ]),
      "",
    ].join("\n"),
  );
  return place.run(["run", "two.fio", "--no-report", "--no-progress", "--out=r", ...more]);
}

test.each([["ab"], ["ba"]])("metrics of stores are of both, in the order %s", (order) => {
  const names = order.split("") as ("a" | "b")[];
  const limits = ["write_amplification > 1", "flushes_per_io > 0", "store_memory_bytes > 0"];
  const { code, err } = run(names, [
    ...limits.map((each) => `--threshold=${each}`),
    ...["--threshold=alloc_ns.p50 > 0ns", "--threshold=counter.volume.writes >= 1024"],
    "--threshold=counter.volume.writes@store:k2.img <= 512",
    `--threshold=counter.bluestore.fragmentation_score@store:${deferred}>=0`,
  ]);
  expect(err).not.toMatch(/osdyno:|MISSED/);
  expect(code).toBe(0);
  const { osdyno } = place.record("r");
  const counters = osdyno.counters ?? {};
  const each = (name: string, of: string) =>
    counters[`${name}@store:${place.path(of)}`] ?? Number.NaN;
  const both = (name: string) => each(name, small) + each(name, deferred);
  const amplified = (sum: (name: string) => number) =>
    (sum("bdev.write_bytes") + sum("waltree.written_bytes")) / sum("volume.write_bytes");
  const value = (name: string) =>
    osdyno.threshold_results?.find(({ metric }) => metric === name)?.value ?? Number.NaN;
  expect(value("write_amplification")).toBeCloseTo(amplified(both), 9);
  // The two differ, so that the figure of one cannot pass for that of both.
  expect(amplified((name) => each(name, small))).toBeLessThan(value("write_amplification"));
  expect(amplified((name) => each(name, deferred))).toBeGreaterThan(value("write_amplification"));
  const flushes = both("bdev.flushes") + both("waltree.flushes") + both("waltree.durable_writes");
  expect(value("flushes_per_io")).toBeCloseTo(flushes / 1024, 9);
  expect(value("store_memory_bytes")).toBe(both("memory.most_bytes"));
  expect(value("counter.volume.writes")).toBe(1024);
  expect(each("bluestore.allocator_lat.count", small)).toBeGreaterThan(0);
  expect(counters["bluestore.allocator_lat.count"]).toBe(both("bluestore.allocator_lat.count"));
  expect(counters).not.toHaveProperty("bluestore.fragmentation_score");
  expect(place.run(["results", "verify", "r"]).code).toBe(0);
});

test("what is of one store names it, before anything is made", () => {
  for (const [metric, why] of [
    ["fragmentation", `counter.bluestore.fragmentation_score@store:${place.path(small)}`],
    ["counter.bluestore.free", `counter.bluestore.free@store:${place.path(small)}`],
    [
      "counter.bluestore.free@store:k3.img",
      "'store:k3.img' is none of its stores, or several; there are ",
    ],
    ["counter.bluestore.fre@store:k1.img", "did you mean counter.bluestore.free?"],
  ] as const) {
    const { code, err } = run(["a", "b"], [`--threshold=${metric} < 1`]);
    expect(code).toBe(2);
    expect(err).toContain(`this run has no ${metric}: `);
    expect(err).toContain(why);
  }
  expect(place.exists("k1.img")).toBe(false);
});

test("a store that is the only one may be named too", () => {
  const named = `--threshold=counter.volume.writes@store:${small} >= 512`;
  const { code, err } = run(["a"], [named]);
  expect(err).not.toMatch(/osdyno:|MISSED/);
  expect(code).toBe(0);
});
