/**
 * Overwrites of single units, which patch the kept records of shards, among all that changes these records
 * otherwise: the objects are as a plain model says, the kept records as the maps, also after remounts.
 */
import { expect, it } from "vitest";
import { crc32c, crc32cOfChange } from "../../engine/base/crc32c.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import type { BlueStoreOptions } from "../../engine/store/bluestore/options.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { firstDifference, StoreSession } from "../../engine/store/conformance-session.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { blueStoreSubject } from "../conformance/store-subjects.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const campaign = process.env["OSDYNO_CAMPAIGN"] === "1";
const id = "1.0";
const unit = 4096;
const objectBytes = 64 * unit;
const names = ["a", "b", "c"];

class Overwrites {
  readonly session: StoreSession;
  readonly #random: SeededRandom;
  readonly #model = new Map<string, Uint8Array>();
  /** Shards with a kept record, over all looks at them. */
  kept = 0;
  /** Units that went to the device with another. */
  together = 0;

  constructor(session: StoreSession, random: SeededRandom) {
    this.session = session;
    this.#random = random;
  }

  async fill(): Promise<void> {
    await this.session.apply((t) => t.createCollection(id, 0));
    for (const name of names) {
      const bytes = this.session.bytes(objectBytes);
      this.#model.set(name, bytes);
      await this.session.apply((t) => t.write(id, this.session.object(name), 0, bytes.slice()));
    }
  }

  #write(name: string, offset: number, length: number): Transaction {
    const bytes = this.session.bytes(length + 3).subarray(0, length);
    this.#model.get(name)?.set(bytes, offset);
    return new Transaction().write(id, this.session.object(name), offset, bytes);
  }

  #other(name: string): Transaction {
    const { session } = this;
    const bytes = this.#model.get(name) as Uint8Array;
    const offset = this.#random.below(objectBytes);
    const length = Math.min(1 + this.#random.below(12 * unit), objectBytes - offset);
    const target = names[this.#random.below(names.length)] as string;
    switch (this.#random.below(5)) {
      case 0:
        bytes.fill(0, offset, offset + length);
        return new Transaction().zero(id, session.object(name), offset, length);
      case 1:
        bytes.fill(0, offset);
        return new Transaction()
          .truncate(id, session.object(name), offset)
          .truncate(id, session.object(name), objectBytes);
      case 2:
        if (target === name) {
          return this.#write(name, offset, length);
        }
        this.#model.set(target, bytes.slice());
        return new Transaction().clone(id, session.object(name), session.object(target));
      case 3: {
        const first = offset - (offset % unit);
        return this.#write(name, first, Math.min(3 * unit, objectBytes - first));
      }
      default:
        return this.#write(name, offset, length);
    }
  }

  /** Several at once, nearly all of them of one unit. */
  async step(): Promise<void> {
    let left = 1 + this.#random.below(12);
    let units = true;
    const transactions = Array.from({ length: left }, () => {
      const name = names[this.#random.below(names.length)] as string;
      const one = this.#random.below(40) > 0;
      units &&= one;
      return one ? this.#write(name, unit * this.#random.below(64), unit) : this.#other(name);
    });
    const store = this.session.store as BlueStore;
    await this.session.wait<number>((done) => {
      const { writtenBytes, writes } = store.state.io.counters;
      // As volumes do it: what lies together goes to the device as one write.
      store.cork(this.#random.below(14));
      for (const transaction of transactions) {
        store.submit(transaction, (result) => {
          expect(result).toBe(0);
          left -= 1;
          if (left === 0) {
            done(0);
          }
        });
      }
      store.uncork();
      expect(store.state.units.heldBytes).toBe(0);
      const { counters } = store.state.io;
      const more = (counters.writtenBytes - writtenBytes) / unit - (counters.writes - writes);
      this.together += units ? more : 0;
    });
  }

  async check(): Promise<void> {
    const { state } = this.session.store as BlueStore;
    for (const [name, bytes] of this.#model) {
      const object = this.session.object(name);
      expect(firstDifference(await this.session.read(id, object, 0, objectBytes), bytes)).toBe(-1);
      const map = state.find(object)?.map;
      expect(map).toBeDefined();
      if (map !== undefined) {
        state.shards.checkKept(map);
        this.kept += map.shards.filter((shard) => shard.kept !== null).length;
      }
    }
  }
}

const smallShards = { shardTargetBytes: 200, shardMaxBytes: 400, shardMinBytes: 60 };
const kinds: readonly (readonly [string, Partial<BlueStoreOptions>])[] = [
  ["as it comes", {}],
  ["a bitmap of free space", { allocationFromFile: false }],
  ["no checksums", { checksumType: "none" }],
  ["sums of 64 bits", { checksumType: "xxhash64" }],
];

it.each(kinds)(`overwritten units are as the model says: %s (seed ${seed})`, async (_, options) => {
  const random = new SeededRandom(seed);
  const subject = blueStoreSubject({ name: "overwrites", options: { ...smallShards, ...options } });
  const session = new StoreSession(subject, await subject.create(seed), seed);
  const overwrites = new Overwrites(session, random);
  await overwrites.fill();
  for (let step = 1; step <= (campaign ? 2000 : 120); step += 1) {
    await overwrites.step();
    await overwrites.check();
    if (step % 30 === 0) {
      await session.flush();
      await session.harness.check();
      expect(await session.harness.remount(step % 60 === 0)).toBe(true);
      await overwrites.check();
    }
  }
  expect(overwrites.kept).toBeGreaterThan(100);
  expect(overwrites.together).toBeGreaterThan(20);
  await session.harness.close();
});

it(`a sum changes by what crc32cOfChange says (seed ${seed})`, () => {
  const random = new SeededRandom(seed);
  for (let round = 0; round < 500; round += 1) {
    const before = Uint8Array.from({ length: 1 + random.below(20_000) }, () => random.below(256));
    const count = 1 + random.below(Math.min(20, before.length));
    const from = random.below(before.length - count + 1);
    const change = Uint8Array.from({ length: count }, () => random.below(256));
    const after = before.slice();
    for (let at = 0; at < count; at += 1) {
      after[from + at] = (after[from + at] as number) ^ (change[at] as number);
    }
    const sum = crc32cOfChange(change, count, before.length - from - count);
    expect((crc32c(before) ^ sum) >>> 0).toBe(crc32c(after));
  }
});
