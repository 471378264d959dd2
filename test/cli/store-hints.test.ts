/** What clients say of their objects, and the options that go by it. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Done, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

let runs = 0;
function write(settings: readonly string[], ...keys: readonly string[]) {
  runs += 1;
  const out = `r${runs}`;
  const target = `--target=store:s${runs}.img?size=64m&bluestore_kvbackend=waltree`;
  const done: Done = place.run([
    ...["run", "--name=a", "--rw=write", "--bs=256k", "--size=2m", "--no-progress", "--no-report"],
    ...["--buffer_compress_percentage=70", target, `--out=${out}`, ...keys],
    ...settings.map((setting) => `--set=${setting}`),
  ]);
  expect([done.code, done.err]).toEqual([0, expect.stringContaining("results:")]);
  const counters = place.record(out).jobs[0]?.osdyno.counters ?? {};
  return {
    blobs: counters["bluestore.compress_success_count"],
    notes: `${done.out}${done.err}`,
    fsck: place.run(["fsck", `s${runs}.img`, "--deep"]).out,
  };
}

const mode = (name: string) => `bluestore_compression_mode=${name}`;
const hint = (name: string) => `rbd_compression_hint=${name}`;

test("passive and aggressive go by what is said of the data", () => {
  const blobs = (name: string, said: string) => write([mode(name), hint(said)]).blobs;
  expect(["none", "compressible"].map((said) => blobs("passive", said))).toEqual([0, 32]);
  expect(["none", "incompressible"].map((said) => blobs("aggressive", said))).toEqual([32, 0]);
  const { notes } = write([mode("passive")]);
  expect(notes).toMatch(/note: bluestore_compression_mode=passive compresses nothing [^\n]*hint/);
}, 120_000);

test("objects that are read in order and never changed have the largest blobs, and sums of large chunks", () => {
  const largest = "bluestore_compression_max_blob_size=16k";
  const hints = "alloc_hints=sequential_read,immutable";
  const read = write([mode("force"), largest, hints]);
  expect(read.blobs).toBe(128);
  expect(read.fsck).toContain("no errors");
  const other = write([mode("force"), largest]);
  expect(other.blobs).toBe(32);
  expect(other.notes).toMatch(/bluestore_compression_max_blob_size=16384 has no effect/);
  const plain = write([hints, "bluestore_max_blob_size=256k"]);
  expect(plain.fsck).toContain("no errors");
  const dump = place.run(["store", "list", `s${runs}.img`, "--json"]);
  expect(dump.code).toBe(0);
}, 120_000);

test("hints of object jobs count, too, and last when an object is put again", () => {
  const keys = ["--io_unit=object", "--object_mix=put:100", "--number_ios=16"];
  const { blobs, fsck } = write([mode("passive"), hint("compressible")], ...keys);
  expect(blobs).toBeGreaterThan(0);
  expect(fsck).toContain("no errors");
}, 60_000);

test("a hint that is none is refused, with the nearest that is", () => {
  const run = (setting: string) =>
    place.run(["run", "--name=a", "--size=1m", "--target=store:x?size=64m", `--set=${setting}`]);
  expect(run("alloc_hints=sequentialread").err).toMatch(/did you mean sequential_read\?\n$/);
  const both = place.run([
    ...["run", "--name=a", "--size=1m", "--target=store:x?size=64m"],
    ...["--set=alloc_hints=compressible", "--set=rbd_compression_hint=incompressible"],
  ]);
  expect([both.code, both.err]).toEqual([2, expect.stringContaining("compressible or they are")]);
  expect(place.exists("x")).toBe(false);
}, 60_000);
