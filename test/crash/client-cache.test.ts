/** Client caches used at random and crashed: reads are never old, and only what was not flushed may go. */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { clientCacheKind, type OpenedClientCache } from "../../engine/hot/clientcache/registry.ts";
import {
  type ClientCacheTuning,
  clientCacheDefaults,
} from "../../engine/hot/clientcache/tuning.ts";
import { flagFua, type OpKind, opKinds } from "../../engine/port/block-device.ts";
import { BlockHistory } from "../../engine/sim/block-history.ts";
import type { DiskImage } from "../../engine/sim/image.ts";
import { type Survival, survivals } from "../../engine/sim/volatile-writes.ts";
import { World } from "../../engine/sim/world.ts";
import { settle } from "../conformance/kv-subjects.ts";
import { campaign, patienceMs, seed } from "./explore.ts";

const blockBytes = 512;
const blocks = 256;
const slotBytes = 8192;
const operations = campaign ? 400_000 : 12_000;

interface Shape {
  readonly policy: string;
  readonly fua: boolean;
  readonly tuning: Partial<ClientCacheTuning>;
}

/** Small, so that the limits are reached all the time. */
const small: Partial<ClientCacheTuning> = {
  sizeBytes: 64 << 10,
  maxDirtyBytes: 24 << 10,
  targetDirtyBytes: 12 << 10,
  maxDirtyAgeNs: 3e6,
  readahead: { triggerRequests: 2, maxBytes: 16 << 10, disableAfterBytes: 0 },
};

const shapes: Readonly<Record<string, Shape>> = {
  writeback: { policy: "writeback", fua: true, tuning: small },
  "writeback, 2q, on a disk that knows flushes only": {
    policy: "writeback",
    fua: false,
    tuning: { ...small, eviction: "2q", writethroughUntilFlush: false },
  },
  "writeback, s3fifo, never old": {
    policy: "writeback",
    fua: true,
    tuning: { ...small, eviction: "s3fifo", maxDirtyAgeNs: 1e12 },
  },
  writethrough: { policy: "writethrough", fua: true, tuning: small },
  "writethrough, sieve, flushes only": {
    policy: "writethrough",
    fua: false,
    tuning: { ...small, eviction: "sieve" },
  },
  writearound: { policy: "writearound", fua: true, tuning: small },
  "writearound, from the beginning, flushes only": {
    policy: "writearound",
    fua: false,
    tuning: { ...small, writethroughUntilFlush: false },
  },
  "no room at all": { policy: "writeback", fua: true, tuning: { ...small, sizeBytes: 0 } },
};

/** A block as operation `id` leaves it. */
function fill(bytes: Uint8Array, id: number): void {
  new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).fill(id);
}

function writerOf(bytes: Uint8Array): number {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const [id = 0] = words;
  expect(words.every((word) => word === id)).toBe(true);
  return id;
}

class Life {
  readonly #world: World;
  readonly #cache: OpenedClientCache;
  readonly #history: BlockHistory;
  readonly #random: SeededRandom;
  readonly #tuning: ClientCacheTuning;
  readonly #free: number[];
  readonly #open = new Map<
    number,
    { id: number; kind: OpKind; block: number; count: number; fua: boolean }
  >();
  #next = 0;

