/** `osdyno bench` and `list` of the hot paths that need the processor alone, with tiny settings. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { keptBench } from "../../results/bench/kept.ts";
import type { MicroBench } from "../../results/bench/micro.ts";
import { verifyBench } from "../../results/verify-bench.ts";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "osdyno-cli-micro-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function osdyno(...args: string[]) {
  const done = spawnSync(process.execPath, [main, ...args], { encoding: "utf8", cwd: folder });
  return { status: done.status, out: done.stdout, err: done.stderr };
}

/** Implementations that are measured; ISA-L's row is there only where it is installed. */
const measured = {
  checksum: ["crc32c", "crc32c_16", "crc32c_8", "xxhash32", "xxhash64"],
  compressor: ["snappy", "lz4", "zstd", "zlib"],
  cache: ["2q", "lru", "arc", "s3fifo", "sieve", "wtinylfu"],
  clientcache: ["no cache", "writearound", "writeback", "writethrough"],
} as const;

test.each(Object.entries(measured))("bench %s keeps a directory with charts", (hotPath, names) => {
  const out = join(folder, hotPath);
  const run = osdyno("bench", hotPath, "--rounds=1", "--runtime=1", "--out", out);
  expect(run).toMatchObject({ status: 0 });
  const bench = JSON.parse(readFileSync(join(out, `bench-${hotPath}.json`), "utf8")) as MicroBench;
  expect(bench).toMatchObject({ schema: "osdyno-bench-1", hotPath, rounds: 1, runtimeMs: 1 });
  const found = new Set(bench.rows.map(({ implementation }) => implementation));
  found.delete("isa-l crc32_iscsi");
  expect([...found]).toEqual(names);
  for (const row of bench.rows) {
    expect(row.nsPerOperation.median, JSON.stringify(row)).toBeGreaterThan(0);
    expect(run.out).toContain(row.implementation);
  }
  expect(run.out).toContain(`results ${bench.resultHash}`);
  const charts = readdirSync(join(out, "charts"));
  expect(charts).toContain("ns.svg");
  const page = readFileSync(join(out, "report.html"), "utf8");
  expect(page.match(/<svg /g)).toHaveLength(charts.length);
  expect(page).toContain("prefers-color-scheme:dark");
});

test("results show and verify a kept bench; what was changed is found", () => {
  const out = join(folder, "kept");
  const flags = ["--rounds=6", "--runtime=1", "--out", out];
  const run = osdyno("bench", "checksum/xxhash64", ...flags);
  expect(run).toMatchObject({ status: 0 });
  expect(osdyno("results", "show", out)).toEqual({ status: 0, out: run.out, err: "" });
  const file = join(out, "bench-checksum.json");
  const text = readFileSync(file, "utf8");
  expect(JSON.parse(osdyno("results", "show", out, "--json").out)).toEqual(JSON.parse(text));
  const good = osdyno("results", "verify", out);
  expect(good).toMatchObject({ status: 0, err: "" });
  expect(good.out).toMatch(/kept: agrees \(\d files, \d+ numbers\)\n$/);
  const said = (): string => {
    const bench = keptBench(out);
    return bench === null ? "no bench" : verifyBench(bench).disagreements.join("\n");
  };
  const wrong = (change: (bench: MicroBench) => object): string => {
    writeFileSync(file, `${JSON.stringify(change(JSON.parse(text) as MicroBench), null, 2)}\n`);
    return said();
  };
  const withFirst = (bench: MicroBench, own: object) => ({
    ...bench,
    rows: bench.rows.map((row, at) =>
      at === 0 ? { ...row, nsPerOperation: { ...row.nsPerOperation, ...own } } : row,
    ),
  });
  expect(wrong((bench) => withFirst(bench, { high: 1e6 }))).toMatch(
    /rows\.0\.nsPerOperation\.high: published '1000000', raw data give '.*table 1 is not what/s,
  );
  expect(wrong((bench) => withFirst(bench, { rounds: [1, 2, 3, 4, 5, 6] }))).toContain(
    "nsPerOperation.median: published",
  );
  expect(wrong((bench) => ({ ...bench, seed: 77 }))).toContain("it does not say what the document");
  writeFileSync(file, '{"schema": "osdyno-bench-1"}');
  const broken = osdyno("results", "verify", out);
  expect(broken.err).toMatch(
    /^osdyno: \S*bench-checksum\.json: is no whole bench of this version\n$/,
  );
  expect(broken.status).toBe(2);
  writeFileSync(file, text);
  expect(said()).toBe("");
  const page = join(out, "report.html");
  writeFileSync(page, readFileSync(page, "utf8").replace("<td>", "<td>9"));
  expect(said()).toMatch(/report\.html: the file was changed.*table 1 is not/s);
  expect(osdyno("results", "verify", out).status).toBe(1);
  // A folder with something else is no bench, and no bench is put beside it.
  writeFileSync(join(out, "mine.txt"), "");
  expect(osdyno("bench", "checksum/xxhash64", ...flags)).toMatchObject({ status: 2, out: "" });
});

