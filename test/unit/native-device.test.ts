import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OsdynoError } from "../../engine/base/error.ts";
import { NativeBlockDevice } from "../../engine/hot/ioengine/native-device.ts";
import {
  blockEngines,
  type OpenOptions,
  openBlockDevice,
  registerBlockEngine,
} from "../../engine/hot/ioengine/registry.ts";
import {
  type BlockDevice,
  type BlockOp,
  errnos,
  flagFua,
  type OpKind,
  opKinds,
} from "../../engine/port/block-device.ts";

const blockBytes = 4096;
const sizeBytes = 1 << 20;
let folder = "";
let path = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "osdyno-device-"));
  path = join(folder, "file");
  writeFileSync(path, new Uint8Array(sizeBytes));
});
afterAll(() => rmSync(folder, { recursive: true }));

function options(more: Partial<OpenOptions> = {}): OpenOptions {
  return { path, write: true, depth: 8, slotBytes: blockBytes, sizeBytes, ...more };
}

function op(kind: OpKind, offsetBytes: number, slot = 0, tag = slot): BlockOp {
  return { kind, flags: 0, offsetBytes, lengthBytes: blockBytes, slot, tag };
}

function arrival(device: BlockDevice): Promise<void> {
  return new Promise((resolve) => device.onReady(resolve));
}

