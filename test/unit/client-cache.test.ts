/** What client caches do when the image refuses, how long data stays dirty, and what is read ahead. */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { type Fault, FaultDevice } from "../../engine/device/fault.ts";
import type { CacheKey } from "../../engine/hot/cache/cache.ts";
import { cacheKinds, openCache } from "../../engine/hot/cache/registry.ts";
import { Readahead } from "../../engine/hot/clientcache/readahead.ts";
import { clientCacheKind, type OpenedClientCache } from "../../engine/hot/clientcache/registry.ts";
import {
  type ClientCacheTuning,
  clientCacheDefaults,
} from "../../engine/hot/clientcache/tuning.ts";
import { errnos, flagFua, type OpKind, opKinds } from "../../engine/port/block-device.ts";
import { World } from "../../engine/sim/world.ts";
import { settle } from "../conformance/kv-subjects.ts";

const blockBytes = 4096;
const { read, write, flush } = opKinds;

class Place {
  readonly world = new World({ seed: 1, settle });
  readonly cache: OpenedClientCache;

  constructor(policy: string, tuning: Partial<ClientCacheTuning>, faults: readonly Fault[] = []) {
    const { device } = this.world.disk({
      name: "image",
      sizeBytes: 1 << 20,
      depth: 16,
      slotBytes: 16_384,
      blockBytes,
    });
    this.cache = clientCacheKind(policy).open({
      image: new FaultDevice(device, faults, this.world.clock),
      clock: this.world.clock,
      tuning: { ...clientCacheDefaults, writethroughUntilFlush: false, ...tuning },
    }) as OpenedClientCache;
  }

  /** One operation on a block, to its end. */
  async one(kind: OpKind, block = 0, fill = 0, flags = 0): Promise<number> {
    if (kind === write) {
      this.cache.arena.bytes.fill(fill, 0, blockBytes);
    }
    const lengthBytes = kind === flush ? 0 : blockBytes;
    const offsetBytes = kind === flush ? 0 : block * blockBytes;
    this.cache.submit({ kind, flags, offsetBytes, lengthBytes, slot: 0, tag: 1 });
    this.cache.commit();
    return await this.world.run(
      new Promise<number>((resolve) => {
        const look = () => {
          if (this.cache.poll(1) === 1) {
            resolve(this.cache.completions.result[0] as number);
          } else {
            this.cache.onReady(look);
          }
        };
        look();
      }),
    );
  }

  async byteOf(block: number): Promise<number | undefined> {
    expect(await this.one(read, block)).toBe(blockBytes);
    return this.cache.arena.bytes[0];
  }

  /** What lies on the disk itself. */
  stored(block: number): number | undefined {
    const byte = new Uint8Array(1);
    this.world.disks.get("image")?.disk.image.read(block * blockBytes, byte);
    return byte[0];
  }
}

const refusing = (times: number | null): readonly Fault[] => [
  { effect: "error", errno: errnos.EIO, kinds: [write], times },
];

describe("an image that refuses writes", () => {
  it("writeback: the flush fails, the data stay, and go out when the image is well again", async () => {
    const place = new Place("writeback", {}, refusing(1));
    expect(await place.one(write, 3, 0x33)).toBe(blockBytes);
    expect(await place.one(flush)).toBe(-errnos.EIO);
    expect(await place.byteOf(3)).toBe(0x33);
    expect(place.cache.stats.dirtyBytes).toBe(blockBytes);
    expect(await place.one(flush)).toBe(0);
    expect(place.cache.stats.dirtyBytes).toBe(0);
    expect(place.stored(3)).toBe(0x33);
  });

  it("writeback: for good, ending it says what is lost", async () => {
    const place = new Place("writeback", {}, refusing(null));
    expect(await place.one(write, 3, 0x33)).toBe(blockBytes);
    await expect(place.world.run(place.cache.shutDown())).rejects.toThrow(
      /could not write 4096 bytes to image: errno 5; they are lost/,
    );
  });

  it.each(["writeback", "writethrough"])(
    "%s: a write that had to be there at once fails, and nothing is kept of it",
    async (policy) => {
      const place = new Place(policy, { writethroughUntilFlush: true }, refusing(1));
      expect(await place.one(write, 5, 0x55)).toBe(-errnos.EIO);
      expect(await place.byteOf(5)).toBe(0);
      expect(await place.one(write, 5, 0x66)).toBe(blockBytes);
      expect(place.stored(5)).toBe(0x66);
    },
  );

  it("writearound: the next flush fails once, then all is well", async () => {
    const place = new Place("writearound", {}, refusing(1));
    expect(await place.one(write, 7, 0x77)).toBe(blockBytes);
    expect(await place.one(flush)).toBe(-errnos.EIO);
    expect(await place.one(write, 7, 0x78)).toBe(blockBytes);
    expect(await place.one(flush)).toBe(0);
    expect(place.stored(7)).toBe(0x78);
  });

  it.each(["writearound", "writeback", "writethrough"])(
    "%s: a read or flush that fails below fails above",
    async (policy) => {
      const kinds = [read, flush];
      const place = new Place(policy, {}, [{ effect: "error", errno: 5, kinds, times: null }]);
      expect(await place.one(read, 1)).toBe(-errnos.EIO);
      expect(await place.one(write, 1, 1)).toBe(blockBytes);
      expect(await place.one(flush)).toBe(-errnos.EIO);
    },
  );
});

