/** What the write log does when something is wrong: with its device, its image, or what is on them. */
import { describe, expect, it } from "vitest";
import type { Fault } from "../../engine/device/fault.ts";
import { rootOffsets } from "../../engine/hot/writelog/log-format.ts";
import {
  createWriteLog,
  inspectWriteLog,
  invalidateWriteLog,
  openWriteLog,
} from "../../engine/hot/writelog/open.ts";
import type { WriteLog } from "../../engine/hot/writelog/write-log.ts";
import { errnos, type OpKind, opKinds } from "../../engine/port/block-device.ts";
import type { DiskImage } from "../../engine/sim/image.ts";
import { World } from "../../engine/sim/world.ts";
import { settle } from "../conformance/kv-subjects.ts";

const blockBytes = 4096;
const mib = 1 << 20;

interface Given {
  readonly images?: ReadonlyMap<string, DiskImage>;
  readonly logFaults?: readonly Fault[];
  readonly imageFaults?: readonly Fault[];
  readonly logBytes?: number;
  readonly imageBytes?: number;
  readonly logBlockBytes?: number;
}

function worldOf(given: Given = {}): World {
  const { images, logFaults = [], imageFaults = [] } = given;
  const world = new World({ seed: 1, settle, ...(images === undefined ? {} : { images }) });
  const common = { depth: 16, slotBytes: 8192, blockBytes };
  world.disk({
    ...common,
    name: "log",
    sizeBytes: given.logBytes ?? mib,
    blockBytes: given.logBlockBytes ?? blockBytes,
    faults: logFaults,
  });
  world.disk({
    ...common,
    name: "image",
    sizeBytes: given.imageBytes ?? mib,
    faults: imageFaults,
  });
  return world;
}

const deviceOf = (world: World, name: string) => {
  const disk = world.disks.get(name);
  if (disk === undefined) {
    throw new Error(`no disk ${name}`);
  }
  return disk.device;
};

async function create(world: World, mode: "ssd" | "pmem" = "ssd"): Promise<void> {
  await world.run(
    createWriteLog({
      mode,
      log: deviceOf(world, "log"),
      image: deviceOf(world, "image").facts,
      imageId: "the image",
      imageUri: "sim:image",
      logId: 7,
    }),
  );
}

const open = (world: World, imageId = "the image") =>
  world.run(
    openWriteLog({
      image: deviceOf(world, "image"),
      log: deviceOf(world, "log"),
      clock: world.clock,
      imageId,
      tuning: { writeBackDepth: 4, recordBytes: 16_384, persist: "write" },
    }),
  );

/** One operation on block `block`, to its end. */
async function one(world: World, log: WriteLog, kind: OpKind, block: number, fill = 0) {
  const write = kind === opKinds.write;
  if (write) {
    log.arena.bytes.fill(fill, 0, blockBytes);
  }
  const flush = kind === opKinds.flush;
  log.submit({
    kind,
    flags: 0,
    offsetBytes: flush ? 0 : block * blockBytes,
    lengthBytes: flush ? 0 : blockBytes,
    slot: 0,
    tag: 1,
  });
  log.commit();
  return await world.run(
    new Promise<number>((resolve) => {
      const look = () => {
        if (log.poll(1) === 1) {
          resolve(log.completions.result[0] as number);
        } else {
          log.onReady(look);
        }
      };
      look();
    }),
  );
}

const firstByte = (log: WriteLog) => log.arena.bytes[0];
const survivorsOf = (world: World) =>
  new Map([...world.disks].map(([name, { disk }]) => [name, disk.crash("none", world.random)]));

