/**
 * A write log over a simulated image and log device, used at random and crashed. What a crash leaves
 * MUST be the image after some prefix of what was asked for, with everything that was promised to be
 * durable; and the image alone, should the log be lost, MUST never show what came after a flush without
 * all that came before it.
 */
import { assert } from "../base/assert.ts";
import { SeededRandom } from "../base/random.ts";
import type { Fault } from "../device/fault.ts";
import { blankOp } from "../device/op-table.ts";
import type { PersistMode } from "../hot/writelog/log-state.ts";
import { createWriteLog, openWriteLog } from "../hot/writelog/open.ts";
import type { WriteLog } from "../hot/writelog/write-log.ts";
import { type BlockDevice, flagFua, opKinds } from "../port/block-device.ts";
import type { CrashScenario } from "./crashes.ts";
import { DiskRecorder } from "./history.ts";
import type { DiskImage } from "./image.ts";
import { type Survival, survivals, type VolatileWrite } from "./volatile-writes.ts";
import { World } from "./world.ts";

const blockBytes = 512;
const imageBlocks = 96;
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

type Mark =
  | { readonly kind: "made" }
  | {
      readonly kind: "asked";
      readonly id: number;
      readonly op: number;
      readonly block: number;
      readonly count: number;
      readonly fua: boolean;
    }
  | { readonly kind: "done"; readonly id: number; readonly result: number }
  /** Everything done before is durable from here on, whatever its mode. */
  | { readonly kind: "shut" };

/** The bytes of a block that operation `id` wrote: its number, its place, and a pattern of both. */
function fillBlock(bytes: Uint8Array, id: number, block: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 8) {
    view.setUint32(at, id, true);
    view.setUint32(at + 4, Math.imul(block + 1, 0x9e3779b1) ^ at, true);
  }
}

/** The operation that a block's bytes are of, 0 for zeroes; throws when they are nothing that was written. */
function writerOf(bytes: Uint8Array, block: number): number {
  if (bytes.every((byte) => byte === 0)) {
    return 0;
  }
  const id = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0, true);
  const whole = new Uint8Array(bytes.length);
  fillBlock(whole, id, block);
  const same = bytes.every((byte, at) => byte === whole[at]);
  assert(same, `block ${block} holds what nobody wrote, beginning as of operation ${id}`);
  return id;
}

/** What an image is known to hold: the writer of each block, and the last operation it has seen. */
interface KnownImage {
  readonly writers: Int32Array;
  readonly id: number;
}

/** What may be on the disks after the marks. */
class Expectation {
  readonly asked = new Map<number, Extract<Mark, { kind: "asked" }>>();
  /** The last operation whose effect is promised. */
  durable = 0;
  last = 0;
  /** For each operation: the last one that a flush before it has sealed off from it. */
  readonly sealed = new Map<number, number>();
  readonly #known: KnownImage;

  constructor(
    marks: readonly unknown[],
    persist: PersistMode,
    known: KnownImage = { writers: new Int32Array(imageBlocks), id: 0 },
  ) {
    this.#known = known;
    this.durable = known.id;
    this.last = known.id;
    let flushSeen = persist === "flush";
    let completed = known.id;
    let sealedTo = known.id;
    const before = new Map<number, number>();
    const lives: Mark[] = marks as Mark[];
    for (const mark of lives) {
      if (mark.kind === "made") {
        flushSeen = persist === "flush";
      } else if (mark.kind === "asked") {
        // A later life of the log asks under numbers that a crash made free.
        for (let id = mark.id; id <= this.last; id += 1) {
          this.asked.delete(id);
        }
        completed = Math.min(completed, mark.id - 1);
        this.asked.set(mark.id, mark);
        this.last = mark.id;
        before.set(mark.id, completed);
        this.sealed.set(mark.id, sealedTo);
        flushSeen ||= mark.op === opKinds.flush && persist === "auto";
      } else if (mark.kind === "shut") {
        this.durable = this.last;
        flushSeen = persist === "flush";
      } else if (mark.result >= 0) {
        const asked = this.asked.get(mark.id);
        assert(asked !== undefined, "an operation is done that was not asked for");
        if (asked.op === opKinds.flush) {
          const reached = before.get(mark.id) as number;
          this.durable = Math.max(this.durable, reached);
          sealedTo = Math.max(sealedTo, reached);
          continue;
        }
        completed = Math.max(completed, mark.id);
        if (!flushSeen || asked.fua) {
          this.durable = Math.max(this.durable, mark.id);
        }
      }
    }
  }

  /** The writer of each block after operation `id`. */
  writersAt(id: number, from?: Int32Array, after = this.#known.id): Int32Array {
    const writers = from ?? this.#known.writers.slice();
    for (let each = after + 1; each <= id; each += 1) {
      const asked = this.asked.get(each);
      if (asked !== undefined && asked.op !== opKinds.flush) {
        const writer = asked.op === opKinds.write ? each : 0;
        writers.fill(writer, asked.block, asked.block + asked.count);
      }
    }
    return writers;
  }

  /** The operation after which the image was as found; throws when there is none that may be. */
  check(found: Int32Array): number {
    const writers = this.writersAt(this.durable);
    for (let id = this.durable; ; id += 1) {
      if (writers.every((writer, block) => writer === found[block])) {
        return id;
      }
      assert(
        id < this.last,
        `the image is as after no operation from ${this.durable} to ${this.last}: ${describe(found, this.writersAt(this.durable))}`,
      );
      this.writersAt(id + 1, writers, id);
    }
  }

