/**
 * `kill -9` of processes that write to a store, with the real engines below: what was acknowledged is
 * there afterwards, whole, and the store's records agree. 5 times, 50 in the campaign; OSDYNO_SEED repeats
 * a series.
 */
import { spawn } from "node:child_process";
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { OptionSet } from "../../engine/options/option-set.ts";
import { opKinds } from "../../engine/port/block-device.ts";
import { makeRealStore, RealStore } from "../../engine/store/real-store.ts";
import type { StoreVolume } from "../../engine/store/volume.ts";
import { makeVolume } from "../../engine/store/volume-layout.ts";
import { hasRocksdb } from "../conformance/native-store.ts";
import { until, Workplace } from "./command.ts";
import { cellBytes, cellCount, fillCell, objectBytes, openVolume } from "./store-writer.ts";

const rounds = process.env["OSDYNO_CAMPAIGN"] === undefined ? 5 : 50;
const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const random = new SeededRandom(seed);
const patienceMs = 120_000;

let place: Workplace;
beforeAll(() => {
  place = new Workplace();
});
afterAll(() => place.remove());

/** Deep: all data against its checksums. */
function expectClean(path: string): void {
  const { code, out, err } = place.run(["fsck", path, "--deep"]);
  expect(`${out}${err}`).toContain("no errors");
  expect(code).toBe(0);
}

async function pause(ms: number): Promise<void> {
  await new Promise((done) => setTimeout(done, ms));
}

async function makeStore(path: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const file = openSync(path, "w");
  ftruncateSync(file, 192 * 2 ** 20);
  closeSync(file);
  const request = {
    path,
    options: new OptionSet({
      layers: new Set(["store"]),
      kind: "ssd",
      settings: Object.entries(settings).map(([name, value]) => ({ name, value, origin: "test" })),
    }),
    deviceClass: "ssd",
    classReason: "",
    sizeBytes: 0,
    random: new SeededRandom(seed),
    slotBytes: cellBytes,
    userSlots: 1,
  } as const;
  await makeRealStore(request);
  const real = await RealStore.open(request);
  await makeVolume(real.store, { objectBytes, collectionBits: 3 }, path);
  await real.close();
}

async function readCell(volume: StoreVolume, cell: number): Promise<Uint8Array> {
  const lengthBytes = cellBytes;
  const op = { kind: opKinds.read, flags: 0, offsetBytes: cell * cellBytes, lengthBytes };
  volume.submit({ ...op, slot: 0, tag: 1 });
  volume.commit();
  while (volume.poll(1) === 0) {
    await new Promise((done) => setImmediate(done));
  }
  expect(volume.completions.result[0]).toBe(cellBytes);
  return volume.arena.bytes.subarray(0, cellBytes);
}

/** Every cell holds one write, whole, not older than the last one acknowledged. The newest generation. */
async function judgeCells(path: string, acked: ReadonlyMap<number, number>): Promise<number> {
  const { real, volume } = await openVolume(path);
  try {
    return await judgeOpen(volume, acked);
  } finally {
    await real.close();
  }
}

async function judgeOpen(volume: StoreVolume, acked: ReadonlyMap<number, number>): Promise<number> {
  const wanted = new Uint8Array(cellBytes);
  let newest = 0;
  for (let cell = 0; cell < cellCount; cell += 1) {
    const found = await readCell(volume, cell);
    const generation = new DataView(found.buffer, found.byteOffset).getUint32(4, true);
    const least = acked.get(cell) ?? 0;
    if (generation === 0) {
      wanted.fill(0);
    } else {
      fillCell(wanted, cell, generation);
    }
    const whole = Buffer.compare(found, wanted) === 0;
    const what = `cell ${cell}, seed ${seed}: generation ${generation}, acknowledged ${least}`;
    expect([whole, generation >= least], what).toEqual([true, true]);
    newest = Math.max(newest, generation);
  }
  return newest;
}

