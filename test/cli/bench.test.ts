/** `osdyno bench` as a user types it, with tiny settings: what it measures is another matter. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { blockEngines } from "../../engine/hot/ioengine/registry.ts";
import type { IoEngineBench } from "../../results/bench/ioengine.ts";

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
});

test("measures one engine by name, and refuses what it does not know", () => {
  const one = osdyno("ioengine/psync", "--rounds=1", "--runtime=40", "--size=1", "--json");
  expect(one).toMatchObject({ status: 0 });
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
  expect(readdirSync(folder)).toEqual(["out"]);
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
    ["empty.mjs", "", 'not "ioengine"'],
    ["other.mjs", 'export default { hotPath: "allocator" };', 'not "ioengine"'],
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