/** Sends the operations as one batch; the results by tag. */
async function run(device: BlockDevice, ...ops: BlockOp[]): Promise<Map<number, number>> {
  for (const each of ops) {
    expect(device.submit(each)).toBe(true);
  }
  expect(device.commit()).toBe(ops.length);
  const results = new Map<number, number>();
  while (results.size < ops.length) {
    await arrival(device);
    const count = device.poll(ops.length);
    const { tag, result, submittedNs, completedNs } = device.completions;
    for (let at = 0; at < count; at += 1) {
      results.set(tag[at] as number, result[at] as number);
      expect(completedNs[at]).toBeGreaterThanOrEqual(submittedNs[at] as number);
    }
  }
  return results;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const openDescriptors = () => readdirSync("/proc/self/fd").length;

describe.each(["io_uring", "psync", "memory", "null"])("%s", (name) => {
  it("answers a batch with tags, results and times", async () => {
    const device = openBlockDevice(name, options());
    expect(device.facts.sizeBytes).toBe(sizeBytes);
    device.arena.bytes.fill(0x5a, 0, blockBytes);
    device.arena.bytes.fill(0xa5, blockBytes, 2 * blockBytes);
    const writes = await run(device, op(opKinds.write, 0, 0), op(opKinds.write, 8192, 1));
    expect([...writes].sort()).toEqual([
      [0, blockBytes],
      [1, blockBytes],
    ]);
    const flush = { ...op(opKinds.flush, 0, 0, 7), lengthBytes: 0 };
    const dataFlush = { ...op(opKinds.dataFlush, 0, 0, 8), lengthBytes: 0 };
    const fua = { ...op(opKinds.write, 4096, 1, 9), flags: flagFua };
    const durable = await run(device, flush, dataFlush, fua);
    expect([durable.get(7), durable.get(8), durable.get(9)]).toEqual([0, 0, blockBytes]);
    await run(device, op(opKinds.read, 0, 2), op(opKinds.read, 4096, 3), op(opKinds.read, 8192, 4));
    if (device.supports.data) {
      const firstBytes = [2, 3, 4].map((slot) => device.arena.bytes[slot * blockBytes]);
      expect(firstBytes).toEqual([0x5a, 0xa5, 0xa5]);
    }
    device.close();
  });

  it("refuses what is out of range, unaligned or unknown, and still does the rest", async () => {
    const device = openBlockDevice(name, options());
    const results = await run(
      device,
      op(opKinds.read, sizeBytes, 0, 1),
      op(opKinds.read, sizeBytes - blockBytes, 0, 2),
      op(opKinds.read, 1, 1, 3),
      { ...op(opKinds.read, 0, 1, 4), lengthBytes: 2 * blockBytes },
      op(opKinds.read, 0, 8, 5),
      op(9 as OpKind, 0, 1, 6),
      { ...op(opKinds.read, 0, 1, 7), lengthBytes: 0 },
      op(opKinds.read, 2 ** 52, 1, 8),
    );
    expect(results.get(2)).toBe(blockBytes);
    for (const tag of [1, 3, 4, 5, 6, 7, 8]) {
      expect(results.get(tag), `tag ${tag}`).toBe(-errnos.EINVAL);
    }
    device.close();
  });

  it("is full at its depth, until completions are polled", async () => {
    const device = openBlockDevice(name, options({ depth: 2 }));
    expect(device.submit(op(opKinds.read, 0, 0))).toBe(true);
    expect(device.submit(op(opKinds.read, 0, 1))).toBe(true);
    expect(device.submit(op(opKinds.read, 0, 1))).toBe(false);
    expect(device.commit()).toBe(2);
    expect(device.commit()).toBe(0);
    await arrival(device);
    expect(device.poll(1)).toBe(1);
    expect(device.submit(op(opKinds.read, 0, 0))).toBe(true);
    expect(device.commit()).toBe(1);
    for (let open = 2; open > 0; ) {
      await arrival(device);
      open -= device.poll(8);
    }
    expect(device.poll(8)).toBe(0);
    device.close();
  });

  it("leaves no descriptor open", async () => {
    // The first device loads the addon and opens what the event loop itself needs.
    openBlockDevice(name, options()).close();
    const before = openDescriptors();
    for (let round = 0; round < 20; round += 1) {
      const device = openBlockDevice(name, options());
      await run(device, op(opKinds.read, 0));
      device.close();
      device.close();
      expect(device.submit(op(opKinds.read, 0))).toBe(false);
    }
    expect(openDescriptors()).toBe(before);
  });

  it("calls back once a park, also when asked before anything was sent", async () => {
    const device = openBlockDevice(name, options());
    let calls = 0;
    const called = new Promise<void>((resolve) => {
      device.onReady(() => {
        calls += 1;
        resolve();
      });
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(calls).toBe(0);
    device.submit(op(opKinds.read, 0));
    device.commit();
    expect(calls).toBe(0);
    await called;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(calls).toBe(1);
    expect(device.poll(1)).toBe(1);
    device.onReady(() => {
      calls += 1;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(calls, "nothing is in flight").toBe(1);
    device.close();
  });

  it("wakes its caller although memory was collected meanwhile", async () => {
    const device = openBlockDevice(name, options());
    collect();
    await run(device, op(opKinds.read, 0));
    collect();
    await run(device, op(opKinds.read, 4096));
    device.close();
  });

  it("ends with its worker, parked or not closed", () => {
    const registry = fileURLToPath(
      new URL("../../engine/hot/ioengine/registry.ts", import.meta.url),
    );
    const worker = `
      const { workerData, parentPort } = require("node:worker_threads");
      import(workerData.registry).then(({ openBlockDevice }) => {
        const device = openBlockDevice(workerData.name, workerData.options);
        device.submit({ kind: 0, flags: 0, offsetBytes: 0, lengthBytes: 4096, slot: 0, tag: 0 });
        device.commit();
        device.onReady(() => {
          device.poll(1);
          device.onReady(() => {});
          parentPort.postMessage("parked");
        });
        setInterval(() => {}, 1000);
      });`;
    const script = `
      const { Worker } = require("node:worker_threads");
      const workerData = ${JSON.stringify({ registry, name, options: options() })};
      const worker = new Worker(${JSON.stringify(worker)}, { eval: true, workerData });
      worker.on("error", (error) => { console.error(error); process.exit(3); });
      worker.on("message", async () => { await worker.terminate(); console.log("ended"); });`;
    const result = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
    expect(result.stderr).toBe("");
    expect(result.stdout).toBe("ended\n");
    expect(result.status).toBe(0);
  });
});

describe("files", () => {
  it("are trimmed and zeroed", async () => {
    for (const name of ["io_uring", "psync"]) {
      const device = openBlockDevice(name, options());
      device.arena.bytes.fill(0xff, 0, blockBytes);
      await run(device, op(opKinds.write, 0, 0, 0), op(opKinds.write, 4096, 0, 1));
      const results = await run(
        device,
        op(opKinds.trim, 0, 0, 0),
        op(opKinds.writeZeroes, 4096, 0, 1),
      );
      const { trim, writeZeroes } = device.supports;
      expect(results.get(0)).toBe(trim ? blockBytes : -errnos.ENOTSUP);
      expect(results.get(1)).toBe(writeZeroes ? blockBytes : -errnos.ENOTSUP);
      device.close();
      const expected = [trim ? 0 : 0xff, writeZeroes ? 0 : 0xff];
      const content = readFileSync(path);
      expect([content[0], content[4096]], name).toEqual(expected);
    }
  });

  it("opened for reading are not written", async () => {
    for (const name of ["io_uring", "psync"]) {
      const device = openBlockDevice(name, options({ write: false }));
      const results = await run(device, op(opKinds.write, 0, 0, 1), op(opKinds.read, 0, 1, 2));
      expect(results.get(1)).toBeLessThan(0);
      expect(results.get(2)).toBe(blockBytes);
      device.close();
    }
  });

  it("that cannot be opened are named with the reason, in one line", () => {
    const attempt = (name: string, more: Partial<OpenOptions>) => () =>
      openBlockDevice(name, options(more));
    for (const name of ["io_uring", "psync"]) {
      const missing = join(folder, "missing");
      expect(attempt(name, { path: missing })).toThrow(OsdynoError);
      expect(attempt(name, { path: missing })).toThrow(/missing.*No such file/);
      expect(attempt(name, { path: folder, write: false })).toThrow(/neither a regular file/);
      expect(attempt(name, { path: "/dev/random", write: false })).toThrow(/block device/);
    }
    expect(attempt("psync", { depth: 0 })).toThrow(/depth of 0/);
    expect(() => openBlockDevice("psync", { depth: 1, slotBytes: 512 })).toThrow(/needs a file/);
    expect(() => openBlockDevice("memory", { depth: 1, slotBytes: 512 })).toThrow(/size/);
    expect(attempt("memory", { sizeBytes: 2 ** 52 })).toThrow(/does not fit/);
  });
});

describe("the registry", () => {
  it("names its engines and refuses unknown and taken names", () => {
    const names = blockEngines().map((engine) => engine.name);
    expect(names).toEqual(expect.arrayContaining(["io_uring", "psync", "memory", "null"]));
    expect(() => openBlockDevice("magic", options())).toThrow(/unknown ioengine magic.*io_uring/);
    const [first] = blockEngines();
    expect(first).toBeDefined();
    if (first !== undefined) {
      expect(() => registerBlockEngine(first)).toThrow(/already/);
    }
  });
});

describe("a shared arena", () => {
  it("carries data from one device to another and outlives the first", async () => {
    const first = openBlockDevice("memory", options());
    const second = openBlockDevice("psync", options({ shareArena: first }));
    expect(second.arena).toBe(first.arena);
    first.arena.bytes.fill(0x77, 0, blockBytes);
    await run(first, op(opKinds.write, 0));
    first.arena.bytes.fill(0, 0, blockBytes);
    await run(first, op(opKinds.read, 0));
    first.close();
    await run(second, op(opKinds.write, 12288));
    second.close();
    expect(readFileSync(path)[12288]).toBe(0x77);
  });

  it("comes from a native device only", () => {
    const inner = openBlockDevice("memory", options());
    const wrapped: BlockDevice = Object.create(inner, {});
    expect(() => openBlockDevice("null", options({ shareArena: { ...wrapped } }))).toThrow(
      /shared with a native/,
    );
    inner.close();
  });
});

describe("the synthetic engine", () => {
  it("does not wake its caller when nothing is in flight", async () => {
    const model = { size: sizeBytes, seed: 3, serviceNs: 300_000 };
    const spec = { engine: { kind: "synthetic", model }, depth: 4, slotBytes: 512, slotCount: 4 };
    const device = new NativeBlockDevice(spec);
    await run(device, op(opKinds.trim, 0));
    let calls = 0;
    device.onReady(() => {
      calls += 1;
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(calls).toBe(0);
    device.close();
  });

  it("serves in the order of its model and fails as told", async () => {
    const model = { size: sizeBytes, seed: 3, serviceNs: 100_000, errorRate: 1 };
    const spec = { engine: { kind: "synthetic", model }, depth: 4, slotBytes: 512, slotCount: 4 };
    const device = new NativeBlockDevice(spec);
    expect(device.supports.data).toBe(false);
    const results = await run(device, op(opKinds.trim, 0, 0, 1), op(opKinds.trim, 4096, 0, 2));
    expect([...results.values()]).toEqual([-errnos.EIO, -errnos.EIO]);
    const { submittedNs, completedNs } = device.completions;
    expect((completedNs[0] as number) - (submittedNs[0] as number)).toBeGreaterThanOrEqual(1e5);
    device.close();
  });
});
