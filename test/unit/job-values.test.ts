/** What values mean to fio 3.33: every measured case. */
import { describe, expect, it } from "vitest";
import { jobOf, notesOf, parseText, refusalOf } from "./job-support.ts";

const second = 1e9;

describe("sizes", () => {
  it.each([
    ["4k", 4096],
    ["4K", 4096],
    ["4kb", 4096],
    ["4ki", 4096],
    ["4kx", 4096],
    ["4kib", 4000],
    ["4b", 4],
    ["4", 4],
    ["0x1000", 4096],
    ["0x1k", 1],
    ["1.5g", 1],
    [" 4k", 4],
    ["4 k", 4],
    ["1m", 2 ** 20],
    ["1mib", 1e6],
    ["1t", 2 ** 40],
    ["+8k", 8192],
    ["1e6", 1],
    ["512s", 512],
  ])("io_size=%s is %d bytes", (text, bytes) => {
    expect(jobOf(`io_size=${text}`).ioSize).toEqual({ kind: "bytes", bytes });
  });

  it.each([
    ["4k", 4000],
    ["4kib", 4096],
    ["4ki", 4000],
  ])("kb_base=1000: io_size=%s is %d bytes, wherever kb_base stands", (text, bytes) => {
    expect(jobOf(`io_size=${text}`, "kb_base=1000").ioSize).toEqual({ kind: "bytes", bytes });
  });

  it("keeps percentages for the planner", () => {
    const job = jobOf("size=10%", "io_size=50%", "offset=25%", "offset_increment=5%");
    expect(job.size).toEqual({ kind: "percent", percent: 10 });
    expect(job.ioSize).toEqual({ kind: "percent", percent: 50 });
    expect(job.offset).toEqual({ kind: "percent", percent: 25 });
    expect(job.offsetIncrement).toEqual({ kind: "percent", percent: 5 });
  });

  it("takes suffixes for counts", () => {
    expect(jobOf("iodepth=4k").iodepth).toBe(4096);
  });

  it("computes in parentheses, which a fio without that refuses", () => {
    expect(jobOf("size=(4k*(2+1)^2)").size).toEqual({ kind: "bytes", bytes: 36_864 });
    expect(notesOf("size=(4k*4)")[0]).toContain("parentheses");
  });

  it("takes the last of several sizes, the first of several counts", () => {
    expect(jobOf("size=1g-2g").size).toEqual({ kind: "bytes", bytes: 2 ** 31 });
    expect(jobOf("iodepth=4:8").iodepth).toBe(4);
  });
});

describe("times", () => {
  it.each([
    ["1", second],
    ["1s", second],
    ["1.5s", second],
    ["1M", 60 * second],
    ["1m", 60 * second],
    ["2h", 7200 * second],
    ["1d", 86_400 * second],
    ["1500ms", 1.5 * second],
    ["1500msec", 1.5 * second],
    ["10us", 10_000],
    ["10usec", 10_000],
    ["10sec", 10_000],
    ["1min", 1000],
    [" 5s", 5 * second],
    ["(2*5)", 10 * second],
    ["(500ms+500ms)", second],
  ])("runtime=%s is %d ns", (text, ns) => {
    expect(jobOf(`runtime=${text}`).runtimeNs).toBe(ns);
  });

  it("counts thinktime in microseconds", () => {
    expect(jobOf("thinktime=10").thinktimeNs).toBe(10_000);
    expect(jobOf("thinktime=10ms").thinktimeNs).toBe(1e7);
    expect(jobOf("thinktime=1.5ms").thinktimeNs).toBe(1000);
  });

  it("knows the other names of keys", () => {
    expect(jobOf("timeout=3").runtimeNs).toBe(3 * second);
    expect(jobOf("wait_for_previous").stonewall).toBe(true);
  });
});

describe("lists per direction", () => {
  it.each([
    ["8k", [8192, 8192, 8192]],
    ["8k,32k", [8192, 32_768, 32_768]],
    ["8k,32k,", [8192, 32_768, 4096]],
    [",8k", [4096, 8192, 8192]],
    [",8k,", [4096, 8192, 4096]],
    ["8k,,16k", [8192, 4096, 16_384]],
    ["4k-8k", [4096, 8192, 8192]],
  ])("bs=%s", (text, sizes) => {
    const rules = jobOf(`bs=${text}`).blockSizes;
    expect(rules).toEqual(sizes.map((bytes) => ({ kind: "fixed", bytes })));
  });

  it("reads ranges, swapped when reversed", () => {
    const [read, write] = jobOf("bsrange=16k-4k,1k:2k").blockSizes;
    expect(read).toEqual({ kind: "range", min: 4096, max: 16_384 });
    expect(write).toEqual({ kind: "range", min: 1024, max: 2048 });
  });

  it("lets bsrange win over bs in either order", () => {
    const rule = { kind: "range", min: 4096, max: 8192 };
    expect(jobOf("bsrange=4k-8k", "bs=64k").blockSizes[0]).toEqual(rule);
    expect(jobOf("bs=64k", "bsrange=4k-8k").blockSizes[0]).toEqual(rule);
  });
});

