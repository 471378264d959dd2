/** What a sweep says of metrics that none of its runs had. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

test("a counter that no run has is named, with the nearest that is there", () => {
  const file = [
    "name: absent",
    "question: Which of these is there?",
    "job: |",
    "  [a]",
    "  rw=randwrite",
    "  bs=4k",
    "  size=1m",
    "  number_ios=20",
    "targets: ['store:s.img?size=64m&bluestore_kvbackend=waltree']",
    "matrix: {iodepth: [1, 2]}",
    "repeat: 1",
    "metrics: [iops, counter.bluestore.txc, counter.rocksdb.written_bytes, counter.volume.writes]",
    "",
  ];
  place.write("absent.yaml", file.join("\n"));
  const done = place.run(["sweep", "absent.yaml", "--out=s", "--no-progress", "--no-report"]);
  expect([done.code, done.err]).toEqual([0, expect.stringContaining("results:")]);
  const notes = [...done.out.matchAll(/Metric (\S+): no run has such a counter/g)];
  expect(notes.map(([, name]) => name)).toEqual(["counter.rocksdb.written_bytes"]);
  expect(done.out).toContain("the nearest is counter.waltree.written_bytes");
  expect(done.out).not.toContain("counter.volume.writes: no run");
  const record = JSON.parse(place.read("s", "sweep.json")) as { notes: readonly string[] };
  expect(record.notes.join("\n")).toContain(
    "metric counter.rocksdb.written_bytes: no run has such a counter; the nearest",
  );

  place.write("absent.yaml", file.join("\n").replace("rocksdb.written_bytes", "bdev.write_byte"));
  const refused = place.run(["sweep", "absent.yaml", "--out=t", "--no-progress"]);
  expect([refused.code, refused.err]).toEqual([
    2,
    expect.stringMatching(
      /no counter\.bdev\.write_byte: .*; did you mean counter\.bdev\.write_bytes\?/,
    ),
  ]);
  expect(place.exists("t")).toBe(false);
}, 60_000);
