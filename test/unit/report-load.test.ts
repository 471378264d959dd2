import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OsdynoError } from "../../engine/base/error.ts";
import { optionGroups } from "../../results/report/environment.ts";
import { loadReport } from "../../results/report/load.ts";
import type { ReportModel } from "../../results/report/model.ts";
import { tableOf } from "../../results/report/table.ts";
import { formatCount, formatNs } from "../../results/report/units.ts";
import type { RunRecord } from "../../results/run-record.ts";
import { readRun } from "../../results/run-schema.ts";
import { listRuns } from "../../results/store.ts";
import { writeFixtureRun, writeFixtureSweep } from "./report-fixture.ts";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "osdyno-report-"));
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

const reader = { name: "j", rw: "randread", ioengine: "io_uring", iodepth: 8, numjobs: 1 } as const;

function made(name: string, run: Parameters<typeof writeFixtureRun>[1]): string {
  const dir = join(root, name);
  writeFixtureRun(dir, run);
  return dir;
}

describe("options of the stack", () => {
  const set = (value: string) => ({ bluestore_csum_type: { value, origin: "--set" } });
  const untouched = { bluestore_cache_type: { value: "2q", origin: "default" } };

  it("are told when somebody set them and all runs have them", () => {
    expect(optionGroups([{ ...set("none"), ...untouched }, set("none")])).toEqual([
      {
        title: "options that were set",
        facts: [{ name: "bluestore_csum_type", value: "none (--set)" }],
      },
    ]);
  });

  it("are no group when a sweep varies them or all are defaults", () => {
    expect(optionGroups([set("none"), set("crc32c")])).toEqual([]);
    expect(optionGroups([untouched, undefined])).toEqual([]);
  });
});

