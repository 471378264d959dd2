/** Absurd and contradictory jobs, and the linter's notes. */
import { describe, expect, it } from "vitest";
import { jobKeys } from "../../workloads/job/key-lookup.ts";
import { notesOf, parseText, refusal, refusalOf } from "./job-support.ts";

describe("absurd jobs", () => {
  it.each([
    [["bs=0"], "t.fio:2: bs=0: must be at least 1"],
    [["bs=-4k"], "t.fio:2: bs=-4k: must be at least 1"],
    [["bs=2g"], "t.fio:2: bs=2g: must be at most"],
    [["numjobs=1000000000"], "t.fio:2: numjobs=1000000000: must be at most 4096"],
    [["numjobs=0"], "t.fio:2: numjobs=0: must be at least 1"],
    [["iodepth=0"], "t.fio:2: iodepth=0: must be at least 1"],
    [["iodepth=65537"], "t.fio:2: iodepth=65537: must be at most 65536"],
    [["rwmixread=101"], "t.fio:2: rwmixread=101: must be at most 100"],
    [["percentage_random=50,101"], "t.fio:2: percentage_random=50,101: must be at most 100"],
    [["size=150%"], "t.fio:2: size=150%: a percentage must be from 0 to 100"],
    [["iodepth=10%"], "t.fio:2: iodepth=10%: iodepth takes no percentage"],
    [["size=99999999999999999999"], "t.fio:2: size="],
    [["rw=READ"], "t.fio:2: rw=READ: must be one of read, write"],
    [["direct=yes"], "t.fio:2: direct=yes: is a switch"],
    [["time_based="], "t.fio:2: time_based needs a value"],
    [["time_based"], "t.fio:2: time_based without a runtime"],
    [["bs=8k", "size=4k"], "t.fio:3: size of 4096 bytes is smaller than one block of 8192"],
    [["rw=trim", "verify=crc32c"], "t.fio:3: verify with rw=trim"],
    [["rw=write", "verify=pattern"], "t.fio:3: verify=pattern needs verify_pattern="],
    [["bsrange=8k"], "t.fio:2: bsrange=8k: 8k is no range"],
    [["bsrange=0-4k"], "t.fio:2: bsrange=0-4k: "],
    [["cpus_allowed=4"], "t.fio:2: cpus_allowed=4: there is no CPU 4; the last one is 3"],
    [[`percentile_list=${"1:".repeat(20)}1`], "t.fio:2: percentile_list="],
    [["percentile_list=101"], "t.fio:2: percentile_list=101: 101 is no percentile"],
    [["size=1z"], "t.fio:2: size=1z: sizes in zones"],
    [["runtime=abc"], "t.fio:2: runtime=abc: is no time"],
    [["runtime=-1"], "t.fio:2: runtime=-1: is not between"],
    [["startdelay=1-x"], "t.fio:2: startdelay=1-x: is no time"],
    [["filename=:"], "t.fio:2: filename=:: names no file"],
    [["verify_pattern=0xzz"], "t.fio:2: verify_pattern=0xzz: "],
    [[`size=${"(".repeat(200)}1`], "t.fio:2: size="],
    [["size=(9^9^9^9)"], "t.fio:2: size="],
  ])("refuses %j", (lines, line) => {
    expect(refusalOf(...lines)).toContain(line);
  });

  it("counts the clones of all jobs together", () => {
    const text = "[a]\nnumjobs=4000\n[b]\nnumjobs=97\n";
    expect(refusal(() => parseText(text))).toBe(
      "t.fio:3: the jobs make more than 4096 clones together",
    );
  });
});

const shared = ["rw=write", "verify=crc32c", "numjobs=3", "filename=x"];