  /** The image without its log: behind a flush nothing is seen before all that it sealed. */
  checkAlone(found: Int32Array): void {
    let sealed = -1;
    for (const writer of found) {
      sealed = Math.max(sealed, this.sealed.get(writer) ?? -1);
    }
    if (sealed < 0) {
      return;
    }
    const oldest = this.writersAt(sealed);
    for (const [block, writer] of found.entries()) {
      const expected = oldest[block] as number;
      // Zeroes may be of any later operation that clears.
      const cleared =
        writer === 0 &&
        [...this.asked.values()].some(
          (asked) =>
            asked.id > sealed &&
            asked.op !== opKinds.write &&
            asked.op !== opKinds.flush &&
            block >= asked.block &&
            block < asked.block + asked.count,
        );
      assert(
        writer === expected || writer > sealed || cleared,
        `the image alone shows operation ${writer} in block ${block}, older than ${expected}, beside what came after a flush`,
      );
    }
  }
}

function describe(found: Int32Array, expected: Int32Array): string {
  const block = found.findIndex((writer, at) => writer !== expected[at]);
  return `block ${block} is of operation ${found[block]}, at least ${expected[block]} is promised there`;
}

/** One operation at a time or several, on any device of the world. */
class Driver {
  readonly #device: BlockDevice;
  readonly #done = new Map<number, (result: number) => void>();
  readonly #op = blankOp();
  #armed = false;

  constructor(device: BlockDevice) {
    this.#device = device;
  }

  start(
    kind: 0 | 1 | 2 | 3 | 5,
    flags: number,
    block: number,
    count: number,
    slot: number,
    done: (result: number) => void,
  ): void {
    const op = this.#op;
    op.kind = kind;
    op.flags = flags;
    op.offsetBytes = kind === opKinds.flush ? 0 : block * blockBytes;
    op.lengthBytes = kind === opKinds.flush ? 0 : count * blockBytes;
    op.slot = slot;
    op.tag = slot;
    this.#done.set(slot, done);
    assert(this.#device.submit(op), "a device takes as many operations as it is deep");
    this.#device.commit();
    this.#arm();
  }

  /** The writers of all blocks. */
  async image(): Promise<Int32Array> {
    const writers = new Int32Array(imageBlocks);
    const perRead = slotBytes / blockBytes;
    for (let block = 0; block < imageBlocks; block += perRead) {
      const result = await new Promise<number>((resolve) => {
        this.start(opKinds.read, 0, block, perRead, 0, resolve);
      });
      assert(result === slotBytes, `reading the image gives ${result}`);
      for (let number = 0; number < perRead; number += 1) {
        const bytes = this.#device.arena.bytes.slice(
          number * blockBytes,
          (number + 1) * blockBytes,
        );
        writers[block + number] = writerOf(bytes, block + number);
      }
    }
    return writers;
  }

  #arm(): void {
    if (!this.#armed && this.#done.size > 0) {
      this.#armed = true;
      this.#device.onReady(this.#ready);
    }
  }

  readonly #ready = (): void => {
    this.#armed = false;
    const count = this.#device.poll(64);
    const { tag, result } = this.#device.completions;
    const told: (() => void)[] = [];
    for (let at = 0; at < count; at += 1) {
      const slot = tag[at] as number;
      const value = result[at] as number;
      const done = this.#done.get(slot);
      this.#done.delete(slot);
      told.push(() => done?.(value));
    }
    for (const tell of told) {
      tell();
    }
    this.#arm();
  };
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

/** Random operations, several at once, with pauses; each is marked when asked for and when done. */
async function drive(
  world: World,
  log: WriteLog,
  random: SeededRandom,
  firstId: number,
  count: number,
): Promise<void> {
  const driver = new Driver(log);
  const depth = log.facts.queueDepth;
  const free = Array.from({ length: depth }, (_, slot) => slot);
  let next = firstId;
  let open = 0;
  await new Promise<void>((resolve) => {
    const ask = () => {
      if (next === firstId + count || free.length === 0) {
        return;
      }
      const id = next;
      next += 1;
      open += 1;
      const slot = free.shift() as number;
      const draw = random.below(20);
      const kind =
        draw < 14
          ? opKinds.write
          : draw < 16
            ? opKinds.flush
            : draw < 17
              ? opKinds.trim
              : draw < 18
                ? opKinds.writeZeroes
                : opKinds.read;
      const block = random.below(imageBlocks - 8);
      const blocks = random.below(3) === 0 ? 1 + random.below(8) : 8;
      const fua = kind === opKinds.write && random.below(6) === 0;
      if (kind === opKinds.write) {
        for (let each = 0; each < blocks; each += 1) {
          const at = slot * log.arena.slotBytes + each * blockBytes;
          fillBlock(log.arena.bytes.subarray(at, at + blockBytes), id, block + each);
        }
      }
      world.mark({
        kind: "asked",
        id,
        op: kind,
        block,
        count: kind === opKinds.read ? 0 : blocks,
        fua,
      } satisfies Mark);
      driver.start(kind, fua ? flagFua : 0, block, blocks, slot, (result) => {
        // A read promises nothing: it is marked as asked, so that numbers stay in a row, and not as done.
        if (kind !== opKinds.read) {
          world.mark({ kind: "done", id, result } satisfies Mark);
        }
        open -= 1;
        free.push(slot);
        if (open === 0 && next === firstId + count) {
          resolve();
        } else {
          later();
        }
      });
      if (random.below(3) > 0) {
        ask();
      }
    };
    const later = () => {
      const pauseNs = random.below(4) === 0 ? random.below(600_000) : 0;
      world.clock.at(world.clock.nowNs() + pauseNs, ask);
    };
    ask();
  });
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
