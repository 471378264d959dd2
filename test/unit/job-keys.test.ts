/** Keys of submission, limits, verification, content, files, replay, logs and host: what they resolve to. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { foreignEngines, refusedKeys } from "../../workloads/job/foreign-keys.ts";
import { findKey, jobKeys } from "../../workloads/job/key-lookup.ts";
import { supportedKeys } from "../../workloads/job/keys.ts";
import type { ResolvedJob } from "../../workloads/job/model.ts";
import { refusalPage } from "../../workloads/job/refusal-page.ts";
import { onlyJob, parseText, refusal } from "./job-support.ts";

/** A job with keys that the runner may not act on yet. */
function jobWith(...lines: readonly string[]): ResolvedJob {
  return onlyJob(parseText(["[a]", ...lines].join("\n"), { "p.bin": "xy" }, {}));
}

function refusalWith(...lines: readonly string[]): string {
  return refusal(() => jobWith(...lines));
}

function notesWith(...lines: readonly string[]): string[] {
  const text = ["[a]", ...lines].join("\n");
  return parseText(text, {}, {}).notes.map((note) => note.message);
}

type Case = readonly [lines: readonly string[], expected: object];

const sending: readonly Case[] = [
  [
    ["iodepth=16"],
    { queue: { submitBatch: 1, completeMin: 1, completeMax: 1, low: 16, submitMode: "inline" } },
  ],
  [["iodepth=16", "iodepth_batch=0"], { queue: { submitBatch: 16 } }],
  [["iodepth=16", "iodepth_batch_submit=64"], { queue: { submitBatch: 16 } }],
  [["iodepth=16", "iodepth_low=32"], { queue: { low: 16 } }],
  [
    ["iodepth=16", "iodepth_batch_complete=4", "iodepth_batch_complete_max=2"],
    { queue: { completeMin: 4, completeMax: 4 } },
  ],
  [
    ["iodepth=16", "iodepth_batch_complete_min=0", "iodepth_batch_complete_max=8"],
    { queue: { completeMin: 0, completeMax: 8 } },
  ],
  [["serialize_overlap=1", "rw=read", "iodepth=8"], { queue: { serializeOverlap: false } }],
  [["serialize_overlap=1", "rw=write", "iodepth=8"], { queue: { serializeOverlap: true } }],
  [
    ["ioengine=io_uring", "sqthread_poll_cpu=1", "hipri", "fixedbufs=1"],
    { engineOptions: { sqThreadPoll: true, sqThreadCpu: 1, hipri: true, fixedBuffers: true } },
  ],
  [["ioengine=io_uring"], { engineOptions: { nonvectored: true, registerFiles: false } }],
  [
    ["ioengine=libaio", "cmdprio_percentage=10,20", "cmdprio=3"],
    {
      commandPriority: {
        shares: [
          { percent: 10, class: 1, level: 3 },
          { percent: 20, class: 1, level: 3 },
        ],
      },
    },
  ],
  [
    ["ioengine=libaio", "cmdprio_bssplit=64k/40:1M/10/2/0/1:1M/90/2/4,4k/0"],
    {
      commandPriority: {
        splits: [
          [
            { bytes: 65536, percent: 40, class: 0, level: 0 },
            { bytes: 1 << 20, percent: 10, class: 2, level: 0 },
            { bytes: 1 << 20, percent: 90, class: 2, level: 4 },
          ],
          [],
        ],
      },
    },
  ],
  [
    ["sync_file_range=wait_before,write:8"],
    {
      syncs: {
        fileRange: { every: 8, waitBefore: true, write: true, waitAfter: false },
      },
    },
  ],
];

