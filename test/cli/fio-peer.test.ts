/**
 * Jobs of the kinds that fio's examples show, run by fio and by osdyno: the same keys at every place of
 * the JSON, the same operations, bytes and errors in every job. Skipped where fio is not installed.
 */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Workplace } from "./command.ts";

const fio = spawnSync("fio", ["--version"], { encoding: "utf8" }).stdout?.trim();

let place: Workplace;
beforeAll(() => {
  place = new Workplace();
});
afterAll(() => place.remove());

type Json = null | string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

interface Direction {
  readonly total_ios: number;
  readonly io_bytes: number;
  readonly short_ios: number;
}

interface Job {
  readonly jobname: string;
  readonly groupid: number;
  readonly error: number;
  readonly read: Direction;
  readonly write: Direction;
  readonly trim: Direction;
  readonly sync: { readonly total_ios?: number };
  readonly "job options": Readonly<Record<string, string>>;
}

/** Places of a document, `osdyno`'s own left out; keys that are figures (a bucket, a depth) stay. */
function placesOf(value: Json, at = ""): string[] {
  if (value === null || typeof value !== "object") {
    return [at];
  }
  if (Array.isArray(value)) {
    return value.length === 0 ? [`${at}[]`] : value.flatMap((each) => placesOf(each, `${at}[]`));
  }
  return Object.entries(value).flatMap(([key, each]) =>
    key === "osdyno" ? [] : placesOf(each, `${at}.${key}`),
  );
}

function figuresOf(job: Job) {
  const of = ({ total_ios, io_bytes, short_ios }: Direction) => [total_ios, io_bytes, short_ios];
  return {
    name: job.jobname,
    group: job.groupid,
    error: job.error,
    read: of(job.read),
    write: of(job.write),
    trim: of(job.trim),
    syncs: job.sync.total_ios ?? 0,
    options: job["job options"],
  };
}

const direct = "[global]\nbs=4k\nsize=2m\ndirect=1\n";

/** What the job is about, and its text. */
const jobs: readonly (readonly [string, string])[] = [
  ["sequential reads of two jobs, libaio", `${direct}ioengine=libaio\niodepth=8\n[a]\n[b]\n`],
  ["backwards", "[a]\nfilename=f\nbs=4k\nsize=1m\nrw=read:-8k\n"],
  [
    "write and verify, crc32c",
    "[a]\nfilename=f\nbs=4k\nsize=1m\nrw=randwrite\nioengine=libaio\niodepth=8\nverify=crc32c\n",
  ],
  [
    "verify with a backlog, md5",
    "[a]\nfilename=f\nbs=16k\nsize=1m\nrw=write\nverify=md5\nverify_backlog=16\ndo_verify=1\n",
  ],
  [
    "a butterfly of offsets",
    "[a]\nfilename=f\nbs=4k\nsize=1m\nrw=read\nnumber_ios=100\noffset=256k\n",
  ],
  ["flushes", "[a]\nfilename=f\nbs=4k\nsize=256k\nrw=write\nfsync=8\nnumber_ios=30\n"],
  ["rates", "[a]\nfilename=f\nbs=4k\nsize=400k\nrw=read\nrate_iops=400\n"],
  ["the null engine", "[a]\nioengine=null\nbs=4k,8k\nsize=4m\nrw=write\n"],
  [
    "zones of one distribution",
    `${direct}rw=randread\nnumber_ios=300\nrandom_distribution=zoned:60/10:30/20:10/70\n[a]\n`,
  ],
  [
    "zipf",
    `${direct}rw=randread\nnorandommap\nnumber_ios=300\nrandom_distribution=zipf:1.2\n[a]\n`,
  ],
  [
    "strided zones",
    "[a]\nfilename=f\nbs=4k\nsize=4m\nrw=read\nzonemode=strided\nzonesize=64k\nzonerange=256k\nzoneskip=64k\nio_size=1m\n",
  ],
  [
    "phases on one file",
    "[global]\nfilename=f\nbs=4k\nsize=1m\n[seq-write]\nrw=write\n[seq-read]\nstonewall\nrw=read\n[rand-read]\nstonewall\nrw=randread\n",
  ],
  [
    "one waits for another",
    "[global]\nbs=4k\nsize=256k\n[a]\nrw=write\nnumjobs=2\n[b]\nwait_for=a\nrw=read\n",
  ],
  ["clones in one record", "[a]\nbs=8k\nsize=512k\nrw=randwrite\nnumjobs=4\ngroup_reporting\n"],
  [
    "several files, loops",
    "[a]\nbs=4k\nsize=512k\nnrfiles=4\nfile_service_type=sequential\nrw=read\nloops=3\n",
  ],
  [
    "dedupe and compressible data",
    "[a]\nfilename=f\nbs=4k\nsize=1m\nrw=write\ndedupe_percentage=40\nbuffer_compress_percentage=50\n",
  ],
  [
    "devices without an end",
    "[a]\nfilename=/dev/null\nbs=128k\nsize=16m\nrw=write\n[b]\nfilename=/dev/zero\nbs=4k\nsize=1m\nrw=randread\nnumjobs=2\n",
  ],
  [
    "batches",
    `${direct}rw=randread\nioengine=io_uring\niodepth=16\niodepth_batch_submit=8\niodepth_batch_complete_min=4\n[a]\n`,
  ],
  [
    "sizes per direction, percentages",
    "[a]\nfilename=f\nfilesize=2m\nsize=50%\nbs=8k\nrw=read\n[b]\nstonewall\nfilename=f\nrw=read\nbs=4k\noffset=25%\nsize=10%\n",
  ],
  [
    "an I/O engine per job",
    "[global]\nfilename=f\nbs=4k\nsize=512k\nrw=read\n[s]\nioengine=sync\n[p]\nstonewall\nioengine=pvsync\n[m]\nstonewall\nioengine=mmap\n",
  ],
];

describe.skipIf(fio === undefined)("fio and osdyno on the same job", () => {
  test.each(jobs)("%s", (name, text) => {
    const file = place.write("job.fio", text);
    const theirs = spawnSync("fio", ["--output-format=json", "--output=theirs.json", file], {
      cwd: place.root,
      encoding: "utf8",
    });
    expect(theirs.status, theirs.stderr).toBe(0);
    const done = place.run(["run", file, "--output-format=json", "--out=r", "--no-report"]);
    expect(done.code, done.err).toBe(0);
    const [base, own] = [place.read("theirs.json"), done.out].map(
      (document) => JSON.parse(document) as { readonly jobs: readonly Job[] } & Json,
    );
    if (base === undefined || own === undefined) {
      throw new Error(`${name}: no document`);
    }
    expect(own.jobs.map(figuresOf)).toEqual(base.jobs.map(figuresOf));
    const places = (document: Json) => [...new Set(placesOf(document))].sort();
    expect(places(own)).toEqual(places(base));
  });
});
