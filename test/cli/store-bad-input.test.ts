/** Places that hold no store that can be opened: one line, and nothing is written. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { crc32c } from "../../engine/base/crc32c.ts";
import { holdFile } from "../../engine/os/hold.ts";
import { labelBytes, labelMagic } from "../../engine/store/bluestore/label.ts";
import { type Done, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const job = ["--name=a", "--rw=randwrite", "--bs=4k", "--size=8m", "--io_size=64k"];

/** Every command that opens a store. */
function commands(path: string): readonly (() => Done)[] {
  return [
    () => place.run(["run", "--no-progress", "--no-report", `--target=store:${path}`, ...job]),
    () => place.run(["fsck", path]),
    () => place.run(["store", "label", path]),
  ];
}

function makeStore(path: string): void {
  const target = `--target=store:${path}?size=64m&bluestore_kvbackend=waltree`;
  const made = place.run(["run", "--no-progress", "--no-report", target, ...job]);
  expect(made).toMatchObject({ code: 0 });
}

function oneLine({ code, err }: Done, codes: readonly number[], message: RegExp): void {
  expect(err).toMatch(message);
  expect(err.trimEnd().split("\n")).toHaveLength(1);
  expect(codes).toContain(code);
}

test("what is no store", () => {
  writeFileSync(place.path("a"), new Uint8Array(32 << 20));
  for (const command of commands("a")) {
    oneLine(command(), [2, 4], /a: .*(no object store|has no object store's label)/);
  }
  for (const command of commands("missing").slice(1)) {
    oneLine(command(), [2], /missing/);
  }
});

test("a store of another version is named with its version", () => {
  makeStore("a");
  const bytes = readFileSync(place.path("a"));
  bytes.writeUInt32LE(77, labelMagic.length);
  bytes.writeUInt32LE(crc32c(bytes, 0, labelBytes - 4), labelBytes - 4);
  writeFileSync(place.path("a"), bytes);
  for (const command of commands("a")) {
    oneLine(command(), [2], /a: the label has version 77; this version reads \d+ only/);
  }
  expect(readFileSync(place.path("a")).equals(bytes)).toBe(true);
}, 60_000);

test("a store of the wrong size, or in use", () => {
  makeStore("a");
  const bytes = readFileSync(place.path("a"));
  const held = holdFile(place.path("a"));
  for (const command of commands("a").slice(0, 2)) {
    oneLine(command(), [4], /a: (it )?is in use by another osdyno.*; ?end that first/);
  }
  held.close();
  writeFileSync(place.path("a"), bytes.subarray(0, 40 << 20));
  for (const command of commands("a").slice(0, 2)) {
    oneLine(command(), [2], /a: has 41943040 bytes, but its store was made for 67108864/);
  }
}, 60_000);

test("a store that cannot be written to is a bad target, whatever is to be done with it", (context) => {
  mkdirSync(place.path("read-only"));
  makeStore("read-only/a");
  const folder = place.path("read-only");
  const mounted =
    spawnSync("mount", ["--bind", folder, folder]).status === 0 &&
    spawnSync("mount", ["-o", "remount,bind,ro", folder]).status === 0;
  context.skip(!mounted, "only root may mount");
  try {
    const read = ["run", "--target=store:read-only/a", "--name=j", "--rw=read", "--size=1m"];
    const line = /read-only\/a cannot be written: it is on a read-only file system; /;
    oneLine(place.run([...read, "--no-progress", "--out=r"]), [2], line);
    oneLine(place.run([...read, "--dry-run"]), [2], line);
    oneLine(
      place.run(["fsck", "read-only/a", "--repair"]),
      [2],
      /a for writing: Read-only file system/,
    );
    expect(place.run(["fsck", "read-only/a"]).code).toBe(0);
    expect(place.exists("r")).toBe(false);
  } finally {
    spawnSync("umount", ["-l", folder]);
  }
}, 60_000);