describe("a run", () => {
  it("shows the figures of run.json and nothing else", () => {
    const dir = made("plain", { jobs: [reader] });
    const record: RunRecord = readRun(dir);
    const model = loadReport(dir);
    expect(model.kind).toBe("run");
    const [entry] = model.entries;
    const total = record.osdyno.totals.read;
    expect(entry?.metrics["iops"]?.value).toBe(total?.iops);
    expect(entry?.metrics["bw"]?.value).toBe(total?.bw_bytes);
    for (const p of ["50", "99", "99.9"]) {
      const own = total?.response_ns.percentile[Number(p).toFixed(6)];
      expect(entry?.metrics[`response.p${p}`]?.value).toBe(own);
    }
    expect(entry?.metrics["response.max"]?.value).toBe(total?.response_ns.max);
    expect(entry?.facet).toBe("4 KiB randread");
    expect(model.answer).toHaveLength(1);
    expect(model.answer[0]).toMatch(/^4 KiB randread with io_uring reached .* IOPS/);
  });

  it("draws the percentile plot from the histograms, up to the last solid percentile", () => {
    const model = loadReport(made("spectrum", { jobs: [{ ...reader, samples: 4000 }] }));
    const [entry] = model.entries;
    const points = entry?.spectrum.response ?? [];
    const at = (rest: number) => points.find(([x]) => x === rest)?.[1];
    expect(at(100)).toBe(entry?.metrics["response.p99"]?.value);
    expect(points.at(-1)?.[0]).toBeLessThanOrEqual(400);
    const values = points.map(([, ns]) => ns);
    expect(values).toEqual([...values].sort((a, b) => a - b));
  });

  it("joins clones without averaging percentiles", () => {
    const dir = made("clones", {
      jobs: [{ ...reader, ioengine: "psync", iodepth: 1, numjobs: 4 }],
    });
    const [entry, ...others] = loadReport(dir).entries;
    const total = readRun(dir).osdyno.totals.read;
    expect(others).toEqual([]);
    expect(entry?.depth).toBe(4);
    expect(entry?.samples).toBe(total?.service_ns.N);
    expect(entry?.metrics["response.p99"]?.value).toBe(total?.response_ns.percentile["99.000000"]);
  });

  it("takes the warm-up out of the percentile plot and marks it over time", () => {
    const dir = made("warm", { jobs: [{ ...reader, samples: 8000, rampMs: 2500 }] });
    const model = loadReport(dir);
    expect(model.timeLines[0]?.warmupStartMs).toBe(0);
    expect(model.timeLines[0]?.warmupEndMs).toBe(2500);
    // A quarter of the 8000 samples are warm-up: 6000 are left, so that 1/600 is the last step.
    const last = model.entries[0]?.spectrum.response.at(-1)?.[0] ?? 0;
    expect(last).toBeGreaterThan(500);
    expect(last).toBeLessThanOrEqual(600);
  });

  it("keeps directions apart and percentiles without 10 samples beyond them out", () => {
    const model = loadReport(
      made("mixed", { jobs: [{ ...reader, name: "mix", rw: "randrw", samples: 500 }] }),
    );
    expect(model.entries.map((entry) => entry.facet)).toEqual([
      "4 KiB randrw, reads",
      "4 KiB randrw, writes",
    ]);
    expect(model.entries[0]?.metrics["response.p90"]?.solid).toBe(true);
    expect(model.entries[0]?.metrics["response.p99"]?.solid).toBe(false);
    expect(model.caveats.map((caveat) => caveat.kind)).toContain("few-samples");
  });

  it("merges the sliver of a last interval with its neighbour", () => {
    const dir = made("stump", { jobs: [reader] });
    const before = loadReport(dir).timeLines[0]?.rows ?? [];
    const file = join(dir, "series.csv");
    appendFileSync(file, "10000.04,j,read,1600000,6553600000,1,1,1,1,1,0,,,,,\n");
    const after = loadReport(dir).timeLines[0]?.rows ?? [];
    expect(after).toHaveLength(before.length);
    expect(after.at(-1)?.ms).toBe(10_000.04);
    const ios = ((before.at(-1)?.iops ?? 0) * 250 + 1_600_000 * 0.04) / 250.04;
    expect(after.at(-1)?.iops).toBeCloseTo(ios, 6);
  });

  it("tells apart jobs that only their names tell apart", () => {
    const model = loadReport(
      made("twins", {
        jobs: [
          { ...reader, name: "a" },
          { ...reader, name: "b" },
        ],
      }),
    );
    expect(model.entries.map((entry) => entry.facet)).toEqual([
      "a (4 KiB randread)",
      "b (4 KiB randread)",
    ]);
  });

  it("tells a late generator and an open loop", () => {
    const model = loadReport(
      made("late", { jobs: [{ ...reader, rate: 1000, stall: true, late: true }] }),
    );
    const kinds = model.caveats.map((caveat) => caveat.kind);
    expect(kinds[0]).toBe("late");
    expect(kinds).not.toContain("closed-loop");
    expect(model.entries[0]?.openLoop).toBe(true);
    expect(model.entries[0]?.label).toContain("1k offered/s");
  });

  it("labels an open loop by the rate that was asked and its law", () => {
    const dir = made("arrivals", { jobs: [{ ...reader, iodepth: 64, rate: 1000 }] });
    const file = join(dir, "run.json");
    const before = readFileSync(file, "utf8");
    const loaded = (change: (job: Record<string, unknown>) => void) => {
      const record = JSON.parse(before);
      change(record.job.resolved[0]);
      writeFileSync(file, JSON.stringify(record));
      const [entry] = loadReport(dir).entries;
      return { load: entry?.load, offered: entry?.offered, label: entry?.label };
    };
    const arrival = (rule: Record<string, unknown>) => (job: Record<string, unknown>) => {
      job["arrival"] = [rule, null, null];
    };
    const bytes = (rule: Record<string, unknown>) => (job: Record<string, unknown>) => {
      job["arrival"] = [{ kind: "poisson", rate: 12e6, byBytes: true }, null, null];
      job["blockSizes"] = [rule, rule, rule];
    };
    expect(loaded(() => {})).toMatchObject({ load: "1k offered/s, constant", offered: 1000 });
    const poisson = { kind: "poisson", rate: 1500, byBytes: false };
    expect(loaded(arrival(poisson))).toMatchObject({ load: "1.50k offered/s, Poisson" });
    const bursts = { kind: "burst", rate: 500, onNs: 1e9, offNs: 1e9, poisson: true };
    expect(loaded(arrival(bursts)).load).toBe("500 offered/s, bursts, Poisson");
    const profile = { kind: "profile", points: [[0, 10]], poisson: false, repeat: false };
    expect(loaded(arrival(profile))).toMatchObject({
      ...{ load: "a profile of rates, constant", offered: null },
      label: expect.stringContaining("a profile of rates, constant"),
    });
    // Rates in bytes are operations of the mean size.
    expect(loaded(bytes({ kind: "fixed", bytes: 4000 })).offered).toBe(3000);
    expect(loaded(bytes({ kind: "range", min: 2000, max: 6000 })).offered).toBe(3000);
    const entries = [
      { bytes: 1000, percent: 75 },
      { bytes: 13_000, percent: 25 },
    ];
    expect(loaded(bytes({ kind: "split", entries })).offered).toBe(3000);
    const trace = (noStall: boolean) => (job: Record<string, unknown>) => {
      job["replay"] = { noStall };
      job["arrival"] = [null, null, null];
    };
    expect(loaded(trace(false)).load).toBe("as recorded");
    expect(loaded(trace(true)).load).toBeUndefined();
  });

  it("adds up what jobs of a point offer, and tells what of it waits", () => {
    const of = (other: { rate?: number }) => {
      const dir = join(root, `pair-${other.rate ?? "closed"}`);
      writeFixtureRun(join(dir, "points", "p", "1"), {
        jobs: [
          { ...reader, iodepth: 64, rate: 500 },
          { ...reader, name: "k", iodepth: 64, ...other },
        ],
      });
      const points = [{ id: "p", parameters: { x: "1" }, runs: ["points/p/1"] }];
      const sweep = { schema: "osdyno-sweep-1", name: "pair", parameters: { x: ["1"] } };
      const rest = { repeat: 1, preview: false, metrics: ["iops"], comparisons: [], points };
      writeFileSync(join(dir, "sweep.json"), JSON.stringify({ ...sweep, ...rest }));
      return loadReport(dir).entries[0];
    };
    expect(of({ rate: 2000 })).toMatchObject({ load: "2.50k offered/s, constant", offered: 2500 });
    expect(of({})).toMatchObject({
      ...{ load: "500 offered/s, constant, 64 outstanding", offered: null },
    });
  });

  it("says that a run is partial, with the reason first", () => {
    const model = loadReport(made("cut", { state: "partial", jobs: [reader] }));
    expect(model.state).toBe("partial");
    expect(model.caveats[0]?.kind).toBe("partial");
    expect(model.caveats[0]?.text).toContain("stopped by SIGINT");
  });

  it("tells the device, the settings and the command that repeats it", () => {
    const dir = made("facts", { jobs: [reader] });
    const file = join(dir, "run.json");
    const record = JSON.parse(readFileSync(file, "utf8"));
    record["global options"] = { bs: "4k", rw: "write" };
    record.job.resolved[0].given = { rw: "randread" };
    record.command = ["osdyno", "run", "a.fio", "--out", "there", "--bs=4k"];
    record.environment.devices = [
      { path: "/dev/vda", size_bytes: 2 ** 30, device: { scheduler: "none", write_cache: true } },
    ];
    record.target = "null:?service=50us&odd=1";
    writeFileSync(file, JSON.stringify(record));
    const model = loadReport(dir);
    expect(model.repeatCommand).toBe("osdyno run a.fio --bs=4k --seed=7");
    const value = (groups: ReportModel["devices"], name: string) =>
      groups.flatMap((group) => group.facts).find((fact) => fact.name === name)?.value;
    expect(value(model.devices, "I/O scheduler")).toBe("none");
    expect(value(model.devices, "Volatile write cache")).toBe("on");
    expect(value(model.devices, "Size")).toBe("1 GiB");
    expect(value(model.devices, "Time per operation")).toBe("50us");
    expect(value(model.devices, "odd")).toBe("1");
    expect(value(model.settings, "rw")).toBe("randread");
    expect(value(model.settings, "bs")).toBe("4k");
    expect(value(model.settings, "iodepth")).toBe("8");
  });

  it("does without histograms and series, and says so", () => {
    const dir = made("bare", { jobs: [reader] });
    rmSync(join(dir, "hist"), { recursive: true });
    rmSync(join(dir, "series.csv"));
    const model = loadReport(dir);
    expect(model.entries[0]?.spectrum.response).toEqual([]);
    expect(model.timeLines).toEqual([]);
    expect(model.caveats[0]?.text).toContain("hist/, series.csv");
    expect(model.entries[0]?.metrics["response.p99"]?.solid).toBe(true);
  });
});