const limits: readonly Case[] = [
  [["thinktime=100", "thinktime_spin=200"], { thinktimeNs: 1e5, thinktimeSpinNs: 1e5 }],
  [["thinktime=1ms", "thinktime_iotime=2"], { thinktimeIoNs: 2e9, thinktimeBlocks: 0 }],
  [
    ["thinktime=1ms", "thinktime_iotime=2s", "thinktime_blocks=3", "thinktime_blocks_type=issue"],
    { thinktimeIoNs: 2e9, thinktimeBlocks: 3, thinktimeCounts: "issue" },
  ],
  [
    ["rate=2m", "rate_min=1m,512k", "rate_cycle=250"],
    { rateFloor: { bytes: [1 << 20, 1 << 19, 1 << 19], iops: [0, 0, 0], cycleNs: 25e7 } },
  ],
  [
    ["latency_target=2ms", "latency_window=5s", "latency_percentile=99.9", "latency_run=1"],
    { latencyTarget: { targetNs: 2e6, windowNs: 5e9, percentile: 99.9, keepRunning: true } },
  ],
  [["latency_percentile=50"], { latencyTarget: null }],
  [["max_latency=10ms,20"], { ends: { maxLatencyNs: [1e7, 2e4, 2e4] } }],
  [["startdelay=2-5"], { startDelayNs: 2e9, startDelayMaxNs: 5e9 }],
  [["startdelay=500ms"], { startDelayNs: 5e8, startDelayMaxNs: 5e8 }],
  [
    ["ss=iops_slope:0.3%", "ss_dur=1800", "ss_ramp=5s"],
    {
      steadyState: {
        metric: "iops",
        slope: true,
        limit: 0.3,
        percent: true,
        durationNs: 1.8e12,
        rampNs: 5e9,
        intervalNs: 1e9,
      },
    },
  ],
  [["ss_dur=10"], { steadyState: { metric: "iops", slope: true, limit: 0.01, percent: true } }],
  [["steadystate=bw:4k", "ss_dur=1"], { steadyState: { slope: false, limit: 4096 } }],
  [["steadystate=lat:50us", "ss_dur=1"], { steadyState: { metric: "lat", limit: 5e4 } }],
  [["steadystate=iops:5%"], { steadyState: null }],
  [
    ["exitall", "exit_what=stonewall", "continue_on_error=io"],
    {
      ends: {
        exitAll: true,
        exitWhat: "stonewall",
        continueOn: { read: true, write: true, verify: false },
      },
    },
  ],
  [
    ["ignore_error=EIO:ENOSPC,5"],
    {
      ends: {
        ignore: { read: [5, 28], write: [5], verify: [] },
        continueOn: { read: true, write: true, verify: false },
      },
    },
  ],
  [["flow=8", "flow_id=2", "flow_sleep=10"], { flow: { id: 2, weight: 8, sleepNs: 1e4 } }],
  [["flow_id=2"], { flow: null }],
];

const content: readonly Case[] = [
  [["rw=write", "verify=sha3-256"], { verify: { kind: "sha3-256", intervalBytes: 4096 } }],
  [["rw=write", "verify=crc32c-intel"], { verify: { kind: "crc32c" } }],
  [["rw=write", "bs=64k", "verify=md5", "verify_interval=4k"], { verify: { intervalBytes: 4096 } }],
  [
    ["rw=write", "bs=12k", "verify=md5", "verify_interval=5k"],
    { verify: { intervalBytes: 12288 } },
  ],
  [["rw=write", "bsrange=4k-24k", "verify=md5"], { verify: { intervalBytes: 4096 } }],
  [
    ["rw=write", "verify=crc64", "verify_backlog=1024", "verify_async=2", "verify_async_cpus=0-1"],
    { verify: { backlog: 1024, backlogBatch: 1024, asyncThreads: 2, asyncCpus: [0, 1] } },
  ],
  [
    ["rw=write", "verify=crc16", "verify_backlog=8", "verify_backlog_batch=4", "verify_dump=1"],
    { verify: { backlog: 8, backlogBatch: 4, dump: true, saveState: true, loadState: false } },
  ],
  [["rw=write", "verify_pattern='p.bin'"], { verify: { kind: "pattern", pattern: [0x78, 0x79] } }],
  [
    ["trim_percentage=10", "trim_backlog=4"],
    { trims: { percent: 10, backlog: 4, backlogBatch: 4 } },
  ],
  [["trim_backlog=4"], { trims: null }],
  [
    ["rw=write", "buffer_pattern=0xdeadface", "zero_buffers"],
    {
      content: { pattern: [0xde, 0xad, 0xfa, 0xce], scramble: false },
      zeroBuffers: false,
      refillBuffers: false,
    },
  ],
  [["rw=rw", "buffer_pattern=7"], { content: { pattern: [7] }, refillBuffers: true }],
  [
    ["dedupe_percentage=40"],
    { content: { dedupePercent: 40, dedupeMode: "repeat" }, refillBuffers: true },
  ],
];

