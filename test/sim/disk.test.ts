import { describe, expect, it, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { conformanceChecks, runCheck } from "../../engine/hot/ioengine/conformance.ts";
import { type BlockOp, flagFua, opKinds } from "../../engine/port/block-device.ts";
import type { SimDisk } from "../../engine/sim/disk.ts";
import type { DiskImage } from "../../engine/sim/image.ts";
import { survivals } from "../../engine/sim/volatile-writes.ts";
import { World } from "../../engine/sim/world.ts";
import { readShape } from "../../workloads/shape-profile.ts";
import { settle } from "../conformance/kv-subjects.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const blockBytes = 4096;

function world(of = 1): World {
  return new World({ seed: of, settle });
}

function open(where: World): SimDisk {
  return where.disk({ name: "disk", sizeBytes: 64 * blockBytes }).disk;
}

/** A block of one value. */
function writeOp(disk: SimDisk, block: number, value: number, slot: number): BlockOp {
  disk.arena.bytes.fill(value, slot * disk.arena.slotBytes, (slot + 1) * disk.arena.slotBytes);
  const offsetBytes = block * blockBytes;
  return { kind: opKinds.write, flags: 0, offsetBytes, lengthBytes: blockBytes, slot, tag: slot };
}

const flushOp: BlockOp = {
  kind: opKinds.flush,
  flags: 0,
  offsetBytes: 0,
  lengthBytes: 0,
  slot: 0,
  tag: 99,
};

function start(disk: SimDisk, op: BlockOp): void {
  expect(disk.submit(op)).toBe(true);
  disk.commit();
}

/** Waits until everything under way has completed. */
function finish(where: World, disk: SimDisk): void {
  where.clock.advance(1e9);
  while (disk.poll(64) > 0) {
    // Taken.
  }
}

function sectors(image: DiskImage, block: number): number[] {
  const bytes = new Uint8Array(blockBytes);
  image.read(block * blockBytes, bytes);
  const found: number[] = [];
  for (let at = 0; at < blockBytes; at += 512) {
    const sector = bytes.subarray(at, at + 512);
    expect(new Set(sector).size, "a sector is torn within").toBe(1);
    found.push(sector[0] as number);
  }
  return found;
}

describe("the simulated disk as a block device", () => {
  const subject = {
    name: "simulated disk",
    open: () => {
      const where = world(seed);
      const { device } = where.disk({
        name: "disk",
        sizeBytes: 256 * 512,
        blockBytes: 512,
        slotBytes: 16 * 512,
        depth: 16,
      });
      return { device, pass: () => void where.clock.step(), below: null };
    },
    openFailing: () => {
      const where = world(seed);
      const { device } = where.disk({
        name: "disk",
        sizeBytes: 256 * 512,
        blockBytes: 512,
        slotBytes: 16 * 512,
        depth: 16,
        service: { errorRate: 1 },
      });
      return { device, pass: () => void where.clock.step(), below: null };
    },
    openShort: null,
  };
  it.each(conformanceChecks)("$name", async (check) => {
    const result = await runCheck(subject, check, seed);
    expect(result.outcome, result.reason).not.toBe("failed");
  });
});

describe("a crash", () => {
  test("keeps what a flush covered, whatever becomes of the rest", () => {
    for (const [each, survival] of [...survivals, ...survivals].entries()) {
      const where = world();
      const disk = open(where);
      start(disk, writeOp(disk, 3, 7, 0));
      finish(where, disk);
      start(disk, flushOp);
      finish(where, disk);
      start(disk, writeOp(disk, 4, 8, 0));
      finish(where, disk);
      const image = disk.crash(survival, new SeededRandom(each));
      expect(sectors(image, 3)).toEqual(new Array(8).fill(7));
      for (const value of sectors(image, 4)) {
        expect([0, 8]).toContain(value);
      }
    }
  });

  test("forgets or keeps by its survival, and tears at 512 bytes only when told to", () => {
    const seen = new Set<string>();
    for (let each = 0; each < 200; each += 1) {
      for (const survival of survivals) {
        const where = world();
        const disk = open(where);
        start(disk, writeOp(disk, 1, 9, 0));
        finish(where, disk);
        const found = sectors(disk.crash(survival, new SeededRandom(each)), 1);
        const kind = found.every((value) => value === 9)
          ? "whole"
          : found.includes(9)
            ? "torn"
            : "gone";
        seen.add(`${survival} ${kind}`);
      }
    }
    expect([...seen].sort()).toEqual([
      "all whole",
      "none gone",
      "torn gone",
      "torn torn",
      "torn whole",
      "torn-large gone",
      "torn-large whole",
      "whole gone",
      "whole whole",
    ]);
  });

  test("a flush does not cover a write that completes while it is under way", () => {
    const where = world();
    const disk = open(where);
    start(disk, writeOp(disk, 1, 5, 0));
    start(disk, flushOp);
    finish(where, disk);
    expect(sectors(disk.crash("none", new SeededRandom(1)), 1)).toEqual(new Array(8).fill(0));
  });

  test("a durable write is not overwritten by what was forgotten before it", () => {
    for (const survival of survivals) {
      const where = world();
      const disk = open(where);
      start(disk, writeOp(disk, 1, 1, 0));
      finish(where, disk);
      start(disk, { ...writeOp(disk, 1, 2, 0), flags: flagFua });
      finish(where, disk);
      expect(sectors(disk.crash(survival, new SeededRandom(3)), 1)).toEqual(new Array(8).fill(2));
    }
  });
});

describe("lent memory", () => {
  test("a slot that is lent for reading holds garbage until the read completes", () => {
    const where = world();
    const disk = open(where);
    disk.arena.bytes.fill(0x11);
    start(disk, { ...writeOp(disk, 0, 0x11, 0), kind: opKinds.read });
    expect(disk.arena.bytes[0]).not.toBe(0x11);
    finish(where, disk);
    expect(disk.arena.bytes[0]).toBe(0);
  });

  test("a slot that changes while it is lent for writing is found", () => {
    const where = world();
    const disk = open(where);
    start(disk, writeOp(disk, 0, 1, 0));
    disk.arena.bytes[17] = 2;
    expect(() => finish(where, disk)).toThrow("changed while it was lent");
  });

  test("a slot that is lent twice, once for reading, is found", () => {
    const where = world();
    const disk = open(where);
    start(disk, writeOp(disk, 0, 1, 0));
    disk.submit({ ...writeOp(disk, 0, 1, 0), kind: opKinds.read });
    expect(() => disk.commit()).toThrow("lent");
  });
});

test("one seed gives one trace, another seed another", async () => {
  const hash = async (of: number) => {
    const where = world(of);
    const disk = open(where);
    for (let each = 0; each < 20; each += 1) {
      start(disk, writeOp(disk, each, each, each % 8));
      await settle();
      finish(where, disk);
    }
    return where.traceHash;
  };
  expect(await hash(1)).toBe(await hash(1));
  expect(await hash(1)).not.toBe(await hash(2));
});

test("a flow that waits for what never comes is an error, not a hang", async () => {
  const where = world();
  await expect(where.run(new Promise(() => {}))).rejects.toThrow("never comes");
});

describe("a simulated disk of a shape", () => {
  /** Writes one line after the other, each waited for; when all are done, and the history's hash. */
  function history(name: string, of: number, blocks = 1) {
    const where = world(of);
    const { shape } = readShape(name, "/");
    const sizeBytes = 64 * blockBytes;
    const { device, disk } = where.disk({
      name: "disk",
      sizeBytes,
      shape: { ...shape, sizeBytes },
    });
    const lengthBytes = blocks * shape.blockBytes;
    for (let line = 0; line < 48; line += 1) {
      device.arena.bytes.fill(line + 1, 0, lengthBytes);
      const op = { kind: opKinds.write, flags: 0, offsetBytes: line * lengthBytes, lengthBytes };
      expect(device.submit({ ...op, slot: 0, tag: line })).toBe(true);
      device.commit();
      while (device.poll(1) === 0) {
        device.onReady(() => {});
        where.clock.step();
      }
    }
    return { ns: where.clock.nowNs(), hash: where.traceHash, device, disk };
  }

  test("takes the shape's time, the same for the same seed", () => {
    const [pmem, again, turning] = [history("pmem", 7), history("pmem", 7), history("hdd-7200", 7)];
    expect(pmem).toMatchObject({ ns: again.ns, hash: again.hash });
    // 64 bytes: 180 ns, and a part of a line of 256 that is read first.
    expect(Math.abs(pmem.ns / (48 * 380) - 1)).toBeLessThan(0.05);
    expect(turning.ns).toBeGreaterThan(100 * pmem.ns);
    expect(turning.device.facts.deviceClass).toBe("hdd");
  });

  test("of persistent memory tears at its lines, and only there", () => {
    const { disk } = history("pmem", 9, 4);
    expect(disk.facts.blockBytes).toBe(64);
    const image = disk.crash("torn", new SeededRandom(9));
    const bytes = new Uint8Array(256);
    let torn = 0;
    for (let write = 0; write < 48; write += 1) {
      image.read(write * 256, bytes);
      const lines = [0, 1, 2, 3].map((line) => [
        ...new Set(bytes.subarray(line * 64, line * 64 + 64)),
      ]);
      for (const values of lines) {
        expect(values.length, `a line of write ${write} is torn within`).toBe(1);
        expect([0, write + 1]).toContain(values[0]);
      }
      torn += new Set(lines.flat()).size > 1 ? 1 : 0;
    }
    expect(torn).toBeGreaterThan(0);
  });
});
