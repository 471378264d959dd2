/** Jobs on files and devices that belong to an object store, as a user types them. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { holdFile, isHeld } from "../../engine/os/hold.ts";
import { type Done, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const job = ["--name=a", "--rw=write", "--bs=64k", "--size=1m", "--no-progress", "--no-report"];
const run = (target: string, ...more: readonly string[]): Done =>
  place.run(["run", ...job, "--target", target, "--out=r", ...more]);

const store = "store:c.img?size=96m&bluestore_kvbackend=waltree&bluestore_block_db_path=c.db";
const devices = ["c.img", "c.db"] as const;

test("a store that is open is never written to, one that is closed as its place says", () => {
  expect(run(store).code).toBe(0);
  for (const device of devices) {
    const hold = holdFile(place.path(device));
    const refused = [run(`raw:${device}`), run(`raw:${device}`, "--destroy")];
    const reading = run(`raw:${device}`, "--rw=read");
    hold.close();
    for (const { code, err } of refused) {
      expect(err).toMatch(
        /^osdyno: will not write to [^\n]*: it is in use by another osdyno[^\n]*--destroy does not override this\n$/,
      );
      expect(code).toBe(4);
    }
    expect(reading.code).toBe(0);
  }
  expect(place.run(["fsck", "c.img", "--deep"]).out).toContain("no errors");
  // A plain file in a scratch place may be written over; that a store is gone stands in the run.
  expect(run("raw:c.img").out).toMatch(/note: \S*c\.img held a device of an object store; /);
  expect(run("raw:c.img").out).not.toContain("held a device");
}, 60_000);

test("outside the scratch places a store is kept, and named for what it is", () => {
  const outside = mkdtempSync("/var/tmp/osdyno-test-");
  try {
    const path = join(outside, "s.img");
    expect(run(`store:${path}?size=64m&bluestore_kvbackend=waltree`).code).toBe(0);
    const { code, err } = run(`raw:${path}`);
    expect(err).toMatch(
      /an existing file that holds a device of an object store of osdyno outside/,
    );
    expect(code).toBe(4);
    expect(place.run(["fsck", path]).out).toContain("no errors");
    expect(run(`raw:${path}`, "--destroy").code).toBe(0);
  } finally {
    rmSync(outside, { recursive: true });
  }
}, 60_000);

test("one run does not write to a store and to its devices", () => {
  expect(run(store).code).toBe(0);
  const jobs = ["[a]", "target=store:c.img", "[b]", "target=raw:c.db"];
  place.write("j.fio", ["[global]", "rw=write", "size=1m", ...jobs, ""].join("\n"));
  const { code, err } = place.run(["run", "j.fio", "--no-progress", "--out=r", "--destroy"]);
  expect(err).toMatch(/c\.db: it is a device of store:\S*c\.img, which this run uses, too; /);
  expect(code).toBe(4);
}, 60_000);

test("devices of a store are different ones", () => {
  expect(run(store).code).toBe(0);
  for (const [role, other] of [
    ["wal", "db"],
    ["db", "main"],
  ]) {
    const path = other === "db" ? "c.db" : "c.img";
    const { code, err } = place.run([
      "fsck",
      "c.img",
      `--set=bluestore_block_${role}_path=${path}`,
    ]);
    expect(err).toMatch(
      new RegExp(
        `^osdyno: c\\.img: its ${role} device \\S*${path} is its ${other} device, too; [^\\n]*\\n$`,
      ),
    );
    expect(code).toBe(2);
  }
}, 60_000);

test("many may look at once whether a file is held", async () => {
  const path = place.path(place.write("f", "x"));
  expect(isHeld(path)).toBe(false);
  expect(isHeld(place.path("absent"))).toBe(false);
  const hold = holdFile(path);
  expect([isHeld(path), isHeld(path)]).toEqual([true, true]);
  hold.close();
  expect(isHeld(path)).toBe(false);
  const runs = Array.from({ length: 4 }, (_, at) =>
    place.start(["run", ...job, "--target=raw:f", `--out=many${at}`]),
  );
  const codes = (await Promise.all(runs.map(({ done }) => done))).map(({ code }) => code);
  expect(codes).toEqual([0, 0, 0, 0]);
}, 60_000);
