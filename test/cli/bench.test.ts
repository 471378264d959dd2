/** `osdyno bench` as a user types it, with tiny settings: what it measures is another matter. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allocatorKinds } from "../../engine/hot/allocator/registry.ts";
import { blockEngines } from "../../engine/hot/ioengine/registry.ts";
import type { AllocatorBench } from "../../results/bench/allocator.ts";
import type { IoEngineBench } from "../../results/bench/ioengine.ts";
import { type StoreBench, storeWorkloads } from "../../results/bench/store.ts";
import { type WriteLogBench, writeLogWorkloads } from "../../results/bench/writelog.ts";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "osdyno-cli-bench-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function osdyno(...args: string[]) {
  const environment = { ...process.env, OSDYNO_SCRATCH: folder };
  const done = spawnSync(process.execPath, [main, "bench", ...args], {
    encoding: "utf8",
    env: environment,
  });
  return { status: done.status, out: done.stdout, err: done.stderr };
}

test("lists the hot paths that have a bench", () => {
  const { status, out } = osdyno();
  expect(status).toBe(0);
  expect(out).toMatch(/^ioengine /m);
});

test("measures every engine, keeps the document, leaves nothing else behind", () => {
  const out = join(folder, "out");
  const { status, out: text } = osdyno(
    "ioengine",
    "--rounds=1",
    "--runtime=40",
    "--size=4",
    "--out",
    out,
  );
  expect(status).toBe(0);
  const bench = JSON.parse(readFileSync(join(out, "bench-ioengine.json"), "utf8")) as IoEngineBench;
  expect(bench.schema).toBe("osdyno-bench-1");
  expect(new Set(bench.rows.map(({ cell }) => cell.engine))).toEqual(
    new Set(blockEngines().map(({ name }) => name)),
  );
  for (const { cell, figures, reason } of bench.rows) {
    expect(text).toContain(cell.engine);
    if (reason === null) {
      expect(figures?.iops.median, JSON.stringify(cell)).toBeGreaterThan(0);
      expect(figures?.serviceP50Ns.median).toBeLessThanOrEqual(figures?.serviceP99Ns.median ?? 0);
    }
  }
  // These work on every machine.
  for (const engine of ["psync", "sync", "mmap", "memory", "null"]) {
    const reasons = bench.rows
      .filter(({ cell }) => cell.engine === engine)
      .map((row) => row.reason);
    expect(new Set(reasons), engine).toEqual(new Set([null]));
  }
  const measured = bench.rows.filter((row) => row.reason === null).map(({ cell }) => cell);
  const depths = (engine: string) =>
    new Set(measured.filter((cell) => cell.engine === engine).map(({ depth }) => depth));
  expect(depths("psync")).toEqual(new Set([1]));
  expect(depths("null")).toEqual(new Set([1, 16, 64]));
  expect(readdirSync(folder)).toEqual(["out"]);
  expectPage(out, ["cpu.svg", "rate.svg", "service.svg", "tail.svg"]);
  rmSync(out, { recursive: true });
});

/** A page with its charts, and hashes and tables that hold. */
function expectPage(out: string, charts: readonly string[]): void {
  expect(readdirSync(join(out, "charts")).sort()).toEqual(charts);
  expect(readFileSync(join(out, "report.html"), "utf8")).toContain("<svg");
  const checked = spawnSync(process.execPath, [main, "results", "verify", out]);
  expect([checked.status, String(checked.stderr)]).toEqual([0, ""]);
}

test("stages: a page with its charts", () => {
  const out = join(folder, "stages");
  const flags = ["--rounds=1", "--runtime=200", "--size=16", "--out", out];
  const { status, out: text, err } = osdyno("stages/layers", ...flags);
  expect(status, err).toBe(0);
  expect(text).toContain("layers");
  expect(err).toContain(`report: ${out}/report.html`);
  expectPage(out, ["cost.svg", "rate.svg"]);
  rmSync(out, { recursive: true });
});