describe("bssplit", () => {
  const entriesOf = (text: string, direction = 0) => {
    const rule = jobOf(`bssplit=${text}`).blockSizes[direction];
    return rule?.kind === "split" ? rule.entries.map((e) => [e.bytes, e.percent]) : rule;
  };

  it("takes shares per direction", () => {
    expect(entriesOf("4k/60:64k/40")).toEqual([
      [65_536, 40],
      [4096, 60],
    ]);
    expect(entriesOf("4k/60:64k/40,8k/50:16k/50", 2)).toEqual([
      [8192, 50],
      [16_384, 50],
    ]);
    expect(entriesOf("4k/60:64k/40,8k", 1)).toEqual({ kind: "fixed", bytes: 8192 });
  });

  it("shares the rest among entries without a percentage, and those with 0", () => {
    expect(entriesOf("4k/50:8k:16k/0")).toEqual([
      [8192, 25],
      [16_384, 25],
      [4096, 50],
    ]);
  });

  it("gives what integer division leaves to the commonest size", () => {
    const entries = entriesOf("4k/:8k/:16k/");
    expect(entries).toEqual([
      [4096, 33],
      [8192, 33],
      [16_384, 34],
    ]);
  });

  it("draws nothing beyond 100 percent, as fio 3.33 does", () => {
    expect(entriesOf("4k/60:8k/60")).toEqual([
      [4096, 60],
      [8192, 40],
    ]);
    expect(entriesOf("4k/150:8k/60")).toEqual([
      [8192, 60],
      [4096, 40],
    ]);
    expect(entriesOf("4k/60:8k/60:16k/")).toEqual({ kind: "fixed", bytes: 16_384 });
  });

  it("refuses more than 100 percent only where shares of a rest are missing", () => {
    expect(refusalOf("bssplit=4k/60:8k/60:16k:32k")).toBe(
      "t.fio:2: bssplit=4k/60:8k/60:16k:32k: the percentages add up to 120, more than 100",
    );
  });
});

describe("counts", () => {
  it.each(["numjobs", "iodepth", "nrfiles", "loops"])("%s takes no exponent", (key) => {
    expect(refusalOf(`${key}=1e9`)).toBe(
      `t.fio:2: ${key}=1e9: fio knows no exponents and would read 1; write the number out`,
    );
  });
});

describe("distributions", () => {
  it.each([
    ["random", { kind: "random" }],
    ["zipf", { kind: "zipf", theta: 1.1, center: null }],
    ["zipf:1.2:0.5", { kind: "zipf", theta: 1.2, center: 0.5 }],
    ["pareto", { kind: "pareto", h: 0.2, center: null }],
    ["normal:20", { kind: "normal", deviation: 20, center: null }],
    [
      "zoned:60/10:40/90",
      {
        kind: "zoned",
        zones: [
          { access: 60, size: 10 },
          { access: 40, size: 90 },
        ],
      },
    ],
    ["zoned_abs:100/1g", { kind: "zonedAbs", zones: [{ access: 100, size: 2 ** 30 }] }],
  ])("random_distribution=%s", (text, rule) => {
    expect(jobOf(`random_distribution=${text}`).distribution[1]).toEqual(rule);
  });

  it("takes zones per direction", () => {
    const text = "zoned:100/50,zoned:50/50:50/50";
    const [read, write] = jobOf(`random_distribution=${text}`).distribution;
    expect(read).toMatchObject({ zones: [{ access: 100, size: 50 }] });
    expect(write).toMatchObject({ zones: [{ size: 50 }, { size: 50 }] });
  });

  it.each(["zipf:1", "zipf:-1", "zipf:abc", "zipf:1.2:2", "pareto:1", "normal:100", "zoned:50/50"])(
    "refuses random_distribution=%s",
    (text) => {
      expect(refusalOf(`random_distribution=${text}`)).toMatch(/^t\.fio:2: random_distribution=/);
    },
  );

  it("drops the random map for skew and for offsets between blocks", () => {
    expect(jobOf("rw=randread").randomMap).toBe(true);
    expect(jobOf("rw=randread", "norandommap").randomMap).toBe(false);
    expect(jobOf("rw=randread", "random_distribution=zipf").randomMap).toBe(false);
    expect(jobOf("rw=randread", "blockalign=512").randomMap).toBe(false);
  });
});

