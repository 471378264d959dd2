/**
 * A write log over a simulated image and log device, used at random and crashed. What a crash leaves
 * MUST be the image after some prefix of what was asked for, with everything that was promised to be
 * durable; and the image alone, should the log be lost, MUST never show what came after a flush without
 * all that came before it.
 */
import { assert } from "../base/assert.ts";
import { SeededRandom } from "../base/random.ts";
import type { Fault } from "../device/fault.ts";
import type { PersistMode } from "../hot/writelog/log-state.ts";
import { createWriteLog, openWriteLog } from "../hot/writelog/open.ts";
import type { WriteLog } from "../hot/writelog/write-log.ts";
import { type BlockDevice, opKinds } from "../port/block-device.ts";
import type { CrashScenario } from "./crashes.ts";
import { DiskRecorder } from "./history.ts";
import type { DiskImage } from "./image.ts";
import { type Survival, survivals, type VolatileWrite } from "./volatile-writes.ts";
import { World } from "./world.ts";
import { Driver, drive } from "./writelog-driver.ts";
import {
  blockBytes,
  Expectation,
  imageBlocks,
  type KnownImage,
  type Mark,
} from "./writelog-model.ts";

const slotBytes = 8192;
const imageName = "image";

export interface WriteLogScenarioOptions {
  readonly name: string;
  readonly describe: string;
  readonly canary: boolean;
  readonly mode: "ssd" | "pmem";
  readonly operations: number;
  readonly logBytes: number;
  readonly fua: boolean;
  readonly persist: PersistMode;
  /** Of the log device. */
  readonly faults: readonly Fault[];
}

class Session {
  readonly #world: World;
  readonly #options: WriteLogScenarioOptions;

  constructor(world: World, options: WriteLogScenarioOptions, faulty: boolean) {
    this.#world = world;
    this.#options = options;
    world.disk({
      name: imageName,
      sizeBytes: imageBlocks * blockBytes,
      blockBytes,
      slotBytes,
      depth: 16,
    });
    world.disk({
      name: "log",
      sizeBytes: options.logBytes,
      blockBytes: options.mode === "pmem" ? 64 : 4096,
      slotBytes,
      depth: 12,
      fua: options.fua,
      faults: faulty ? options.faults : [],
      service: { serviceNs: 20_000 },
    });
  }

  get image(): BlockDevice {
    return this.#device(imageName);
  }

  #device(name: string): BlockDevice {
    const disk = this.#world.disks.get(name);
    assert(disk !== undefined, "a world has the disks that were made");
    return disk.device;
  }

  async create(): Promise<void> {
    await createWriteLog({
      mode: this.#options.mode,
      log: this.#device("log"),
      image: this.image.facts,
      imageId: imageName,
      imageUri: "sim:image",
      logId: this.#world.random.fork("log id").below(2 ** 32),
    });
    this.#world.mark({ kind: "made" } satisfies Mark);
  }

  async open(): Promise<WriteLog> {
    return await openWriteLog({
      image: this.image,
      log: this.#device("log"),
      clock: this.#world.clock,
      imageId: imageName,
      tuning: {
        persist: this.#options.persist,
        writeBackDepth: 6,
        recordBytes: 16_384,
        syncPointWrites: 20,
        recordsInFlight: 3,
      },
    });
  }
}

/**
 * Life after life of one log, each ended by a crash in the middle of its work or by a clean end, until
 * so many operations were asked for; after each, what is left is checked. Returns the number of lives.
 */
export async function writeLogLives(
  options: WriteLogScenarioOptions,
  seed: number,
  operations: number,
  settle: () => Promise<void>,
): Promise<number> {
  const random = new SeededRandom(seed).fork("lives");
  const making = new World({ seed, settle });
  await making.run(new Session(making, options, false).create());
  let images = imagesOf(making);
  let known: KnownImage = { writers: new Int32Array(imageBlocks), id: 0 };
  let marks: readonly unknown[] = [];
  let lives = 0;
  for (let asked = 0; asked < operations; lives += 1) {
    const recorder = new DiskRecorder();
    const world = new World({ seed: random.below(2 ** 40), settle, images, recorder });
    const session = new Session(world, options, true);
    const expected = new Expectation(marks, options.persist, known);
    expected.checkAlone(await world.run(new Driver(session.image).image()));
    const log = await world.run(session.open());
    const writers = await world.run(new Driver(log).image());
    known = { writers, id: expected.check(writers) };
    const count = 100 + random.below(900);
    const work = drive(world, log, world.random.fork("operations"), known.id + 1, count);
    if (random.below(5) === 0) {
      await world.run(work.then(() => log.shutDown()));
      world.mark({ kind: "shut" } satisfies Mark);
      images = imagesOf(world);
    } else {
      for (let steps = random.below(count * 6); steps > 0 && world.clock.step(); steps -= 1) {
        await settle();
      }
      const survival = survivals[random.below(survivals.length)] as Survival;
      images = new Map(
        [...world.disks].map(([name, { disk }]) => [name, disk.crash(survival, random).flatten()]),
      );
    }
    marks = recorder.events.flatMap((event) => (event.kind === "mark" ? [event.mark] : []));
    asked += (marks as readonly Mark[]).filter(({ kind }) => kind === "asked").length;
  }
  return lives;
}

