/** Traces from end to end: recorded, replayed, merged, refused, in bounded memory. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { launcher, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const base = ["run", "--name=t", "--no-report", "--no-progress"] as const;

function run(...args: readonly string[]) {
  return place.run([...base, ...args]);
}

function succeeds(...args: readonly string[]) {
  const done = run(...args);
  expect(done, done.err).toMatchObject({ code: 0 });
  return done;
}

/** What an iolog says was done, without times; its files' names before. */
function operations(name: string): string[] {
  return place
    .read(name)
    .split("\n")
    .map((line) => line.split(" "))
    .filter((words) => words.length === 5)
    .map((words) => words.slice(1).join(" "));
}

/** Operations and bytes of a run's only job. */
function counts(...names: readonly string[]) {
  const job = place.record(...names).jobs[0] as unknown as Record<
    "read" | "write" | "trim" | "sync",
    { readonly total_ios: number; readonly io_bytes: number }
  >;
  const { read, write, trim, sync } = job;
  return {
    ios: [read.total_ios, write.total_ios, trim.total_ios, sync.total_ios],
    bytes: [read.io_bytes, write.io_bytes, trim.io_bytes],
  };
}

interface Event {
  readonly action: number;
  readonly sector?: number;
  readonly bytes?: number;
  readonly minor?: number;
  readonly data?: string;
}

const queue = 1;
const issue = 7;
const read = 1 << 16;
const write = 1 << 17;
const flush = 1 << 18;
const notify = 1 << 26;
const discard = 1 << 29;

/** A blktrace stream by its published layout, one event each 10 us. */
function blktrace(events: readonly Event[], big: boolean): Buffer {
  return Buffer.concat(
    events.map(({ action, sector = 0, bytes = 0, minor = 0, data = "" }, index) => {
      const head = Buffer.alloc(48);
      const u32 = (value: number, at: number) =>
        big ? head.writeUInt32BE(value >>> 0, at) : head.writeUInt32LE(value >>> 0, at);
      const u64 = (value: number, at: number) =>
        big ? head.writeBigUInt64BE(BigInt(value), at) : head.writeBigUInt64LE(BigInt(value), at);
      u32(0x65617407, 0);
      u32(index, 4);
      u64(5e9 + index * 10_000, 8);
      u64(sector, 16);
      for (const [place, word] of [bytes, action, 77, (8 << 20) | minor, 0].entries()) {
        u32(word, 24 + 4 * place);
      }
      big ? head.writeUInt16BE(data.length, 46) : head.writeUInt16LE(data.length, 46);
      return Buffer.concat([head, Buffer.from(data)]);
    }),
  );
}

const events: readonly Event[] = [
  { action: notify, data: "a message" },
  { action: queue | read, sector: 8, bytes: 4096 },
  { action: queue | write, sector: 16, bytes: 512, minor: 16 },
  { action: issue | write, sector: 16, bytes: 1024, minor: 16, data: "12345678" },
  { action: queue | write | flush },
  { action: queue | write | discard, sector: 0, bytes: 65_536 },
];

describe("recording", () => {
  test("and replaying the record does the same operations", () => {
    place.write("f", Buffer.alloc(1 << 20, 1));
    const job = ["--filename=f", "--rw=randrw", "--bs=4k", "--size=1m", "--number_ios=200"];
    succeeds(...job, "--write_iolog=first", "--fsync=7", "--randseed=3", "--out=r1");
    const first = operations("first");
    expect(first.filter((line) => /read|write/.test(line))).toHaveLength(200);
    succeeds("--read_iolog=first", "--ioengine=io_uring", "--iodepth=4", "--out=r2");
    const record = place.record("r2").jobs[0];
    const of = (word: string) => first.filter((line) => line.includes(` ${word} `)).length;
    expect(counts("r2").ios).toEqual([of("read"), of("write"), 0, of("sync")]);
    expect(record?.osdyno.generator.loop).toBe("trace");
    expect(record?.osdyno.write?.wait_ns.N).toBe(of("write"));
  });

  test.skipIf(spawnSync("fio", ["--version"]).status !== 0)("is what fio records and reads", () => {
    place.write("f", Buffer.alloc(256 << 10, 1));
    const job = ["--filename=f", "--rw=write", "--bs=16k", "--size=256k", "--ioengine=psync"];
    const fio = (...args: readonly string[]) =>
      spawnSync("fio", ["--name=t", ...args], { cwd: place.root, encoding: "utf8" });
    expect(fio(...job, "--write_iolog=theirs").status).toBe(0);
    succeeds(...job, "--write_iolog=ours", "--out=r1");
    expect(operations("ours")).toEqual(operations("theirs"));
    expect(place.read("ours").split("\n")[0]).toBe(place.read("theirs").split("\n")[0]);
    const replayed = fio("--ioengine=psync", "--read_iolog=ours", "--output-format=json");
    expect(replayed.status, replayed.stderr).toBe(0);
    const document = JSON.parse(replayed.stdout.slice(replayed.stdout.indexOf("{")));
    expect(document.jobs[0].write.total_ios).toBe(16);
  });
});