describe("how long data stay dirty", () => {
  it("until they are too old, without anybody asking", async () => {
    const place = new Place("writeback", { maxDirtyAgeNs: 5e6 });
    const startNs = place.world.clock.nowNs();
    expect(await place.one(write, 2, 0x22)).toBe(blockBytes);
    expect(place.stored(2)).toBe(0);
    while (place.stored(2) === 0 && place.world.clock.nowNs() < startNs + 50e6) {
      place.cache.onReady(() => {});
      expect(place.world.clock.step()).toBe(true);
    }
    expect(place.stored(2)).toBe(0x22);
    expect(place.world.clock.nowNs()).toBeGreaterThanOrEqual(startNs + 5e6);
  });

  it("not at all with FUA, with a limit of 0, or before the first flush", async () => {
    const durable = new Place("writeback", {});
    expect(await durable.one(write, 1, 1, flagFua)).toBe(blockBytes);
    expect(durable.stored(1)).toBe(1);
    const none = new Place("writeback", { maxDirtyBytes: 0 });
    expect(await none.one(write, 1, 1)).toBe(blockBytes);
    expect(none.stored(1)).toBe(1);
    for (const policy of ["writeback", "writearound"]) {
      const early = new Place(policy, { writethroughUntilFlush: true });
      expect(await early.one(write, 1, 1)).toBe(blockBytes);
      expect(early.stored(1)).toBe(1);
      expect(await early.one(flush)).toBe(0);
      expect(await early.one(write, 1, 2)).toBe(blockBytes);
      expect(early.stored(1)).toBe(1);
    }
  });
});

it.each(["writearound", "writeback", "writethrough"])(
  "%s: who asked to be told before there was anything is told",
  (policy) => {
    const { cache, world } = new Place(policy, { writethroughUntilFlush: true });
    let told = false;
    cache.onReady(() => {
      told = true;
    });
    cache.submit({
      kind: write,
      flags: 0,
      offsetBytes: 0,
      lengthBytes: blockBytes,
      slot: 0,
      tag: 1,
    });
    cache.commit();
    while (!told && world.clock.step()) {}
    expect(told).toBe(true);
    expect(cache.poll(1)).toBe(1);
  },
);

describe("reading ahead", () => {
  const rules = { triggerRequests: 3, maxBytes: 64 << 10, disableAfterBytes: 0 };
  const kib = 1024;

  it("begins after so many reads in a row, doubles past the middle, and stops at the end", () => {
    const ahead = new Readahead(rules, 256 * kib, 4096);
    const ranges = Array.from({ length: 64 }, (_, index) => ahead.read(index * 4 * kib, 4 * kib));
    expect(ranges.slice(0, 3)).toEqual([null, null, null]);
    const found = ranges.filter((range) => range !== null);
    expect(found.map(({ lengthBytes }) => lengthBytes / kib)).toEqual([12, 24, 48, 64, 64, 28]);
    // Each begins where the one before ended, the first behind the reads.
    let end = 16 * kib;
    for (const { offsetBytes, lengthBytes } of found) {
      expect(offsetBytes).toBe(end);
      end += lengthBytes;
    }
    expect(end).toBe(256 * kib);
  });

  it("not for reads out of order, nor after so many bytes, nor when it is off", () => {
    const jumping = new Readahead(rules, 1 << 20, 4096);
    for (let index = 0; index < 30; index += 1) {
      expect(jumping.read(((index * 7) % 30) * 8192, 4096)).toBeNull();
    }
    const short = new Readahead({ ...rules, disableAfterBytes: 16 * kib }, 1 << 20, 4096);
    const off = new Readahead({ ...rules, triggerRequests: 0 }, 1 << 20, 4096);
    const seen = Array.from({ length: 12 }, (_, index) => [
      short.read(index * 4096, 4096) !== null,
      off.read(index * 4096, 4096) !== null,
    ]);
    expect(seen.map(([first]) => first).lastIndexOf(true)).toBe(3);
    expect(seen.some(([, second]) => second)).toBe(false);
  });
});

