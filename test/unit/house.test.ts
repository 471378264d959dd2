import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { nearestName } from "../../engine/base/nearest-name.ts";
import { medianInterval, medianRanks } from "../../results/stats/order-statistics.ts";
import { offences } from "../layers.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "osdyno-lint-"));
cpSync(join(root, "biome.json"), join(folder, "biome.json"));
cpSync(join(root, "test/lint"), join(folder, "test/lint"), { recursive: true });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Lints one file in a copy of the house that holds nothing else. */
function lint(path: string, text: string): { status: number | null; output: string } {
  const biome = join(root, "node_modules/@biomejs/biome/bin/biome");
  mkdirSync(join(folder, dirname(path)), { recursive: true });
  writeFileSync(join(folder, path), text);
  const run = spawnSync(process.execPath, [biome, "lint", path], { cwd: folder, encoding: "utf8" });
  return { status: run.status, output: run.stdout + run.stderr };
}

test("a floor that imports a later floor is an offence, the other way round is not", () => {
  expect(offences("engine/base/a.ts", 'import { x } from "../port/clock.ts";')).toHaveLength(1);
  expect(offences("engine/port/a.ts", 'import { x } from "../base/error.ts";')).toHaveLength(0);
  expect(offences("engine/os/a.ts", 'import { x } from "../sim/clock.ts";')).toHaveLength(1);
  expect(offences("workloads/a.ts", 'export { x } from "../results/metrics.ts";')).toHaveLength(1);
  expect(offences("cli/a.ts", 'const m = await import("../test/layers.ts");')).toHaveLength(1);
  expect(offences("stray/a.ts", "")).toHaveLength(1);
});

test.each([
  ["Date.now()", "Clock port"],
  ["performance.now()", "Clock port"],
  ["setTimeout(() => {}, 1)", "Clock.at"],
  ["Math.random()", "Random port"],
  ["process.hrtime.bigint()", "Clock port"],
])("engine/ must not call %s", (call, replacement) => {
  const text = `export const x = ${call};\n`;
  const found = lint("engine/base/example.ts", text);
  expect(found.status).not.toBe(0);
  expect(found.output).toContain(replacement);
  expect(lint("engine/os/example.ts", text).status).toBe(0);
});

test("the nearest word is found, and none when all are far", () => {
  expect(nearestName("iodepht", ["iodepth", "rw", "bs"])).toBe("iodepth");
  expect(nearestName("zzzzzzzz", ["iodepth", "rw", "bs"])).toBeNull();
});

// The published table of ranks for the median at 95%: n -> (low, high).
test.each([
  [6, [1, 6]],
  [8, [1, 8]],
  [10, [2, 9]],
  [15, [4, 12]],
  [20, [6, 15]],
  [30, [10, 21]],
  [50, [18, 33]],
])("the interval of a median of %i values takes ranks %j", (n, ranks) => {
  expect(medianRanks(n as number, 0.95)).toEqual(ranks);
});

test("five values have no 95% interval of their median", () => {
  expect(medianRanks(5, 0.95)).toBeNull();
  expect(medianInterval([3, 1, 2, 5, 4])).toEqual({
    median: 3,
    low: null,
    high: null,
    coverage: null,
  });
});