test("the same seed does the same work; one implementation can be named", () => {
  const bench = (...args: string[]) => {
    const { out, status } = osdyno("bench", ...args, "--rounds=1", "--runtime=1", "--json");
    expect(status).toBe(0);
    return JSON.parse(out) as MicroBench;
  };
  const first = bench("cache/sieve");
  expect(new Set(first.rows.map((row) => row.implementation))).toEqual(new Set(["sieve"]));
  expect(bench("cache/sieve").resultHash).toBe(first.resultHash);
  expect(bench("cache/sieve", "--seed=2").resultHash).not.toBe(first.resultHash);
  // Every client cache shows its clients the same data.
  const caches = bench("clientcache");
  for (const { workload } of caches.rows) {
    const hashes = caches.rows.flatMap((row) => (row.workload === workload ? row.resultHash : []));
    expect(new Set(hashes).size, workload).toBe(1);
  }
  const scans = first.rows.find(({ workload }) => workload === "scan");
  expect(scans?.facts["hit_ratio"]).toBe(0);
  expect(existsSync(join(folder, "results/runs"))).toBe(true);
  expect(osdyno("bench", "cache/seive").err).toContain("did you mean sieve?");
});

test.each(Object.entries(measured))("list %s names its implementations", (hotPath, names) => {
  const { out, status } = osdyno("list", hotPath, "--json");
  expect(status).toBe(0);
  const rows = (JSON.parse(out) as Record<string, { name: string }[]>)[hotPath] ?? [];
  // Only what is sums or compresses can be none; the bench of caches has one of its own.
  const listed = hotPath.endsWith("cache")
    ? names.filter((name) => name !== "no cache")
    : ["none", ...names];
  expect(rows.map(({ name }) => name)).toEqual(listed);
});

const plugIns = {
  checksum: `({ valueBytes: 1,
    checksum: (bytes, chunk, values) => values.forEach((_, at) => {
      values[at] = bytes.subarray(at * chunk, (at + 1) * chunk).reduce((a, b) => (a + b) & 255, 0); }),
    verify(bytes, chunk, values) {
      const found = new Uint8Array(values.length);
      this.checksum(bytes, chunk, found);
      return found.findIndex((value, at) => value !== values[at]); } })`,
  compressor: `context.open("zlib", { compressor_zlib_level: 9 })`,
  cache: `context.open("arc", options)`,
};

test.each(Object.entries(plugIns))("a %s of the user's is checked", (hotPath, body) => {
  const text = (made: string) =>
    `export default { hotPath: "${hotPath}", name: "mine", describe: "of my own", create: (context, options) => ${made} };\n`;
  const good = join(folder, `${hotPath}-good.mjs`);
  writeFileSync(good, text(body));
  const passed = osdyno("bench", "--conform", good);
  expect(passed.out).toMatch(/mine conforms: \d+ passed, 0 failed/);
  expect(passed.status).toBe(0);
  const bad = join(folder, `${hotPath}-bad.mjs`);
  writeFileSync(bad, text("({})"));
  const failed = osdyno("bench", "--conform", bad);
  expect(failed.status).not.toBe(0);
  expect(failed.err).not.toContain("internal error");
});