const files: readonly Case[] = [
  [["file_service_type=random:8"], { fileRules: { service: { kind: "random", opsPerFile: 8 } } }],
  [
    ["file_service_type=gauss:10"],
    { fileRules: { service: { kind: "normal", deviation: 10, center: null } } },
  ],
  [["nrfiles=4", "openfiles=9"], { fileRules: { openFiles: 4 } }],
  [["pre_read=1"], { fileRules: { preRead: true, invalidate: false } }],
  [["fallocate=0", "fadvise_hint=1"], { fileRules: { fallocate: "none", advise: "pattern" } }],
  [["zonesize=64k"], { zones: { sizeBytes: 65536, rangeBytes: 65536, skipBytes: 0 } }],
  [
    ["zonemode=strided", "zonesize=1m", "zonerange=4m", "zoneskip=2m"],
    { zones: { sizeBytes: 1 << 20, rangeBytes: 4 << 20, skipBytes: 2 << 20 } },
  ],
  [["rw=randread:4", "rw_sequencer=identical"], { order: { sequencer: "identical" } }],
  [["random_generator=lfsr"], { order: { generator: "lfsr" } }],
];

const reporting: readonly Case[] = [
  [
    ["write_bw_log", "write_lat_log=mine", "log_avg_msec=100", "log_max_value=1"],
    { logs: { bwPrefix: "a", latPrefix: "mine", averageNs: 1e8, windowValue: "max" } },
  ],
  [["write_iolog=t.log"], { logs: { iologPath: "t.log", iopsPrefix: null } }],
  [["write_iolog=t.log", "read_iolog=r.log"], { logs: { iologPath: null } }],
  [
    ["read_iolog=a\\:x:b", "replay_skip=trim,sync", "replay_time_scale=200", "replay_no_stall=1"],
    {
      replay: {
        paths: ["a:x", "b"],
        skip: { read: false, write: false, trim: true, sync: true },
        timeScalePercent: 200,
        noStall: true,
        merge: null,
      },
    },
  ],
  [
    ["read_iolog=a:b", "merge_blktrace_file=m", "merge_blktrace_scalars=50:100"],
    { replay: { merge: { path: "m", scalarsPercent: [50, 100], iterations: [1, 1] } } },
  ],
  [
    ["gtod_reduce=1"],
    { measures: { lat: false, clat: false, slat: false, bw: false }, clatPercentiles: false },
  ],
  [["disable_clat=1"], { measures: { clat: false, lat: true }, clatPercentiles: false }],
  [["unit_base=1", "bwavgtime=250"], { measures: { unitBase: 1, bwWindowNs: 25e7 } }],
];

const host: readonly Case[] = [
  [["cpumask=5"], { cpusAllowed: [0, 2] }],
  [["nice=-5", "prio=3"], { host: { nice: -5, ioPriority: { class: 2, level: 3 } } }],
  [["prioclass=3"], { host: { ioPriority: { class: 3, level: 0 } } }],
  [["nice=1"], { host: { ioPriority: null } }],
  [["numa_cpu_nodes=0,2-3"], { host: { cpuNodes: [0, 2, 3] } }],
  [
    ["numa_mem_policy=interleave:0-1"],
    { host: { memoryPolicy: { mode: "interleave", nodes: [0, 1] } } },
  ],
  [["mem=mmaphuge:/mnt/huge/f"], { host: { memory: { kind: "mmaphuge", file: "/mnt/huge/f" } } }],
  [["hugepage-size=1g", "lockmem=4m"], { host: { hugePageBytes: 2 ** 30, lockedBytes: 1 << 22 } }],
];

describe.each([
  ["sending", sending],
  ["limits", limits],
  ["content", content],
  ["files", files],
  ["reporting", reporting],
  ["host", host],
])("keys of %s", (_topic, cases) => {
  it.each(cases)("%j", (lines, expected) => {
    expect(jobWith(...lines)).toMatchObject(expected);
  });
});