interface Writer {
  readonly acked: Map<number, number>;
  kill(): Promise<void>;
}

function startWriter(path: string, first: number): Writer {
  const script = fileURLToPath(new URL("store-writer.ts", import.meta.url));
  const args = [script, path, String(random.below(2 ** 30)), String(first)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const acked = new Map<number, number>();
  let rest = "";
  let err = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [cell = -1, generation = -1] = line.split(" ").map(Number);
      acked.set(cell, generation);
    }
  });
  const ended = new Promise<void>((done) => child.on("close", () => done()));
  return {
    acked,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
      expect(err).toBe("");
    },
  };
}

/** The feed of intervals tells of operations that ended. */
function hasWritten(path: string): boolean {
  const lines = place.read(`${path}.live`).split("\n").slice(0, -1);
  return lines.reduce((sum, line) => sum + (JSON.parse(line) as { ios: number }).ios, 0) > 32;
}

describe("a store whose process is killed with -9", () => {
  const kinds = hasRocksdb ? ["waltree", "rocksdb"] : ["waltree"];
  test(
    `keeps what it acknowledged, ${rounds} times (seed ${seed})`,
    async () => {
      const stores = kinds.map((kv) => ({ path: place.path(`w-${kv}`), kv, newest: 0 }));
      const last = new Map<string, Map<number, number>>();
      for (const { path, kv } of stores) {
        await makeStore(path, { bluestore_kvbackend: kv });
        last.set(path, new Map());
      }
      for (let round = 0; round < rounds; round += 1) {
        const store = stores[round % stores.length] as (typeof stores)[number];
        const all = last.get(store.path) as Map<number, number>;
        const writer = startWriter(store.path, store.newest);
        await until("the writer has written", () => writer.acked.size > 20);
        await pause(random.below(400));
        await writer.kill();
        for (const [cell, generation] of writer.acked) {
          all.set(cell, generation);
        }
        expectClean(store.path);
        store.newest = await judgeCells(store.path, all);
      }
      // The check itself: what was never written is missed.
      const [{ path }] = stores as [(typeof stores)[number]];
      await expect(judgeCells(path, new Map([[3, 2 ** 31]]))).rejects.toThrow("cell 3");
    },
    rounds * patienceMs,
  );

  test(
    `osdyno run verifies what a killed run had written, ${rounds} times (seed ${seed})`,
    async () => {
      for (let round = 0; round < rounds; round += 1) {
        const path = `run-${round}`;
        const kv = kinds[round % kinds.length];
        const target = `--target=store:${path}?size=192m&bluestore_kvbackend=${kv}`;
        // What ended is kept in a file as it ends: verify_state survives the kill.
        const job = ["--name=w", "--rw=randwrite", "--bs=8k", "--size=96m", "--iodepth=8"];
        const verify = ["--verify=crc32c", "--randseed=7", "--no-report", "--no-progress"];
        const live = [`--live=${path}.live`, "--interval=50", "--verify_state_save=1"];
        const writes = ["run", target, ...job, ...verify, ...live, `--out=${path}.r`];
        const going = place.start(writes);
        let over = false;
        void going.done.then(() => {
          over = true;
        });
        const begun = (): boolean => over || (place.exists(`${path}.live`) && hasWritten(path));
        await until("the run has written", begun);
        await pause(random.below(400));
        going.child.kill("SIGKILL");
        expect((await going.done).code).toBeNull();
        expectClean(place.path(path));
        const load = ["--verify_only", "--verify_state_load=1", `--out=${path}.v`];
        const checked = place.run(["run", target, ...job, ...verify, ...load]);
        expect(checked.err).not.toContain("osdyno:");
        expect(checked.code).toBe(0);
        const found = place.record(`${path}.v`).jobs[0]?.osdyno.verify;
        expect(found?.mismatchCount).toBe(0);
        expect(found?.checkedBlocks).toBeGreaterThan(20);
      }
    },
    rounds * patienceMs,
  );
});