function imagesOf(world: World): ReadonlyMap<string, DiskImage> {
  return new Map([...world.disks].map(([name, { disk }]) => [name, disk.image.flatten()]));
}

/** Where the marks say that the log was made whole; a crash before that leaves nothing to check. */
const wasMade = (marks: readonly unknown[]) =>
  (marks as readonly Mark[]).some(({ kind }) => kind === "made");

export function writeLogScenario(options: WriteLogScenarioOptions): CrashScenario {
  return {
    name: options.name,
    describe: options.describe,
    canary: options.canary,
    run: async (world) => {
      const session = new Session(world, options, true);
      const random = world.random.fork("operations");
      await session.create();
      const log = await session.open();
      await drive(world, log, random, 1, options.operations);
      await log.shutDown();
      world.mark({ kind: "shut" } satisfies Mark);
    },
    recover: async (world, marks) => {
      if (!wasMade(marks)) {
        return ["before the log was made"];
      }
      const session = new Session(world, options, false);
      const expected = new Expectation(marks, options.persist);
      expected.checkAlone(await new Driver(session.image).image());
      const log = await session.open();
      const id = expected.check(await new Driver(log).image());
      await drive(world, log, world.random.fork("more"), id + 1, 12);
      const found = await new Driver(log).image();
      await log.drain();
      const alone = await new Driver(session.image).image();
      assert(
        found.every((writer, block) => writer === alone[block]),
        "a log that was drained left the image another than it showed",
      );
      log.close();
      return [];
    },
    classify: ({ data, lengthBytes }: VolatileWrite) => {
      if (data === null) {
        return "cleared";
      }
      const magic = String.fromCharCode(...data.subarray(0, 8));
      const table = options.mode === "pmem" && lengthBytes % 512 !== 0;
      return magic === "osdynoPL" ? "root" : table ? "entries" : "record or image";
    },
    cover: (marks) => covered(marks as readonly Mark[]),
  };
}

function covered(marks: readonly Mark[]): string[] {
  const names: string[] = [];
  const asked = marks.filter((mark) => mark.kind === "asked");
  if (asked.some(({ op }) => op === opKinds.flush)) {
    names.push("after: a flush");
  }
  if (asked.some(({ op }) => op === opKinds.trim || op === opKinds.writeZeroes)) {
    names.push("after: a trim or zeroes");
  }
  return names;
}

const usual = {
  canary: false,
  operations: 260,
  logBytes: 600 << 10,
  fua: true,
  persist: "auto" as const,
  faults: [],
};

export const writeLogOptions: readonly WriteLogScenarioOptions[] = [
  {
    ...usual,
    name: "writelog-ssd",
    describe: "the write log on a solid-state disk, of a size that it is full again and again",
    mode: "ssd",
  },
  {
    ...usual,
    name: "writelog-ssd-flush",
    describe: "the write log on a disk that knows flushes only, persistent at writes",
    mode: "ssd",
    fua: false,
    persist: "write",
  },
  {
    ...usual,
    name: "writelog-pmem",
    describe: "the write log on persistent memory, torn at cache lines",
    mode: "pmem",
    logBytes: 320 << 10,
  },
  {
    ...usual,
    name: "writelog-canary",
    describe: "a planted bug that MUST be found: every fifth flush of the log is missing",
    canary: true,
    mode: "ssd",
    fua: false,
    faults: Array.from({ length: 60 }, (_, index) => ({
      effect: "lost" as const,
      kinds: [opKinds.flush],
      nth: 5 * (index + 1),
    })),
  },
];

export const writeLogScenarios: readonly CrashScenario[] = writeLogOptions.map(writeLogScenario);