describe("a device that fails", () => {
  it("a log that cannot be written stops, and keeps what it acknowledged", async () => {
    // 25 writes and more make the log itself.
    const broken = { effect: "error", errno: errnos.EIO, kinds: [opKinds.write] } as const;
    const made = worldOf();
    await create(made);
    const images = new Map([...made.disks].map(([name, { disk }]) => [name, disk.image]));
    // Opening writes both roots.
    const world = worldOf({ images, logFaults: [{ ...broken, nth: 5, times: null }] });
    const log = await open(world);
    expect(await one(world, log, opKinds.write, 3, 0xaa)).toBe(blockBytes);
    expect(await one(world, log, opKinds.write, 4, 0xbb)).toBe(blockBytes);
    expect(await one(world, log, opKinds.write, 5, 0xcc)).toBe(-errnos.EIO);
    expect(log.stats.stopped).toMatch(/writing to the log failed with errno 5/);
    expect(await one(world, log, opKinds.write, 6, 0xdd)).toBe(-errnos.EIO);
    expect(await one(world, log, opKinds.flush, 0)).toBe(-errnos.EIO);
    expect(await one(world, log, opKinds.read, 4)).toBe(blockBytes);
    expect(firstByte(log)).toBe(0xbb);
    await expect(world.run(log.shutDown())).rejects.toThrow(/has stopped: writing to the log/);
    const next = worldOf({ images: survivorsOf(world) });
    const again = await open(next);
    for (const [block, byte] of [
      [3, 0xaa],
      [4, 0xbb],
      [5, 0],
    ] as const) {
      expect(await one(next, again, opKinds.read, block)).toBe(blockBytes);
      expect(firstByte(again)).toBe(byte);
    }
  });

  it("an image that fails for a while is written to again; for good, the log stops", async () => {
    const kinds = [opKinds.write];
    const some = worldOf({ imageFaults: [{ effect: "error", errno: 5, kinds, times: 2 }] });
    await create(some);
    const patient = await open(some);
    expect(await one(some, patient, opKinds.write, 9, 0x99)).toBe(blockBytes);
    await some.run(patient.drain());
    expect(patient.stats).toMatchObject({ stopped: null, entries: 0, dirtyEntries: 0 });

    const all = worldOf({ imageFaults: [{ effect: "error", errno: 5, kinds, times: null }] });
    await create(all);
    const log = await open(all);
    expect(await one(all, log, opKinds.write, 9, 0x99)).toBe(blockBytes);
    await expect(all.run(log.drain())).rejects.toThrow(/writing back to offset 36864 of the image/);
    expect(await one(all, log, opKinds.read, 9)).toBe(blockBytes);
    expect(firstByte(log)).toBe(0x99);
    const next = worldOf({ images: survivorsOf(all) });
    const again = await open(next);
    await next.run(again.shutDown());
    const byte = new Uint8Array(1);
    next.disks.get("image")?.disk.image.read(9 * blockBytes, byte);
    expect(byte[0]).toBe(0x99);
  });

  it("a bit that has turned over in the log is never returned, nor written back", async () => {
    // The first four writes back are tried four times: what comes behind them waits meanwhile.
    const slow = { effect: "error", errno: 5, kinds: [opKinds.write], times: 12 } as const;
    const world = worldOf({ imageFaults: [slow] });
    await create(world);
    const log = await open(world);
    for (let block = 0; block < 30; block += 1) {
      expect(await one(world, log, opKinds.write, block, 0x55)).toBe(blockBytes);
    }
    // Each record is a control block and one of data. The last twelve or so are still in memory.
    world.disks.get("log")?.disk.rot(8192 + 2 * 4096 * 10 + 4096 + 100, 0x10);
    world.disks.get("log")?.disk.rot(8192 + 2 * 4096 * 29 + 4096 + 100, 0x10);
    expect(await one(world, log, opKinds.read, 10)).toBe(-errnos.EIO);
    expect(await one(world, log, opKinds.read, 29)).toBe(blockBytes);
    expect(firstByte(log)).toBe(0x55);
    await expect(world.run(log.drain())).rejects.toThrow(/entry 11 of the log is damaged/);
    const byte = new Uint8Array(1);
    const image = world.disks.get("image")?.disk.image;
    image?.read(10 * blockBytes, byte);
    expect(byte[0]).toBe(0);
    image?.read(2 * blockBytes, byte);
    expect(byte[0]).toBe(0x55);
  });

  it("what cannot be read of the log fails alone", async () => {
    const slow = { effect: "error", errno: 5, kinds: [opKinds.write], times: 12 } as const;
    // In the middle of what write-back reads at once.
    const range = { offsetBytes: 8192 + 2 * 4096 * 5 + 4096, lengthBytes: 4096 };
    // Making the log writes there too.
    const latent = { effect: "latent", kinds: [opKinds.write], nth: 2 } as const;
    const world = worldOf({ imageFaults: [slow], logFaults: [{ ...latent, range }] });
    await create(world);
    const log = await open(world);
    for (let block = 0; block < 30; block += 1) {
      expect(await one(world, log, opKinds.write, block, 0x66)).toBe(blockBytes);
    }
    await expect(world.run(log.drain())).rejects.toThrow(/entry 6 of the log .*cannot be read/);
    for (const block of [4, 6, 7]) {
      expect(await one(world, log, opKinds.read, block)).toBe(blockBytes);
      expect(firstByte(log)).toBe(0x66);
    }
  });
});