test("measures every allocator, with a directory of charts and hashes that hold", () => {
  const out = join(folder, "allocators");
  const flags = ["--rounds=2", "--steps=300", "--capacity=1", "--out", out];
  const { status, out: text, err } = osdyno("allocator", ...flags);
  expect(status, err).toBe(0);
  const bench = JSON.parse(
    readFileSync(join(out, "bench-allocator.json"), "utf8"),
  ) as AllocatorBench;
  const names = allocatorKinds().map(({ name }) => name);
  expect(bench.rows).toHaveLength(names.length * 3 * 3 * 2);
  for (const { cell, p50Ns, p999Ns, resultHash } of bench.rows) {
    expect(p50Ns.median, JSON.stringify(cell)).toBeGreaterThan(0);
    expect(p50Ns.median).toBeLessThanOrEqual(p999Ns.median);
    expect(text).toContain(resultHash);
  }
  // Two trees of one rule, and hybrid while it spills nothing: the same extents, where sizes are equal.
  const hash = (allocator: string) =>
    bench.rows
      .filter(({ cell }) => cell.allocator === allocator && cell.start === "worn")
      .map(({ resultHash }) => resultHash);
  expect(hash("hybrid")).toEqual(hash("avl"));
  expect(new Set(names.map((name) => hash(name).join())).size).toBeGreaterThan(2);
  expect(readdirSync(join(out, "charts")).sort()).toEqual([
    "fragmentation.svg",
    "memory.svg",
    "time.svg",
  ]);
  expect(readFileSync(join(out, "report.html"), "utf8")).toContain("<svg");
  const checked = spawnSync(process.execPath, [main, "results", "verify", out]);
  expect([checked.status, String(checked.stderr)]).toEqual([0, ""]);
  // Again into its own directory; not into another's.
  expect(osdyno("allocator/avl", ...flags).status).toBe(0);
  writeFileSync(join(out, "mine.txt"), "");
  expect(osdyno("allocator/avl", ...flags)).toMatchObject({ status: 2, out: "" });
  rmSync(out, { recursive: true });
});

test("measures the store beside the raw file, with a directory of charts", () => {
  const out = join(folder, "store");
  const flags = ["--rounds=1", "--runtime=60", "--size=16", "--objects=300", "--out", out];
  const { status, out: text, err } = osdyno("store/waltree", ...flags);
  expect(status, err).toBe(0);
  const bench = JSON.parse(readFileSync(join(out, "bench-store.json"), "utf8")) as StoreBench;
  expect(bench.rows.map(({ workload }) => workload)).toEqual(storeWorkloads);
  for (const { ratio, rawPerSecond, storePerSecond, ...row } of bench.rows) {
    expect(ratio.median).toBeCloseTo(storePerSecond.median / rawPerSecond.median);
    expect(row.cpuUs.median).toBeGreaterThan(0);
    const reads = row.workload.operation === "randread";
    // A write is on the disk once, and its metadata; commits are flushed, many together.
    expect(row.writeAmplification.median >= 1, JSON.stringify(row)).toBe(!reads);
    expect(row.flushes.median > 0, JSON.stringify(row)).toBe(!reads);
    expect(text).toContain(`${row.workload.name}, depth ${row.workload.depth}`);
  }
  expect(bench.mounts.map(({ end, objects }) => [end, objects])).toEqual([
    ["clean", 300],
    ["unclean", 300],
  ]);
  for (const { seconds, mountedBytes } of bench.mounts) {
    expect(seconds.median).toBeGreaterThan(0);
    expect(mountedBytes.median).toBeGreaterThan(0);
  }
  expect(text).toContain("unclean end");
  expect(readdirSync(join(out, "charts"))).toHaveLength(4);
  rmSync(out, { recursive: true });
  expect(readdirSync(folder).filter((name) => name.startsWith("osdyno-bench"))).toEqual([]);
});

test("refuses an allocator that it does not know", () => {
  const refused = osdyno("allocator/hybird");
  expect(refused).toMatchObject({ status: 2, out: "" });
  expect(refused.err).toContain("did you mean hybrid?");
});

test("an allocator of one's own goes through its suite", () => {
  const model = fileURLToPath(new URL("../../engine/hot/allocator/first-fit.ts", import.meta.url));
  const sound = osdyno("--conform", model);
  expect(sound.status, sound.err).toBe(0);
  expect(sound.out).toContain("first-fit conforms: 6 passed");
  const file = join(folder, "greedy.mjs");
  writeFileSync(
    file,
    `import { FirstFitAllocator } from ${JSON.stringify(model)};
class Greedy extends FirstFitAllocator {
  allocate(want, unit, max, hint, into) { return super.allocate(want, unit, 0, hint, into); }
}
export default {
  hotPath: "allocator", name: "greedy", describe: "ignores the longest extent",
  create: (_context, options) => new Greedy(options),
};`,
  );
  const unsound = osdyno("--conform", file);
  expect(unsound.status).toBe(1);
  expect(unsound.out).toMatch(/failed .*is longer than/);
  rmSync(file);
});