it("a repeat directory gives medians of its runs", () => {
  for (const n of [1, 2, 3]) {
    made(`repeat/${n}`, { seed: n, jobs: [{ ...reader, samples: 3000 }] });
  }
  const model = loadReport(join(root, "repeat"));
  expect(model.kind).toBe("repeat");
  const [entry] = model.entries;
  const values = [...(entry?.metrics["iops"]?.values ?? [])].sort((a, b) => a - b);
  expect(values).toHaveLength(3);
  expect(entry?.metrics["iops"]?.value).toBe(values[1]);
  expect(entry?.metrics["iops"]?.low).toBe(values[0]);
  expect(model.timeLines.map((line) => line.repeat)).toEqual([1, 2, 3]);
});

describe("a sweep", () => {
  let model: ReportModel;
  let dir = "";
  beforeAll(() => {
    dir = join(root, "sweep");
    writeFixtureSweep(dir, { preview: true, repeat: 1, depths: [1, 4], samples: 1500 });
    model = loadReport(dir);
  });

  it("arranges points by workload, engine and depth", () => {
    expect(new Set(model.entries.map((entry) => entry.facet))).toEqual(
      new Set(["read", "write", "durable"]),
    );
    expect(model.entries.at(-1)?.facetDetail).toBe("4 KiB randwrite, O_DSYNC");
    expect(new Set(model.entries.map((entry) => entry.series))).toEqual(
      new Set(["psync", "io_uring"]),
    );
    expect(model.entries.map((entry) => entry.depth)).toEqual(Array(6).fill([1, 4]).flat());
  });

  it("says how far the rate grows with the depth and gives no verdict in a preview", () => {
    expect(model.answer[0]).toMatch(
      /^Preview, no verdict: from 1 to 4 operations outstanding, IOPS/,
    );
    const reads = model.entries.filter((entry) => entry.facet === "read");
    const iops = reads.map((entry) => entry.metrics["iops"]?.value ?? 0);
    const best = reads[iops.indexOf(Math.max(...iops))];
    expect(model.answer[0]).toContain(
      `to ${formatCount(best?.metrics["iops"]?.value ?? 0)} for read`,
    );
    expect(model.answer[1]).toContain(formatNs(best?.metrics["response.p99"]?.value ?? 0));
  });

  it("names the best of the first metric where no depth was varied", () => {
    const flat = join(root, "flat");
    writeFixtureSweep(flat, { preview: true, repeat: 1, depths: [4], samples: 1500 });
    const answers = loadReport(flat).answer;
    expect(answers[0]).toMatch(/^Preview, no verdict: .*highest IOPS/);
    expect(answers[0]).not.toContain("grow");
  });

  it("puts verdicts of comparisons first when there are some", () => {
    const copy = join(root, "decided");
    mkdirSync(copy);
    const record = JSON.parse(readFileSync(join(dir, "sweep.json"), "utf8"));
    const comparison = {
      metric: "iops",
      base: "read-psync-4",
      candidate: "read-io_uring-4",
      ratio: 1.08,
      low: 1.05,
      high: 1.11,
      p: 0.001,
      verdict: "better",
      reason: "the interval is above 1",
      runs_needed: null,
    };
    const points = record.points.map((point: { runs: string[] }) => ({
      ...point,
      runs: point.runs.map((run) => join("..", "sweep", run)),
    }));
    const decided = { ...record, points, preview: false, comparisons: [comparison] };
    writeFileSync(join(copy, "sweep.json"), JSON.stringify(decided));
    expect(loadReport(copy).answer[0]).toBe(
      "IOPS: io_uring, 4 outstanding is better than psync, 4 outstanding, 8.0% higher (medians 44.2k against 41.1k, interval +5.0% to +11.0%).",
    );
  });

  it("marks the row of a run that ended early, and only that", () => {
    const copy = join(root, "cut-sweep");
    writeFixtureSweep(copy, { preview: true, repeat: 1, depths: [4], samples: 500 });
    const file = join(copy, "points", "read-psync-4", "1", "run.json");
    writeFileSync(file, readFileSync(file, "utf8").replace('"complete"', '"partial"'));
    const labels = tableOf(loadReport(copy)).groups.flatMap(({ rows }) => rows.map((r) => r.label));
    expect(labels.filter((label) => label.endsWith(" (partial run)"))).toHaveLength(1);
    const [entry] = listRuns(root).filter(({ name }) => name === "cut-sweep");
    expect(entry).toMatchObject({ runs: 5, planned: 6 });
  });

  it("reports what is there when runs are absent", () => {
    rmSync(join(dir, "points", "read-psync-1"), { recursive: true });
    const rest = loadReport(dir);
    expect(rest.entries).toHaveLength(model.entries.length - 1);
    expect(rest.caveats.find((caveat) => caveat.kind === "missing-files")?.text).toContain(
      "points/read-psync-1/1/run.json",
    );
  });
});

describe("directories that hold no results", () => {
  const failure = (dir: string): OsdynoError => {
    try {
      loadReport(dir);
    } catch (error) {
      if (error instanceof OsdynoError) {
        return error;
      }
    }
    throw new Error("nothing was refused");
  };

  it("are refused in one line", () => {
    mkdirSync(join(root, "empty"));
    for (const dir of [join(root, "empty"), join(root, "absent")]) {
      const error = failure(dir);
      expect(error.code).toBe("bad-input");
      expect(error.line).toContain(dir);
      expect(error.line).not.toContain("\n");
    }
  });

  it("are refused when the record is damaged", () => {
    for (const [name, text] of [
      ["cut.json", "{"],
      ["null", "null"],
      ["list", "[]"],
      ["other", '{"jobs": 1}'],
    ] as const) {
      const dir = join(root, `damaged-${name}`);
      mkdirSync(dir);
      writeFileSync(join(dir, "run.json"), text);
      expect(failure(dir).code).toBe("bad-input");
      rmSync(join(dir, "run.json"));
      writeFileSync(join(dir, "sweep.json"), text);
      expect(failure(dir).code).toBe("bad-input");
    }
  });
});