describe("notes", () => {
  it.each([
    [["bs=4kib"], "bs=4kib: fio reads 4000"],
    [["io_size=1.5g"], "fio reads 1: it stops at the point"],
    [["bs=4kx"], 'it looks only at the first letter of "kx"'],
    [["io_size=4foo"], 'it knows no unit "foo"'],
    [["io_size=0x1k"], "a hexadecimal number takes no unit"],
    [["io_size= 4k"], "a blank before the number hides its unit"],
    [["kb_base=1000", "io_size=4ki"], "write 4kib for powers of 1024"],
    [["runtime=10sec"], "fio reads 10 us: it knows no unit"],
    [["runtime=1min"], "write 1m"],
    [["runtime=1.5s"], "fio reads 1 s: it stops at the point"],
    [["runtime= 500ms"], "fio reads 500 s: a blank hides the unit"],
    [["rate_iops=10k"], "fio reads 10240 a second"],
    [["size=1g-2g"], "is one size; fio reads 2147483648"],
    [["bs=4k-8k"], "fio reads a list per direction"],
    [["bsrange=8k-4k"], "the range is reversed; fio swaps it to 4096-8192"],
    [["bsrange=4k-8k", "bs=4k"], "bs=4k: has no effect"],
    [["bssplit=4k/50:8k/20"], "leave 30 over"],
    [["bssplit=4k/60:8k/60"], "add up to 120, not 100; fio draws 60% 4096 bytes, 40% 8192 bytes"],
    [["rate_iops=0"], "0 is no limit"],
    [["bssplit=4k/50::8k/50"], "8k/50 is lost"],
    [["bssplit=4k/0:8k/50"], "0 percent as a share"],
    [["filename=a", "filename=b"], "fio adds to the files already named (a)"],
    [["filename=a", "nrfiles=4"], "nrfiles=4 has no effect"],
    [["direct=1x"], "fio reads it as on"],
    [["sync=sync:4"], "fio ignores what follows sync"],
    [["ramp_time=1"], "ramp_time without a runtime"],
    [["rw=write", "verify=crc32c", "time_based", "runtime=1"], "nothing is read back"],
    [["rw=write", "verify=crc32c", "numjobs=2", "filename=x"], "write to the same blocks"],
    [[...shared, "offset_increment=15m", "size=16m"], "3 clones write to the same blocks"],
    [[...shared, "offset_increment=20%", "size=25%"], "3 clones write to the same blocks"],
    [[...shared, "offset_increment=32m"], "3 clones write to the same blocks"],
    [[...shared, "offset_increment=50%", "size=16m"], "3 clones may write to the same blocks"],
    [["rw=randread", "blockalign=512"], "turns the random map off"],
    [["filename=${NOPE}x"], "the environment has no variable NOPE"],
    [["size=$mb_memory"], "$mb_memory is a plain number"],
  ])("%j: %s", (lines, message) => {
    expect(notesOf(...lines).join("\n")).toContain(message);
  });

  it.each([
    [["filename=x", "offset_increment=32m", "size=16m"]],
    [["filename=x", "offset_increment=16m", "size=16m"]],
    [["filename=x", "offset_increment=25%", "size=25%"]],
    [["filename=x:y", "offset_increment=8m", "size=16m"]],
    [["target=store:/tmp/s.img", "offset_increment=32m", "size=16m"]],
  ])("none of clones that keep apart: %j", (lines) => {
    expect(notesOf("rw=write", "verify=crc32c", "numjobs=3", ...lines)).toEqual([]);
  });

  it("has none for plain jobs", () => {
    const plain = [
      "bs=4k,64k",
      "size=10g",
      "io_size=1tb",
      "runtime=30s",
      "thinktime=10us",
      "ramp_time=500ms",
      "rate_iops=1000",
      "randseed=0xff",
      "filename=/dev/a:/dev/b",
      "time_based=1",
      "direct=1 ; a comment",
    ];
    expect(notesOf(...plain)).toEqual([]);
  });
});

describe("table of keys", () => {
  it("names each key once", () => {
    const names = jobKeys.flatMap((key) => [key.name, ...key.aliases]);
    expect(new Set(names).size).toBe(names.length);
  });
});