describe("other values", () => {
  it("reads directions with their postfix", () => {
    expect(jobOf("rw=readwrite").rw).toBe("rw");
    expect(jobOf("rw=randread:8")).toMatchObject({ rw: "randread", opsPerDraw: 8 });
    expect(jobOf("rw=read:8k").sequentialStepBytes).toBe(8192);
    expect(jobOf("readwrite=write:-4k").sequentialStepBytes).toBe(-4096);
  });

  it("splits file names at colons, not at escaped ones", () => {
    expect(jobOf("filename=/dev/a:/dev/b\\:c").filenames).toEqual(["/dev/a", "/dev/b:c"]);
  });

  it("reads CPUs, percentiles and patterns", () => {
    expect(jobOf("cpus_allowed=0,2-3").cpusAllowed).toEqual([0, 2, 3]);
    expect(jobOf("percentile_list=50:99.9").percentiles).toEqual([50, 99.9]);
    const verify = jobOf('verify_pattern=0xff0x1"ab"%o-2').verify;
    expect(verify).toMatchObject({ kind: "pattern", patternOffsets: [4] });
    expect(verify?.pattern).toEqual([
      0xff, 1, 0x61, 0x62, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff,
    ]);
    expect(jobOf("verify=meta", "verify_pattern=66").verify).toMatchObject({
      kind: "meta",
      pattern: [66],
    });
  });

  it("reads switches and words", () => {
    expect(jobOf("buffered=0").direct).toBe(true);
    expect(jobOf("norandommap=0").randomMap).toBe(true);
    expect(jobOf("sync=1").sync).toBe("sync");
    expect(jobOf("sync=dsync").sync).toBe("dsync");
    expect(jobOf("unified_rw_reporting=2").unifiedRwReporting).toBe("both");
    expect(jobOf("rwmixwrite=30").rwmixread).toBe(70);
  });

  it("derives what fio derives", () => {
    expect(jobOf("rw=write", "verify=crc32c").refillBuffers).toBe(true);
    expect(jobOf("rw=write", "verify=crc32c", "refill_buffers=0").refillBuffers).toBe(false);
    expect(jobOf("buffer_compress_percentage=100")).toMatchObject({
      zeroBuffers: true,
      bufferCompressPercent: 0,
    });
    expect(jobOf("randrepeat=0").randrepeat).toBe(false);
    expect(jobOf("randrepeat=0", "randseed=7")).toMatchObject({ randrepeat: true, randseed: 7 });
  });

  it("has fio's defaults", () => {
    expect(jobOf("rw=read")).toMatchObject({
      ioengine: "psync",
      iodepth: 1,
      numjobs: 1,
      randrepeat: true,
      randseed: 0x89,
      rwmixread: 50,
      clatPercentiles: true,
      slatPercentiles: false,
      size: null,
      runtimeNs: null,
      filenameFormat: "$jobname.$jobnum.$filenum",
    });
  });
});

describe("arrival", () => {
  it("makes a schedule of a rate, for the directions in use", () => {
    expect(jobOf("rate_iops=1000").arrival).toEqual([
      { kind: "constant", rate: 1000, byBytes: false },
      null,
      null,
    ]);
    const job = jobOf("rw=randrw", "rate=1m,2m", "rate_process=poisson");
    expect(job.arrival).toEqual([
      { kind: "poisson", rate: 2 ** 20, byBytes: true },
      { kind: "poisson", rate: 2 ** 21, byBytes: true },
      null,
    ]);
  });

  it("reads bursts and profiles", () => {
    expect(jobOf("rate_iops=100", "arrival=burst:100ms/1s").arrival[0]).toEqual({
      kind: "burst",
      rate: 100,
      onNs: 1e8,
      offNs: 1e9,
      poisson: false,
    });
    const files = { "rates.txt": "# a ramp\n0 0\n10s, 5k\nrepeat\n" };
    const parsed = parseText("[a]\nrw=randrw\nrwmixread=75\narrival=profile:rates.txt", files);
    expect(parsed.jobs[0]?.arrival[1]).toEqual({
      kind: "profile",
      points: [
        [0, 0],
        [1e10, 1280],
      ],
      poisson: false,
      repeat: true,
    });
  });

  it.each([
    ["arrival=closed", "rate_iops=1"],
    ["arrival=poisson", "rw=read"],
    ["arrival=burst:1s/1s", "rate=1m"],
    ["arrival=burst:0/1s", "rate_iops=1"],
    ["arrival=profile:none", "rw=read"],
    ["rate=1m", "rate_iops=1"],
  ])("refuses %s with %s", (...lines) => {
    expect(refusalOf(...lines)).toMatch(/^t\.fio:[23]: /);
  });
});