describe("keys that are wrong", () => {
  it.each<readonly [readonly string[], string]>([
    [["rate_min=1m", "rate_iops_min=5"], "exclude each other"],
    [["rate=1k", "rate_min=1m"], "the least rate is above the rate itself"],
    [["zonemode=strided"], "needs zonesize"],
    [["zonemode=none", "zonesize=4k"], "needs zonemode=strided"],
    [["zonesize=8k", "zonerange=4k"], "smaller than zonesize"],
    [["steadystate=iops"], "needs a limit behind the colon"],
    [["steadystate_check_interval=10ms"], "at least 1 s"],
    [["ignore_error=ENOTHING"], "is no error"],
    [["numa_mem_policy=bind"], "bind needs nodes"],
    [["numa_mem_policy=local:0"], "local takes no nodes"],
    [["cpumask=0x10"], "there is no CPU 4"],
    [["replay_skip=flush"], "must be made of read, write, trim, sync"],
    [["read_iolog=a:b", "merge_blktrace_file=m", "merge_blktrace_iters=1"], "one number for each"],
    [["bs=512-4k", "bs_unaligned=1", "verify=md5"], "bs_unaligned with verify= is known to fio"],
    [["allow_mounted_write=1"], "never written to"],
    [["cmdprio_bssplit=4k/60:4k/60"], "more than 100"],
    [["dedupe_percentage=99", "dedupe_mode=working_set", "size=1m"], "at most 100"],
    [["dedupe_percentage=9", "dedupe_mode=working_set"], "needs size="],
    [["log_hist_coarseness=7"], "at most 6"],
    [["buffer_pattern='none'"], "does not exist or is empty"],
    [["file_service_type=zipf:1"], "theta of zipf"],
    [["wait_for=b"], "no job of that name stands before a"],
  ])("%j", (lines, message) => {
    expect(refusalWith(...lines)).toContain(message);
  });

  it("wait_for names an earlier job, and the place of the job that waits", () => {
    const text = "[a]\nwait_for=b\n[b]\n";
    const wrong = () => parseText(text, {}, {});
    expect(refusal(wrong)).toContain("t.fio:1: wait_for=b");
    const right = parseText("[b]\n[a]\nwait_for=b\n", {}, {});
    expect(right.jobs[1]?.ends.waitFor).toBe("b");
  });
});

describe("notes", () => {
  it.each<readonly [readonly string[], string]>([
    [["thread"], "thread has no effect: jobs always run in threads"],
    [["clocksource=cpu"], "clocksource has no effect: the clock is osdyno's own"],
    [["sqthread_poll=1"], "ioengine=psync has no such option (io_uring have)"],
    [["rate_cycle=10ms"], "fio reads 10485760"],
    [["threads=4"], "numjobs or thread was probably meant"],
    [["create_serialize=0"], "laid out one after the other"],
    [["merge_blktrace_file=m"], "merge_blktrace_file has no effect without read_iolog"],
    [["replay_time_scale=50"], "replay_time_scale has no effect without read_iolog"],
  ])("%j", (lines, note) => {
    expect(notesWith(...lines)).toEqual([expect.stringContaining(note)]);
  });
});

describe("where all jobs run", () => {
  const text = "[a]\nsize=1m\niodepth=8\nioengine=psync\n";
  const notes = (target: string | null) =>
    parseText(text, {}, {}, { target }).notes.map(({ message }) => message);

  it("decides whether the engine and its depth mean anything", () => {
    expect(notes(null)).toEqual([expect.stringContaining("iodepth=8 acts as 1")]);
    expect(notes("raw:/dev/x")).toEqual([expect.stringContaining("iodepth=8 acts as 1")]);
    expect(notes("null:")).toEqual(["ioengine=psync is not used: the job runs on null:"]);
  });
});

describe("refusals", () => {
  it("are no keys that are supported, and each stands once", () => {
    const names = refusedKeys.map((key) => key.name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) {
      expect(findKey(name), name).toBeNull();
      expect(refusal(() => parseText(`[a]\n${name}=1\n`))).toContain("not supported here: ");
    }
    const supported = jobKeys.filter((key) => key.supported);
    expect(supported.length).toBe(supportedKeys.length);
  });

  it("stand in the README as the table has them", () => {
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
    const page = /<!-- refusals -->\n([\s\S]*?)<!-- \/refusals -->/.exec(readme)?.[1];
    expect(page, "put what refusalPage() gives between the two marks").toBe(refusalPage());
    expect(foreignEngines.size).toBeGreaterThan(30);
  });
});
