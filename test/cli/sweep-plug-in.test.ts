/** Plug-ins that are given to a sweep, as a user types it. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { hasRocksdb } from "../conformance/native-store.ts";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
  const own = readFileSync(firstFit, "utf8").replaceAll('"./', `"${dirname(firstFit)}/`);
  place.write("mine.ts", own.replaceAll("first-fit", "mine"));
});
afterEach(() => place.remove());

const firstFit = fileURLToPath(new URL("../../engine/hot/allocator/first-fit.ts", import.meta.url));

/** As large as a store must be to have RocksDB. */
const large = "targets: ['store:${SCRATCH}/s.img?size=600m']";

function write(...lines: readonly string[]): void {
  const job = ["  [j]", "  rw=randwrite", "  bs=4k", "  size=8m", "  io_size=256k"];
  place.write("s.yaml", `${["name: s", "repeat: 1", "job: |", ...job, ...lines].join("\n")}\n`);
}

const sweep = (...more: readonly string[]) =>
  place.run(["sweep", "s.yaml", "--plugin=mine.ts", ...more]);
const joined = "lug-in mine takes part: it joined the axis bluestore_allocator as a value";

test("a plug-in joins the axis of its option, and all points have the key-value store that it needs", () => {
  write(large, "matrix: {bluestore_allocator: [hybrid], iodepth: [1, 4]}");
  const sameKv =
    "etadata of every point is in waltree, so that they differ in nothing else: at mine-1 rocksdb takes no space from allocator mine, which is in TypeScript";
  const planned = sweep("--dry-run");
  expect([planned.code, planned.err]).toEqual([0, ""]);
  expect(planned.out).toContain(`\nnote: p${joined}\n`);
  expect(planned.out.includes(`\nnote: m${sameKv}\n`)).toBe(hasRocksdb);
  expect(place.files()).toEqual(["mine.ts", "s.yaml"]);

  const { code, out, err } = sweep("--out=a");
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  const record = JSON.parse(place.read("a", "sweep.json")) as SweepRecord;
  expect(record.points.map(({ parameters }) => parameters["bluestore_allocator"])).toEqual(
    ["hybrid", "mine"].flatMap((name) => [name, name]),
  );
  const options = record.points.map(({ runs: [run = ""] }) => place.record("a", run).options);
  const all = options.map(({ bluestore_kvbackend: kv }) => [kv?.value, kv?.origin]);
  expect(new Set(all.map(String)).size).toBe(1);
  expect(all[0]?.[0]).toBe("waltree");
  const told = [`P${joined}`, ...(hasRocksdb ? [`M${sameKv}`] : [])];
  expect(record.notes?.length).toBe(told.length);
  for (const line of told) {
    expect(out).toContain(`\nNote: ${line}.`);
    expect(place.read("a", "report.html")).toContain(line);
  }
  const checked = place.run(["results", "verify", "a"]);
  expect({ code: checked.code, err: checked.err }).toEqual({ code: 0, err: "" });
  expect(sweep("--resume=a").code).toBe(0);
}, 60_000);

test.each([
  ["listed", "matrix: {bluestore_allocator: [hybrid, mine]}", ["hybrid", "mine"], 0],
  ["chosen for all", "set: {bluestore_allocator: mine}", ["point"], 0],
  ["named nowhere", "matrix: {iodepth: [1, 2]}", ["1", "2"], 1],
  ["beside an axis of another form", "matrix: {a: {x: {bluestore_allocator: avl}}}", ["x"], 1],
])("a plug-in that is %s is no new point", (_, line, points, notes) => {
  write("targets: ['store:${SCRATCH}/s.img?size=128m']", line);
  const { code, out, err } = sweep("--dry-run");
  expect([code, err]).toEqual([0, ""]);
  const names = [...out.matchAll(/^point (.*)$/gm)].map(([, name]) => name);
  expect(names).toEqual(points);
  const unused = /^note: no point uses plug-in mine \(allocator\): .*bluestore_allocator=mine/gm;
  expect([...out.matchAll(unused)].length).toBe(notes);
  expect(out).not.toContain("joined");
});

test.runIf(hasRocksdb)(
  "a key-value store that was chosen stays; one that cannot be is refused",
  () => {
    write(
      large,
      "matrix: {bluestore_allocator: [hybrid], bluestore_kvbackend: [rocksdb, waltree]}",
    );
    const refused = sweep("--out=a");
    expect(refused.err).toMatch(
      /^osdyno: s\.yaml: point mine-rocksdb: rocksdb takes no space from allocator mine, [^\n]*\n$/,
    );
    expect([refused.code, place.files()]).toEqual([2, ["mine.ts", "s.yaml"]]);
    write(
      large,
      "matrix: {bluestore_allocator: [hybrid], bluestore_kvbackend: [rocksdb, waltree]}",
      "exclude: [{bluestore_allocator: mine, bluestore_kvbackend: rocksdb}]",
    );
    const { code, out } = sweep("--dry-run");
    expect([code, out.match(/^point .*$/gm)]).toEqual([
      0,
      ["point hybrid-rocksdb", "point hybrid-waltree", "point mine-waltree"],
    ]);
    expect(out).not.toContain("metadata of every point");
  },
);
