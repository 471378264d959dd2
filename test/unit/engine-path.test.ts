import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fault, FaultDevice } from "../../engine/device/fault.ts";
import { TraceDevice } from "../../engine/device/trace.ts";
import { openBlockDevice } from "../../engine/hot/ioengine/registry.ts";
import { RealClock } from "../../engine/os/clock.ts";
import { type BlockDevice, opKinds } from "../../engine/port/block-device.ts";
import { startEnginePath } from "../../workloads/runner/engine-path.ts";
import { startEngineRun } from "../../workloads/runner/engine-run.ts";
import {
  job,
  regionBytes,
  runEngine,
  runNative,
  runOver,
  specOf,
  type TestJob,
  verifying,
} from "./engine-path-fixture.ts";

const clock = new RealClock();
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "osdyno-engine-path-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string): { path: string } {
  const path = join(folder, name);
  writeFileSync(path, new Uint8Array(regionBytes));
  return { path };
}

function memory(depth = 16): BlockDevice {
  const sizes = { slotBytes: 16_384, sizeBytes: regionBytes, blockBytes: 1 };
  return openBlockDevice("memory", { depth, ...sizes });
}

const writes = { mix: [0, 100, 0] };
const split = {
  kind: "split",
  entries: [
    { bytes: 4096, percent: 60 },
    { bytes: 8192, percent: 30 },
    { bytes: 16_384, percent: 10 },
  ],
};

/** What is sent, in order. */
async function sent(test: TestJob, device: BlockDevice): Promise<string[]> {
  const trace = new TraceDevice(device, clock);
  await runOver([test], [[trace]]);
  device.close();
  const submits = [...trace.events()].filter((event) => event.phase === "submit");
  return submits.map((event) => `${event.kind} ${event.offsetBytes} ${event.lengthBytes}`);
}

describe("the same seed", () => {
  const mixed = { mix: [50, 50, 0], blockSizes: [split, split, split], loops: 3 };

  it("sends the same operations whatever the engine and the depth", async () => {
    const one = await sent(job({}, mixed), memory());
    expect(one.length).toBeGreaterThan(300);
    expect(new Set(one.map((line) => line.split(" ")[0]))).toEqual(new Set(["read", "write"]));
    expect(await sent(job({ iodepth: 8 }, mixed), memory())).toEqual(one);
    const options = { write: true, depth: 8, slotBytes: 16_384, ...file("trace") };
    expect(await sent(job({ iodepth: 8 }, mixed), openBlockDevice("io_uring", options))).toEqual(
      one,
    );
    expect(await sent(job({}, { ...mixed, seed: 43 }), memory())).not.toEqual(one);
  });

  it("leaves the same file behind as on the native path: addresses, sizes, order and data", async () => {
    const change = { ...mixed, data: { ...job().stream.data, refill: true, verify: verifying } };
    const psync = { engine: { kind: "psync" } };
    const [a, b] = [file("by-engine"), file("by-native")];
    const byEngine = await runEngine([job({ ...psync, files: [a] }, change)]);
    const byNative = await runNative([job({ ...psync, files: [b] }, change)]);
    expect(readFileSync(a.path).equals(readFileSync(b.path))).toBe(true);
    expect(readFileSync(a.path).some((byte) => byte !== 0)).toBe(true);
    const [engineJob, nativeJob] = [byEngine.outcome.jobs[0], byNative.outcome.jobs[0]];
    expect(engineJob?.error).toBeNull();
    expect(engineJob?.read?.ios).toBe(nativeJob?.read?.ios);
    expect(engineJob?.write?.bytes).toBe(nativeJob?.write?.bytes);
    expect(engineJob?.verify).toEqual(nativeJob?.verify);
    expect(engineJob?.verify?.checkedBytes).toBeGreaterThan(0);
    expect(engineJob?.verify?.mismatchCount).toBe(0);
  });
});