  constructor(world: World, shape: Shape, history: BlockHistory, random: SeededRandom) {
    const image = world.disks.get("image");
    if (image === undefined) {
      throw new Error("no image");
    }
    this.#world = world;
    this.#history = history;
    this.#random = random;
    this.#tuning = { ...clientCacheDefaults, ...shape.tuning };
    this.#cache = clientCacheKind(shape.policy).open({
      image: image.device,
      clock: world.clock,
      tuning: this.#tuning,
    }) as OpenedClientCache;
    this.#free = Array.from({ length: this.#cache.facts.queueDepth }, (_, slot) => slot);
  }

  get cache(): OpenedClientCache {
    return this.#cache;
  }

  /** Asks for `count` operations; returns the last id. Stops early after `steps` steps of the clock. */
  async run(firstId: number, count: number, steps: number): Promise<number> {
    this.#next = firstId;
    const end = firstId + count;
    let stepped = 0;
    while (this.#next < end || this.#open.size > 0) {
      while (this.#next < end && this.#free.length > 0 && this.#random.below(3) > 0) {
        this.#ask();
      }
      this.#cache.commit();
      this.#take();
      const { dirtyBytes, heldBytes } = this.#cache.stats;
      expect(dirtyBytes).toBeLessThanOrEqual(Math.max(this.#tuning.maxDirtyBytes, slotBytes));
      expect(heldBytes).toBeLessThanOrEqual(
        Math.max(this.#tuning.sizeBytes, this.#tuning.maxDirtyBytes),
      );
      stepped += 1;
      if (stepped > steps) {
        break;
      }
      this.#cache.onReady(() => {});
      if (this.#open.size > 0 && !this.#world.clock.step()) {
        throw new Error(`operations ${[...this.#open.values()].map(({ id }) => id)} never end`);
      }
      await settle();
    }
    return this.#next - 1;
  }

  #ask(): void {
    const random = this.#random;
    const id = this.#next;
    this.#next += 1;
    const slot = this.#free.pop() as number;
    const draw = random.below(24);
    const kind =
      draw < 11
        ? opKinds.write
        : draw < 20
          ? opKinds.read
          : draw < 22
            ? opKinds.flush
            : draw < 23
              ? opKinds.trim
              : opKinds.writeZeroes;
    const count = 1 + random.below(random.below(4) === 0 ? 16 : 8);
    // Now and then in a row, so that something is read ahead.
    const block = random.below(3) === 0 ? (id * 8) % (blocks - 16) : random.below(blocks - count);
    const fua = kind === opKinds.write && random.below(8) === 0;
    const at = slot * this.#cache.arena.slotBytes;
    if (kind === opKinds.write) {
      fill(this.#cache.arena.bytes.subarray(at, at + count * blockBytes), id);
    }
    const flush = kind === opKinds.flush;
    if (kind === opKinds.read || flush) {
      this.#history.begin(id, block, count);
    } else {
      this.#history.beginChange(id, block, count, kind !== opKinds.write);
    }
    this.#open.set(slot, { id, kind, block, count, fua });
    this.#cache.submit({
      kind,
      flags: fua ? flagFua : 0,
      offsetBytes: flush ? 0 : block * blockBytes,
      lengthBytes: flush ? 0 : count * blockBytes,
      slot,
      tag: slot,
    });
  }

  #take(): void {
    const count = this.#cache.poll(64);
    const { tag, result } = this.#cache.completions;
    for (let number = 0; number < count; number += 1) {
      const slot = tag[number] as number;
      const open = this.#open.get(slot);
      if (open === undefined) {
        throw new Error("an operation ends twice");
      }
      this.#open.delete(slot);
      this.#free.push(slot);
      const { id, kind, fua } = open;
      if (kind === opKinds.flush) {
        expect(result[number]).toBe(0);
        this.#history.endFlush(id);
        continue;
      }
      expect(result[number]).toBe(open.count * blockBytes);
      if (kind === opKinds.read) {
        const at = slot * this.#cache.arena.slotBytes;
        const writers = Array.from({ length: open.count }, (_, each) => {
          const from = at + each * blockBytes;
          return writerOf(this.#cache.arena.bytes.slice(from, from + blockBytes));
        });
        this.#history.endRead(id, writers);
      } else {
        this.#history.endChange(id, true, fua);
      }
    }
  }
}

function worldOf(worldSeed: number, shape: Shape, images: ReadonlyMap<string, DiskImage>): World {
  const world = new World({ seed: worldSeed, settle, images });
  world.disk({
    name: "image",
    sizeBytes: blocks * blockBytes,
    blockBytes,
    slotBytes,
    depth: 24,
    fua: shape.fua,
  });
  return world;
}

/** The writers of all blocks of an image. */
function writersOf(image: DiskImage): number[] {
  return Array.from({ length: blocks }, (_, block) => {
    const bytes = new Uint8Array(blockBytes);
    image.read(block * blockBytes, bytes);
    return writerOf(bytes);
  });
}

describe.each(Object.entries(shapes))("%s", (_name, shape) => {
  it(
    `random operations and crashes, seed ${seed}`,
    async () => {
      const random = new SeededRandom(seed).fork("client cache");
      const history = new BlockHistory(blocks);
      let images: ReadonlyMap<string, DiskImage> = new Map();
      let id = 1;
      while (id < operations) {
        const world = worldOf(random.below(2 ** 40), shape, images);
        const life = new Life(world, shape, history, random);
        const clean = random.below(4) === 0;
        const count = 200 + random.below(800);
        id = 1 + (await life.run(id, count, clean ? 1e9 : random.below(count * 4)));
        const { disk } = world.disks.get("image") as NonNullable<
          ReturnType<typeof world.disks.get>
        >;
        if (clean) {
          history.begin(id);
          await world.run(life.cache.shutDown());
          history.endFlush(id);
          id += 1;
        }
        const survival = survivals[random.below(survivals.length)] as Survival;
        const left = disk.crash(survival, random).flatten();
        // A torn block of its own is the disk's doing: 512 bytes are written whole here.
        history.crash(writersOf(left));
        images = new Map([["image", left]]);
      }
    },
    patienceMs,
  );
});