describe("replaying", () => {
  test("blktrace in both byte orders, queued or issued, and merged into a file", () => {
    place.write("little", blktrace(events, false));
    place.write("big", blktrace(events, true));
    const target = ["--target=null:", "--iodepth=4", "--ioengine=io_uring"];
    for (const trace of ["little", "big"]) {
      succeeds(`--read_iolog=${trace}`, ...target, `--out=${trace}.r`);
      expect(counts(`${trace}.r`)).toEqual({ ios: [1, 1, 1, 1], bytes: [4096, 512, 65_536] });
    }
    succeeds("--read_iolog=big", "--replay_event=issue", ...target, "--out=issued");
    expect(counts("issued").bytes).toEqual([0, 1024, 0]);
    succeeds("--read_iolog=little:big", "--merge_blktrace_file=all", ...target, "--out=merged");
    expect(counts("merged").ios).toEqual([2, 2, 2, 2]);
    expect(statSync(place.path("all")).size).toBe(2 * 4 * 48);
    succeeds("--read_iolog=all", ...target, "--out=again");
    expect(counts("again")).toEqual(counts("merged"));
  });

  test("on the engine path, live, and looked at before", () => {
    const lines = Array.from({ length: 300 }, (_, at) => `${at * 1000} f read ${at * 512} 512`);
    place.write("log", `fio version 3 iolog\n0 f add\n${lines.join("\n")}\n`);
    const keys = ["--read_iolog=log", "--target=null:?service=10us", "--iodepth=2"];
    const dry = succeeds(...keys, "--ioengine=io_uring", "--dry-run");
    expect(dry.out).toMatch(/trace .*log \(iolog3; 300 reads, 0 writes, 0 trims, 0 flushes/);
    expect(dry.out).toMatch(/^safety: nothing is written$/m);
    const live = ["--live=live.json", "--interval=100"];
    succeeds(...keys, "--ioengine=io_uring", "--path=engine", ...live, "--out=r");
    expect(counts("r").ios).toEqual([300, 0, 0, 0]);
    const rows = place.read("live.json").trim().split("\n");
    expect(rows.length).toBeGreaterThan(1);
    for (const row of rows) {
      expect(() => JSON.parse(row)).not.toThrow();
    }
  });

  test("of a block trace without a place to go is refused in one line", () => {
    place.write("little", blktrace(events, false));
    const { code, err } = run("--read_iolog=little");
    expect(code).toBe(2);
    expect(err).toMatch(/^osdyno: [^\n]*names devices by number only \(8,0 8,16\)[^\n]*\n$/);
    expect(place.files()).toEqual(["little"]);
  });

  test("never writes where the trace was not meant to: exit 4, before anything runs", () => {
    place.write("letter", "what somebody needs".repeat(1000));
    place.write("log", "fio version 3 iolog\n1 letter write 0 4096\n2 fresh write 0 4096\n");
    const elsewhere = { OSDYNO_SCRATCH: place.path("scratch"), TMPDIR: place.path("scratch") };
    mkdirSync(place.path("scratch"));
    const before = place.files();
    const { code, out, err } = place.run([...base, "--read_iolog=log"], { env: elsewhere });
    expect({ code, out }).toEqual({ code: 4, out: "" });
    expect(err).toMatch(/^osdyno: will not write to [^\n]*letter: it is an existing file outside/);
    expect(place.files()).toEqual(before);
    expect(place.read("letter")).toMatch(/^what somebody needs/);
  });
});

/** An iolog of so many bytes or a little more, written piece by piece; its number of operations. */
function longTrace(path: string, bytes: number): number {
  const file = openSync(path, "w");
  let [count, size] = [0, writeSync(file, "fio version 3 iolog\n0 f add\n")];
  while (size < bytes) {
    const lines = Array.from({ length: 20_000 }, (_, index) => {
      const at = count + index;
      return `${at} f ${at % 3 === 0 ? "write" : "read"} ${((at * 7919) % 1e6) * 4096} 4096\n`;
    });
    count += lines.length;
    size += writeSync(file, lines.join(""));
  }
  closeSync(file);
  return count;
}

describe("memory", () => {
  const campaign = process.env["OSDYNO_CAMPAIGN"] !== undefined;

  // Paced, a trace is read ahead the furthest; as fast as it goes, every operation is sent.
  const modes = ["--replay_time_scale=1000", "--replay_no_stall=1"];

  test("does not grow with the trace", { timeout: campaign ? 3_600_000 : 60_000 }, () => {
    const mib = 1 << 20;
    const sizes = campaign ? [mib, 10_240 * mib] : [mib, 64 * mib];
    const resident = sizes.flatMap((bytes, index) => {
      const count = longTrace(place.path("log"), bytes);
      return modes.map((mode, way) => {
        const keys = ["--read_iolog=log", "--target=null:", "--ioengine=io_uring", "--iodepth=16"];
        const out = `r${index}${way}`;
        const done = spawnSync(
          process.execPath,
          [launcher, ...base, ...keys, mode, `--out=${out}`],
          {
            cwd: place.root,
            env: place.environment(),
            encoding: "utf8",
          },
        );
        expect(done.status, done.stderr).toBe(0);
        const record = place.record(out);
        const dropped = record.jobs[0]?.osdyno.generator.dropped_arrivals ?? 0;
        const sent = counts(out).ios.reduce((sum, ios) => sum + ios, 0);
        expect(sent + dropped).toBe(count);
        expect(mode.includes("no_stall") ? dropped : 0).toBe(0);
        process.stdout.write(
          `trace of ${(statSync(place.path("log")).size / mib).toFixed(0)} MiB, ${mode}: ` +
            `${sent} operations sent, ${dropped} dropped, resident ${(record.osdyno.rss_bytes / mib).toFixed(1)} MiB\n`,
        );
        return record.osdyno.rss_bytes;
      });
    });
    expect(Math.max(...resident)).toBeLessThan(200 * mib);
  });
});
