/** Two commands on one file: the second is refused, and nothing of the first's is touched. */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimFile, holdFile, isHeld } from "../../engine/os/hold.ts";
import { type Done, until, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const quiet = ["--no-progress", "--no-report"];
const job = ["--name=a", "--rw=write", "--bs=64k", "--size=1m", ...quiet];
let runs = 0;
const runOn = (target: string, ...more: readonly string[]): Done => {
  runs += 1;
  return place.run(["run", ...job, "--target", target, `--out=r${runs}`, ...more]);
};

const digest = (...names: readonly string[]) =>
  names.map((name) =>
    createHash("sha256")
      .update(readFileSync(place.path(name)))
      .digest("hex"),
  );

function refused({ code, err }: Done): void {
  expect(err).toMatch(/^osdyno: [^\n]*in use by another osdyno[^\n]*\n$/);
  expect(code).toBe(4);
}

const store = "store:c.img?bluestore_kvbackend=waltree&bluestore_block_db_path=c.db&size=96m";

test.each(["c.img", "c.db"])(
  "a store whose %s is in use is not made anew",
  (device) => {
    expect(runOn(store).code).toBe(0);
    const before = digest("c.img", "c.db");
    const anew = [`${store}&fresh=1`, store.replace("96m", "128m"), "store:d.img?size=64m"];
    const hold = holdFile(place.path(device));
    for (const target of anew.slice(0, 2)) {
      for (const more of [[], ["--destroy"], ["--destroy", "--dry-run"]]) {
        refused(runOn(target, ...more));
      }
    }
    // Another store that would have its db or wal device there.
    for (const role of ["db", "wal"]) {
      refused(runOn(anew[2] ?? "", `--set=bluestore_block_${role}_path=${device}`, "--destroy"));
      expect(place.exists("d.img")).toBe(false);
    }
    hold.close();
    expect(digest("c.img", "c.db")).toEqual(before);
    expect(place.run(["fsck", "c.img", "--deep"]).out).toContain("no errors");
  },
  120_000,
);

test("every command that changes a store is refused while a run has it", async () => {
  expect(runOn(store).code).toBe(0);
  const going = place.start([
    ...["run", "--name=a", "--rw=randwrite", "--bs=4k", "--size=1m", "--runtime=30"],
    ...["--time_based", "--target=store:c.img", "--out=long", ...quiet],
  ]);
  await until("the run has the store", () => isHeld(place.path("c.img")));
  for (const command of [
    ["fsck", "c.img", "--repair"],
    ["store", "expand", "c.img", "--size=200m"],
    ["store", "dump", "c.img", "--counters"],
    ["fingerprint", "c.img", "--destroy", "--out=f.yaml"],
  ]) {
    refused(place.run(command));
  }
  refused(runOn(`${store}&fresh=1`, "--destroy"));
  refused(runOn("raw:c.db", "--destroy"));
  expect(statSync(place.path("c.img")).size).toBe(96 << 20);
  going.child.kill("SIGINT");
  expect((await going.done).code).toBe(130);
  expect(place.run(["fsck", "c.img", "--deep"]).out).toContain("no errors");
}, 120_000);

test("runs that make one store at once: one does, and what it made stays", async () => {
  const target = "--target=store:new.img?size=64m&bluestore_kvbackend=waltree";
  const all = Array.from({ length: 3 }, (_, at) =>
    place.start(["run", ...job, "--rw=randwrite", target, `--out=at-once${at}`]),
  );
  const done = await Promise.all(all.map((each) => each.done));
  const codes = done.map(({ code }) => code);
  expect(codes).toContain(0);
  for (const { code, err } of done.filter((each) => each.code !== 0)) {
    expect(err).toMatch(
      /^osdyno: [^\n]*new\.img[^\n]*(in use by another osdyno|somebody else has)/m,
    );
    expect(code).toBe(4);
  }
  expect(place.run(["fsck", "new.img", "--deep"]).out).toContain("no errors");
}, 120_000);

test("a file that a job writes to is no place for a store, and one for another job", async () => {
  const going = place.start([
    ...["run", "--name=a", "--rw=randwrite", "--bs=4k", "--size=96m", "--runtime=30"],
    ...["--time_based", "--target=raw:f", "--out=long", ...quiet],
  ]);
  const path = place.path("f");
  await until("the job has the file", () => place.exists("f") && isHeld(path));
  for (const target of ["store:f", "store:f?fresh=1&size=64m"]) {
    refused(runOn(target, "--destroy"));
  }
  refused(runOn("pwl:f+raw:g", "--destroy"));
  expect(runOn("raw:f").code).toBe(0);
  expect(statSync(path).size).toBe(96 << 20);
  going.child.kill("SIGINT");
  expect((await going.done).code).toBe(130);
}, 120_000);

test("a write log is one run's, also against the tools that change it", async () => {
  const target = "--target=pwl:lg+raw:tgt";
  const going = place.start([
    ...["run", "--name=a", "--rw=randwrite", "--bs=4k", "--size=8m", "--runtime=30"],
    ...["--time_based", target, "--out=long", ...quiet],
  ]);
  await until("the run has the log", () => place.exists("lg") && isHeld(place.path("lg")));
  await until("the log is made", () => statSync(place.path("lg")).size > 0);
  const { size } = statSync(place.path("lg"));
  refused(runOn("pwl:lg+raw:tgt"));
  refused(runOn("pwl:lg+raw:tgt2", "--set=rbd_persistent_cache_size=2g", "--destroy"));
  refused(runOn("raw:lg", "--destroy"));
  refused(place.run(["writelog", "flush", "lg"]));
  refused(place.run(["writelog", "invalidate", "lg", "--destroy"]));
  expect(statSync(place.path("lg")).size).toBe(size);
  going.child.kill("SIGINT");
  expect((await going.done).code).toBe(130);
  expect(place.run(["writelog", "flush", "lg"]).code).toBe(0);
  expect(place.run(["writelog", "invalidate", "lg", "--destroy"]).code).toBe(0);
}, 120_000);

const sweepFile = `
name: two
question: Is one sweep alone on its store?
job: |
  [a]
  rw=write
  bs=64k
  size=1m
targets: [store:s.img?size=64m&bluestore_kvbackend=waltree]
matrix: {bs: [32k, 64k]}
repeat: 2
metrics: [iops]
`;

test("a sweep has its store to itself from its first run to its last", () => {
  place.write("two.yaml", sweepFile);
  const sweep = (out: string) => place.run(["sweep", "two.yaml", `--out=${out}`, "--no-progress"]);
  place.write("s.img", "");
  const hold = holdFile(place.path("s.img"));
  refused(sweep("x"));
  expect(place.exists("s.img")).toBe(true);
  hold.close();
  expect(sweep("y").code).toBe(0);
  expect(place.exists("s.img")).toBe(false);
}, 120_000);

test("what a command keeps is held by one of its parts at a time, and by nobody else", () => {
  const path = place.path(place.write("k", "x"));
  const claim = claimFile(path);
  const again = claimFile(path);
  expect(isHeld(path)).toBe(false);
  const part = holdFile(path);
  expect(isHeld(path)).toBe(true);
  expect(() => holdFile(path)).toThrow(/in use/);
  part.close();
  holdFile(path).close();
  again.close();
  refused(runOn("store:k?size=64m"));
  claim.close();
  expect(runOn("store:k?size=64m", "--destroy").code).toBe(0);
}, 60_000);