/** The names of all fields, nested; the length of lists does not count. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.length === 0 || typeof value[0] !== "object" ? "list" : [shape(value[0])];
  }
  if (value === null || typeof value !== "object") {
    return "value";
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]));
}

describe("results", () => {
  it("have the shape of the native path's", async () => {
    const both = [
      job(
        { rampNs: 60e6, runtimeNs: 200e6 },
        { mix: [50, 50, 0], timeBased: true, endFsync: true },
      ),
    ];
    const byEngine = await runEngine(both);
    const byNative = await runNative(both);
    expect(shape(byEngine.outcome)).toEqual(shape(byNative.outcome));
    expect(shape(byEngine.rows[0])).toEqual(shape(byNative.rows[0]));
    expect(shape(byEngine.last.jobs)).toEqual(shape(byNative.last.jobs));
    expect(byEngine.last).toMatchObject({ finished: true, jobs: [{ state: "done", progress: 1 }] });
  });

  it("add up: intervals to totals, without the warm-up", async () => {
    const { outcome, rows } = await runEngine([
      job({ rampNs: 60e6, runtimeNs: 200e6 }, { timeBased: true }),
    ]);
    const [measured] = outcome.jobs;
    const counted = rows.filter((row) => !row.warmup);
    expect(rows.some((row) => row.warmup)).toBe(true);
    expect(counted.length).toBeGreaterThan(1);
    expect(counted.reduce((sum, row) => sum + row.ios, 0)).toBe(measured?.read?.ios);
    expect(measured?.read?.ios).toBe(measured?.read?.service.count);
    expect(measured?.iodepthLevels[0]).toBe(1);
  });
});

describe("jobs on one thread", () => {
  it("each drive their own device, from their own start to their own end", async () => {
    const names = ["a", "b", "c"];
    const jobs = names.map((name, index) =>
      job({ name, startDelayNs: index * 20e6 }, { seed: index, loops: 2 }),
    );
    const { outcome } = await runOver(
      jobs,
      jobs.map(() => [memory()]),
    );
    expect(outcome.jobs.map(({ name }) => name)).toEqual(names);
    for (const [index, each] of outcome.jobs.entries()) {
      expect(each.read?.bytes).toBe(2 * regionBytes);
      expect(each.startNs).toBe(index * 20e6);
      expect(each.endNs).toBeGreaterThan(each.startNs);
    }
  });

  it("work on several files over one arena", async () => {
    const files = [file("one"), file("two")];
    const half = { offset: 0, size: regionBytes / 2 };
    const change = { ...writes, regions: [half, half], ioBytes: regionBytes };
    for (const kind of ["psync", "io_uring"]) {
      const test = job({ engine: { kind }, files, iodepth: 4 }, { ...change, randomMap: true });
      const { outcome } = await runEngine([test]);
      expect(outcome.jobs[0]?.error).toBeNull();
      expect(outcome.jobs[0]?.write?.bytes).toBe(regionBytes);
      for (const { path } of files) {
        const content = readFileSync(path);
        for (let at = 0; at < regionBytes / 2; at += 4096) {
          expect(content.subarray(at, at + 4096).some((byte) => byte !== 0)).toBe(true);
        }
        writeFileSync(path, new Uint8Array(regionBytes));
      }
    }
  });

  it("send on schedule", async () => {
    const arrival = { kind: "constant", rate: 2000, byBytes: false };
    const { outcome } = await runEngine([
      job(
        { runtimeNs: 500e6, iodepth: 8 },
        { arrival: [arrival, arrival, arrival], timeBased: true },
      ),
    ]);
    const [measured] = outcome.jobs;
    expect(measured?.read?.ios).toBeGreaterThan(950);
    expect(measured?.read?.ios).toBeLessThanOrEqual(1001);
    expect(measured?.read?.wait.count).toBe(measured?.read?.ios);
    expect(measured?.generator.busyShare).toBeLessThan(1);
  });

  it("end when they are asked to", async () => {
    const endless = job({ runtimeNs: 3600e9 }, { timeBased: true });
    const delayed = job({ name: "later", startDelayNs: 3600e9 });
    const run = startEngineRun(specOf([endless, delayed]));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(run.poll().finished).toBe(false);
    expect(() => run.result()).toThrow(/not ended/);
    run.stop();
    run.stop();
    await run.done;
    expect(run.poll().finished).toBe(true);
    expect(run.result().jobs.map((each) => each.stopped)).toEqual([true, true]);
    expect(run.result().jobs[0]?.read?.ios).toBeGreaterThan(0);
  });
});

describe("what goes wrong", () => {
  const withFault = async (test: TestJob, fault: Fault) => {
    const faulty = new FaultDevice(memory(), [fault], clock);
    const { outcome, last } = await runOver([test], [[faulty]]);
    return { measured: outcome.jobs[0], state: last.jobs[0]?.state };
  };

  it("at the device ends the job with the operation and the reason", async () => {
    const fault = { effect: "error", errno: 5, nth: 100 } as const;
    const { measured, state } = await withFault(job({ iodepth: 4 }), fault);
    expect(state).toBe("failed");
    expect(measured?.error?.errno).toBe(5);
    expect(measured?.error?.message).toMatch(
      /^read of 4096 bytes at \d+ of the target: .*\(EIO\)$/,
    );
    expect(measured?.read?.ios).toBeGreaterThanOrEqual(99);
    expect(measured?.read?.errors).toBe(1);
  });

  // Each block once: nothing written later hides the damage.
  const onceEach = { ...writes, randomMap: true };
  const data = { ...job().stream.data, verify: verifying };
  const damages: readonly Fault[] = [
    { effect: "lost", kinds: [opKinds.write], nth: 50 },
    { effect: "misdirected", offsetBytes: 65_536, kinds: [opKinds.write], nth: 50 },
    { effect: "torn", bytes: 2048, kinds: [opKinds.write], nth: 50 },
    { effect: "flip", byte: 1000, mask: 4, kinds: [opKinds.read], nth: 50 },
  ];
  it.each(damages)("to data is found and located: $effect", async (fault) => {
    const { measured } = await withFault(job({ iodepth: 4 }, { ...onceEach, data }), fault);
    expect(measured?.verify?.mismatchCount).toBeGreaterThan(0);
    expect(measured?.verify?.mismatches[0]?.offsetBytes).toBeGreaterThanOrEqual(0);
  });

  it("to data ends the job when verification is fatal", async () => {
    const fatal = { ...data, verify: { ...verifying, fatal: true } };
    const fault = { effect: "lost", kinds: [opKinds.write], nth: 3 } as const;
    const { measured, state } = await withFault(job({}, { ...onceEach, data: fatal }), fault);
    expect(state).toBe("failed");
    expect(measured?.error?.message).toMatch(/^verification of 4096 bytes at \d+ of the target/);
  });

  it("in the device's own code ends its job and no other", async () => {
    const good = memory();
    const bad = Object.create(memory(), {
      completions: { value: good.completions },
      facts: { value: good.facts },
      arena: { value: good.arena },
      poll: { value: () => 0 },
      submit: { value: () => true },
      onReady: { value: () => undefined },
      commit: {
        value: () => {
          throw new Error("the device caught fire");
        },
      },
    }) as BlockDevice;
    const { outcome } = await runOver([job(), job()], [[bad], [memory()]]);
    expect(outcome.jobs[0]?.error?.message).toBe("the device caught fire");
    expect(outcome.jobs[1]?.error).toBeNull();
    expect(outcome.jobs[1]?.read?.bytes).toBe(regionBytes);
  });

  it("before the start is said in one line, and closes what was open", () => {
    const before = readdirSync("/proc/self/fd").length;
    const path = join(folder, "missing");
    const engine = { kind: "psync" };
    const good = job({ engine, files: [file("there")] });
    const absent = job({ name: "absent", engine, files: [{ path }] });
    expect(() => startEngineRun(specOf([good, absent]))).toThrow(/^job absent: .*missing.*No such/);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
    const small = openBlockDevice("memory", { depth: 1, slotBytes: 4096, sizeBytes: 8192 });
    expect(() => startEnginePath(specOf([job()]), [[small]])).toThrow(/slots of 4096 bytes/);
    small.close();
  });

  it("leaves no descriptor open, nor does what goes right", async () => {
    const engine = { kind: "io_uring" };
    const test = job({ engine, files: [file("descriptors")], iodepth: 4 });
    await runEngine([test]);
    const before = readdirSync("/proc/self/fd").length;
    for (let round = 0; round < 5; round += 1) {
      await runEngine([test]);
    }
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});