describe("a log that does not fit", () => {
  async function images(mode: "ssd" | "pmem" = "ssd", logBlockBytes = blockBytes) {
    const world = worldOf({ logBlockBytes });
    await create(world, mode);
    return new Map([...world.disks].map(([name, { disk }]) => [name, disk.image]));
  }

  it("no log at all, another version, damaged roots", async () => {
    await expect(open(worldOf())).rejects.toThrow("log is no write log");
    const other = worldOf({ images: await images() });
    for (const offset of rootOffsets) {
      other.disks.get("log")?.disk.rot(offset + 8, 0x02);
    }
    await expect(open(other)).rejects.toThrow("log is a write log of another version");
    const damaged = worldOf({ images: await images() });
    for (const offset of rootOffsets) {
      damaged.disks.get("log")?.disk.rot(offset + 50, 0x40);
    }
    await expect(open(damaged)).rejects.toThrow(
      "log is a write log with both of its roots damaged",
    );
  });

  it("one damaged root is made up for by the other", async () => {
    const world = worldOf({ images: await images() });
    world.disks.get("log")?.disk.rot(rootOffsets[0] + 50, 0x40);
    expect((await open(world)).stats.stopped).toBeNull();
  });

  it.each(rootOffsets)(
    "the root at %i damaged after a crash: nothing acknowledged is lost",
    async (offset) => {
      // The image takes nothing, so that all of it is in the log alone.
      const broken = {
        effect: "error",
        errno: errnos.EIO,
        kinds: [opKinds.write],
        times: null,
      } as const;
      const before = worldOf({ imageFaults: [broken] });
      await create(before);
      const log = await open(before);
      expect(await one(before, log, opKinds.write, 3, 0x33)).toBe(blockBytes);
      const after = worldOf({ images: survivorsOf(before), imageFaults: [broken] });
      after.disks.get("log")?.disk.rot(offset + 50, 0x40);
      const again = await open(after);
      expect(await one(after, again, opKinds.read, 3)).toBe(blockBytes);
      expect(firstByte(again)).toBe(0x33);
    },
  );

  it("cut short, of another image, of an image of another size", async () => {
    const short = worldOf({ images: await images(), logBytes: mib / 2 });
    await expect(open(short)).rejects.toThrow(/log is a write log cut short: 1048576 bytes/);
    const same = worldOf({ images: await images() });
    await expect(open(same, "another")).rejects.toThrow(
      /stands before sim:image \(the image\), not before another/,
    );
    const larger = worldOf({ images: await images(), imageBytes: 2 * mib });
    await expect(open(larger)).rejects.toThrow(/an image of 1048576 bytes in blocks of 4096; this/);
  });

  it("too small, or on a device of blocks that are too large", async () => {
    await expect(create(worldOf({ logBytes: 65_536 }))).rejects.toThrow(/too few for a write log/);
    await expect(create(worldOf(), "pmem")).rejects.toThrow(
      /mode pmem needs a device that writes 64/,
    );
  });

  it.each([
    ["ssd", blockBytes],
    ["pmem", 64],
  ] as const)(
    "a damaged record before others of mode %s is not taken for the end",
    async (mode, size) => {
      const world = worldOf({
        images: await images(mode, size),
        logBlockBytes: size,
        imageFaults: [{ effect: "error", errno: 5, kinds: [opKinds.write], times: null }],
      });
      const log = await open(world);
      for (let block = 0; block < 8; block += 1) {
        expect(await one(world, log, opKinds.write, block, block + 1)).toBe(blockBytes);
      }
      log.close();
      const { disk } = world.disks.get("log") as { disk: { rot(at: number, mask: number): void } };
      disk.rot(mode === "ssd" ? 8192 + 3 * 8192 + 70 : 8192 + 3 * 64 + 20, 0x01);
      const next = worldOf({ images: survivorsOf(world), logBlockBytes: size });
      await expect(open(next)).rejects.toThrow(
        /entry \d of the write log on log was acknowledged and is/,
      );
      const root = await next.run(inspectWriteLog(deviceOf(next, "log")));
      expect(root.clean).toBe(false);
      await next.run(invalidateWriteLog(deviceOf(next, "log")));
      const empty = worldOf({ images: survivorsOf(next), logBlockBytes: size });
      expect((await open(empty)).stats.entries).toBe(0);
    },
  );
});