describe("eviction", () => {
  const pages = 256;
  const room = 32;
  const noAhead = { triggerRequests: 0, maxBytes: 0, disableAfterBytes: 0 };

  /** Some pages are asked for often, and now and then many in a row once. */
  function trace(accesses: number): readonly number[] {
    const random = new SeededRandom(11);
    return Array.from({ length: accesses }, (_, at) =>
      at % 200 < 140 ? Math.floor(pages * random.unit() ** 3) : (at * 3) % pages,
    );
  }

  /** Which of these uses hit when the policy alone is told them. */
  function modelOf(name: string, uses: readonly number[]): readonly boolean[] {
    const policy = openCache(name);
    const slots = new Map<CacheKey, number>();
    return uses.map((page) => {
      const slot = slots.get(page);
      if (slot === undefined) {
        policy.miss();
        slots.set(page, policy.insert(page, blockBytes));
        policy.trimTo(room * blockBytes, (key) => slots.delete(key));
      } else {
        policy.hit(slot);
      }
      return slot !== undefined;
    });
  }

  /** Which of these uses the cache answered; `kindOf`: reads do, writes are not counted. */
  async function hitsOf(
    eviction: string,
    uses: readonly number[],
    policy = "writeback",
    kindOf: (at: number) => OpKind = () => read,
  ): Promise<readonly boolean[]> {
    const sizeBytes = room * blockBytes;
    const place = new Place(policy, { eviction, sizeBytes, readahead: noAhead });
    const hits: boolean[] = [];
    for (const [at, page] of uses.entries()) {
      const before = place.cache.stats.counters.readHits;
      expect(await place.one(kindOf(at), page, 1)).toBe(blockBytes);
      hits.push(place.cache.stats.counters.readHits > before);
      expect(place.cache.stats.heldBytes).toBeLessThanOrEqual(sizeBytes);
    }
    return hits;
  }

  const count = (hits: readonly boolean[]) => hits.filter(Boolean).length;

  it.each(cacheKinds().map(({ name }) => name))(
    "%s: reads hit where the policy says when it is told of each once",
    async (name) => {
      const uses = trace(2000);
      expect(await hitsOf(name, uses)).toEqual(modelOf(name, uses));
    },
  );

  it("arc keeps what is used again where lru loses it to what is used once", async () => {
    const uses = trace(2000);
    const [arc, lru] = [await hitsOf("arc", uses), await hitsOf("lru", uses)];
    expect(count(arc)).toBeGreaterThan(1.05 * count(lru));
  });

  it.each(["lru", "arc"])("%s: a write is one use, too", async (name) => {
    const uses = trace(1000);
    const isWrite = (at: number) => at % 3 === 0;
    const hits = await hitsOf(name, uses, "writethrough", (at) => (isWrite(at) ? write : read));
    const expected = modelOf(name, uses).map((hit, at) => hit && !isWrite(at));
    expect(hits).toEqual(expected);
  });

  it("what is read ahead is used when it is asked for, not before", async () => {
    const sizeBytes = room * blockBytes;
    const readahead = { triggerRequests: 2, maxBytes: 32 << 10, disableAfterBytes: 0 };
    const place = new Place("writeback", { eviction: "arc", sizeBytes, readahead });
    // Twice used: the scan below must not drive them out.
    const kept = [200, 210, 220, 230, 240];
    for (const page of [...kept, ...kept]) {
      expect(await place.one(read, page)).toBe(blockBytes);
    }
    for (let page = 0; page < 128; page += 1) {
      expect(await place.one(read, page)).toBe(blockBytes);
    }
    const before = place.cache.stats.counters.readHits;
    expect(place.cache.stats.counters.readaheads).toBeGreaterThan(0);
    for (const page of kept) {
      expect(await place.one(read, page)).toBe(blockBytes);
    }
    expect(place.cache.stats.counters.readHits - before).toBe(kept.length);
  });
});