test("measures one engine by name, and refuses what it does not know", () => {
  const out = join(folder, "one");
  const tiny = ["--rounds=1", "--runtime=40", "--size=1", "--out", out];
  const one = osdyno("ioengine/psync", ...tiny, "--json");
  expect(one).toMatchObject({ status: 0 });
  rmSync(out, { recursive: true });
  const { rows } = JSON.parse(one.out) as IoEngineBench;
  expect(rows.map(({ cell }) => `${cell.engine} ${cell.operation} ${cell.depth}`)).toEqual([
    "psync randread 1",
    "psync randwrite 1",
  ]);
  expect(osdyno("ioengnie")).toMatchObject({ status: 2, out: "" });
  expect(osdyno("ioengnie").err).toContain("did you mean ioengine?");
  expect(osdyno("ioengine/pysnc").err).toContain(
    "no ioengine is called pysnc; did you mean psync?",
  );
  expect(osdyno("ioengine", "--rounds=0").status).toBe(2);
  expect(readdirSync(folder)).toEqual([]);
});

const sound = `
export default {
  hotPath: "ioengine",
  name: "mine",
  describe: "psync under another name",
  create: (context, options) => context.open("psync", options),
};
`;
/** Writes become flushes. */
const wrong = `
export default {
  hotPath: "ioengine",
  name: "forgetful",
  describe: "loses what was written",
  create: (context, options) => {
    const device = context.open("memory", options);
    const submit = device.submit.bind(device);
    device.submit = (op) => submit(op.kind === 1 ? { ...op, kind: 3, lengthBytes: 0 } : op);
    return device;
  },
};
`;

test("tells a plug-in that conforms from one that does not", () => {
  const good = join(folder, "good.mjs");
  writeFileSync(good, sound);
  const passed = osdyno("--conform", good);
  expect(passed.err).not.toContain("internal error");
  expect(passed).toMatchObject({ status: 0 });
  expect(passed.out).toMatch(/mine conforms: \d+ passed, 0 failed/);
  const bad = join(folder, "bad.mjs");
  writeFileSync(bad, wrong);
  const failed = osdyno("--conform", bad);
  expect(failed.status).toBe(1);
  expect(failed.out).toMatch(/^failed +reads return what was written/m);
});

test("refuses a module that is no plug-in, in one line with its name", () => {
  for (const [name, text, why] of [
    ["empty.mjs", "", 'none of "ioengine", "allocator"'],
    ["other.mjs", 'export default { hotPath: "engine" };', 'none of "ioengine", "allocator"'],
    ["unnamed.mjs", 'export default { hotPath: "allocator" };', "name is no text"],
    ["half.mjs", 'export default { hotPath: "ioengine", name: "x", describe: "y" };', "create"],
    ["broken.mjs", "export default {", "cannot be loaded"],
    ["throws.mjs", 'throw new Error("ouch");', "ouch"],
  ] as const) {
    const file = join(folder, name);
    writeFileSync(file, text);
    const { status, err } = osdyno("--conform", file);
    expect(status, name).toBe(2);
    expect(err.trim().split("\n").at(-1), name).toContain(why);
    expect(err, name).toContain(name);
  }
});

test("writelog: every workload on both logs beside their devices", () => {
  const out = join(folder, "writelog");
  const sizes = ["--rounds=1", "--runtime=40", "--size=8"];
  const { status, out: text, err } = osdyno("writelog", ...sizes, "--out", out);
  expect(status, err).toBe(0);
  const bench = JSON.parse(readFileSync(join(out, "bench-writelog.json"), "utf8")) as WriteLogBench;
  expect(bench.rows).toHaveLength(2 * writeLogWorkloads.length);
  for (const row of bench.rows) {
    expect(text).toContain(row.implementation);
    expect(row.ratio.median).toBeCloseTo(row.logPerSecond.median / row.alonePerSecond.median);
    // All that was written is in the log, with at least a header for every 32 writes.
    expect(row.bytesPerByte.median).toBeGreaterThan(1);
    expect(row.bytesPerByte.median).toBeLessThan(2.1);
  }
  expect(readdirSync(join(out, "charts")).toSorted()).toEqual([
    "added.svg",
    "cpu.svg",
    "ratio.svg",
  ]);
  expect(readdirSync(folder).filter((name) => name.startsWith("osdyno-bench-"))).toEqual([]);
});
