/**
 * Random transactions against the plain model: several are under way at once, their results come in
 * order and are those of the model, and all that can be read is compared after every step. The store
 * is mounted again at random.
 */

import { SeededRandom } from "../base/random.ts";
import { childOf, rangeOf } from "./collection.ts";
import { type ModelMemo, type ModelObject, StoreModel } from "./conformance-model.ts";
import {
  expect,
  expectEqual,
  firstDifference,
  type StoreSession,
  Unreadable,
} from "./conformance-session.ts";
import { keyOfObject } from "./object-key.ts";
import { compareObjects, type ObjectName, objectName } from "./object-name.ts";
import { allocHints, Transaction } from "./transaction.ts";

/** Larger objects are not what transactions work on; they are read through now and then. */
const largeBytes = 512 << 10;
/** Bytes that transactions may grow an object to, and boundaries that are interesting in it. */
const objectBytesLimit = 320 * 1024;
const blockBytes = 4096;
const boundaries = [0, 512, 4096, 8192, 16384, 65536, 131072, 262144];

export interface RandomRun {
  readonly steps: number;
  /** Mean steps between two remounts; 0: none. */
  readonly remountEvery: number;
  /** Objects per collection that are worked on. */
  readonly objects: number;
  /** Shared by runs of the same transactions. */
  readonly memo?: ModelMemo;
  /** The device may have lost data: a read may be refused, but what it returns is right. */
  readonly damaged?: boolean;
}

export class RandomStoreRun {
  readonly #session: StoreSession;
  readonly #model: StoreModel;
  /** The same for every seed, so that a later life of a store goes on with them. */
  readonly #names: ObjectName[] = [];
  readonly #run: RandomRun;
  /** Reads of damaged data that were refused. */
  unreadable = 0;

  constructor(session: StoreSession, run: RandomRun) {
    this.#session = session;
    this.#run = run;
    this.#model = new StoreModel(session.store.arena?.slotBytes ?? 0, run.memo);
    const random = new SeededRandom(run.objects).fork("names");
    for (let index = 0; index < run.objects; index += 1) {
      this.#names.push(
        objectName({
          pool: 1,
          name: `object ${index % 3 === 0 ? "#~!" : ""}${index}`,
          hash: random.bits32(),
          nspace: random.below(3) === 0 ? "space" : "",
          snap: random.below(3) === 0 ? random.below(5) : Number.MAX_SAFE_INTEGER - 1,
        }),
      );
    }
  }

  async run(): Promise<void> {
    const { random } = this.#session;
    await this.#submitMany([new Transaction().createCollection("1.0", 0)]);
    for (let step = 0; step < this.#run.steps; step += 1) {
      const transactions = Array.from({ length: 1 + random.below(4) }, () => this.draw());
      await this.#submitMany(transactions);
      await this.compare(step % 8 === 0);
      if (this.#run.remountEvery > 0 && random.below(this.#run.remountEvery) === 0) {
        await this.#session.flush();
        await this.#session.harness.check();
        await this.#session.harness.remount(random.below(2) === 0);
        await this.compare(true);
      }
    }
    await this.#session.flush();
    await this.#session.harness.check();
  }

  async #submitMany(transactions: readonly Transaction[]): Promise<void> {
    const { store } = this.#session;
    const results: number[] = [];
    const order: number[] = [];
    const wanted = transactions.map((each) => this.model(each));
    await this.#session.wait<number>((done) => {
      for (const [index, transaction] of transactions.entries()) {
        let inside = true;
        store.submit(transaction, (result) => {
          expect(!inside, "a callback came from within submit");
          results[index] = result;
          order.push(index);
          if (order.length === transactions.length) {
            done(0);
          }
        });
        inside = false;
      }
    });
    for (const [index, result] of results.entries()) {
      expectEqual(result, wanted[index], `result of transaction ${index} of a step`);
    }
    // Transactions of one collection call back in order; these may concern several.
    if (this.#model.collections.size === 1) {
      expect(
        order.every((index, at) => index === at),
        `callbacks came in the order ${order}`,
      );
    }
  }

  #name(): ObjectName {
    return this.#names[this.#session.random.below(this.#names.length)] as ObjectName;
  }

  #collection(name: ObjectName): string {
    return this.#model.collectionOf(name) ?? "1.0";
  }

  #offset(): number {
    const { random } = this.#session;
    const boundary = boundaries[random.below(boundaries.length)] as number;
    switch (random.below(4)) {
      case 0:
        return boundary;
      case 1:
        return Math.max(0, boundary + random.below(64) - 32);
      case 2:
        return 4096 * random.below(64);
      default:
        return random.below(objectBytesLimit);
    }
  }

  #length(): number {
    const { random } = this.#session;
    switch (random.below(6)) {
      case 0:
        return random.below(64);
      case 1:
        return 4096;
      case 2:
        return 4096 * (1 + random.below(24));
      case 3:
        return 1 + random.below(8192);
      case 4:
        return 65536;
      default:
        return random.below(100_000);
    }
  }

  #data(): Uint8Array {
    const { random } = this.#session;
    const length = this.#length();
    // A third can be compressed to next to nothing, a third to about half.
    const kind = random.below(3);
    const made = this.#session.bytes(length);
    if (kind > 0) {
      const pattern = this.#session.bytes(64);
      for (let at = 0; at < length; at += 1) {
        if (kind === 1 || at % 2048 < 1200) {
          made[at] = pattern[at % 61] as number;
        }
      }
    }
    return made;
  }

  /** Applies a transaction to the model alone; the result it must have. */
  model(transaction: Transaction): number {
    return this.#model.apply(transaction, () => new Uint8Array(0));
  }

  /** A random transaction for the model as it stands. */
  draw(): Transaction {
    const transaction = new Transaction();
    for (let count = this.#session.random.below(3); count >= 0; count -= 1) {
      this.#addOp(transaction);
    }
    return transaction;
  }

  /** A split of a collection, or the merge that undoes one. */
  drawDivision(): Transaction {
    const { random } = this.#session;
    const all = [...this.#model.collections].filter(([id]) => id !== "meta");
    const divided = all.filter(([, bits]) => bits > 0);
    const merges = divided.length > 0 && random.below(2) === 0;
    const from = merges ? divided : all;
    const [id, bits] = from[random.below(Math.max(1, from.length))] ?? ["1.0", 0];
    const range = rangeOf(id, merges ? bits - 1 : bits);
    const child = range === null ? "1.1" : childOf(range);
    const transaction = new Transaction();
    return merges ? transaction.mergeCollection(child, id) : transaction.splitCollection(id, child);
  }

  #addOp(transaction: Transaction): void {
    const { random } = this.#session;
    const name = this.#name();
    const collection = this.#collection(name);
    const drawn = random.below(100);
    if (drawn < 45) {
      transaction.write(collection, name, this.#offset(), this.#data());
    } else if (drawn < 52) {
      transaction.zero(collection, name, this.#offset(), this.#length());
    } else if (drawn < 59) {
      transaction.truncate(collection, name, this.#offset());
    } else if (drawn < 63) {
      transaction.remove(collection, name);
    } else if (drawn < 66) {
      transaction.touch(collection, name);
    } else if (drawn < 80) {
      this.#addTarget(transaction, collection, name);
    } else if (drawn < 97) {
      this.#addNamed(transaction, collection, name);
    } else {
      this.#addCollectionOp(transaction);
    }
  }

  #addTarget(transaction: Transaction, collection: string, name: ObjectName): void {
    const { random } = this.#session;
    const target = this.#name();
    switch (random.below(4)) {
      case 0:
        transaction.rename(collection, name, target);
        break;
      case 1:
        transaction.clone(collection, name, target);
        break;
      default: {
        const aligned = random.below(2) === 0;
        const place = (bytes: number): number => (aligned ? bytes - (bytes % 4096) : bytes);
        transaction.cloneRange(collection, name, target, {
          offsetBytes: place(this.#offset()),
          lengthBytes: place(this.#length()),
          targetOffsetBytes: place(this.#offset()),
        });
      }
    }
  }

  #pairs(): Map<string, Uint8Array> {
    const { random } = this.#session;
    const made = new Map<string, Uint8Array>();
    for (let count = 1 + random.below(4); count > 0; count -= 1) {
      made.set(`key-${random.below(20)}${random.below(4) === 0 ? "\u00e9" : ""}`, this.#value());
    }
    return made;
  }

  #value(): Uint8Array {
    return this.#session.bytes(this.#session.random.below(200));
  }

  #addNamed(transaction: Transaction, collection: string, name: ObjectName): void {
    const { random } = this.#session;
    const key = `key-${random.below(20)}`;
    switch (random.below(10)) {
      case 0:
      case 1:
        transaction.setAttrs(collection, name, this.#pairs());
        break;
      case 2:
        transaction.removeAttr(collection, name, key);
        break;
      case 3:
        if (random.below(4) === 0) {
          transaction.removeAttrs(collection, name);
        }
        transaction.omapSetHeader(collection, name, this.#value());
        break;
      case 4:
        transaction.omapRemove(collection, name, [key, `key-${random.below(20)}`]);
        break;
      case 5:
        transaction.omapRemoveRange(collection, name, key, `key-${random.below(20)}`);
        break;
      case 6:
        if (random.below(3) === 0) {
          transaction.omapClear(collection, name);
        }
        transaction.setAllocHint(collection, name, {
          objectBytes: 2 ** 20,
          writeBytes: 2 ** (12 + random.below(6)),
          hints: random.below(1024) & ~allocHints.shortLived,
        });
        break;
      default:
        transaction.omapSet(collection, name, this.#pairs());
    }
  }

  #addCollectionOp(transaction: Transaction): void {
    const { random } = this.#session;
    const all = [...this.#model.collections];
    // The model may be behind the first transactions.
    const [id, bits] = all[random.below(Math.max(1, all.length))] ?? ["1.0", 0];
    const range = rangeOf(id, bits);
    if (range === null) {
      return;
    }
    switch (random.below(4)) {
      case 0:
        transaction.splitCollection(id, childOf(range));
        break;
      case 1:
      case 2: {
        const half = rangeOf(id, Math.max(0, bits - 1));
        transaction.mergeCollection(half === null ? "1.1" : childOf(half), id);
        break;
      }
      default:
        transaction.createCollection(random.below(2) === 0 ? "2.0" : "meta", 0);
        transaction.removeCollection(id);
    }
  }

  /** Compares all objects, or one in four with all of what is listed. */
  async compare(all: boolean): Promise<void> {
    const { random } = this.#session;
    await this.#readable(() => this.#compareLists());
    for (const object of this.#model.objects) {
      if (all || random.below(4) === 0) {
        await this.#compareObject(object);
      }
    }
  }

  /** Runs a comparison; on a damaged store it may be refused. */
  async #readable(compare: () => Promise<void>): Promise<void> {
    try {
      await compare();
    } catch (error) {
      if (!(error instanceof Unreadable && this.#run.damaged === true)) {
        throw error;
      }
      this.unreadable += 1;
    }
  }

  async #compareLists(): Promise<void> {
    const ids = [...this.#model.collections.keys()].sort();
    const found = await this.#session.collections();
    expectEqual(
      found.map(({ id, bits }) => `${id}/${bits}`).join(),
      ids.map((id) => `${id}/${this.#model.collections.get(id)}`).join(),
      "the list of collections",
    );
    for (const id of ids) {
      const wanted = this.#model.objects
        .map(({ name }) => name)
        .filter((name) => this.#model.collectionOf(name) === id)
        .sort(compareObjects);
      const got: ObjectName[] = [];
      for (let first: ObjectName | null = null; ; ) {
        const answer = await this.#session.list(id, { first, max: 7 });
        got.push(...answer.objects);
        if (answer.next === null) {
          break;
        }
        first = answer.next;
      }
      expectEqual(
        got.map(keyOfObject).join("\n"),
        wanted.map(keyOfObject).join("\n"),
        `the list of collection ${id}`,
      );
    }
  }

  async #compareObject(object: ModelObject): Promise<void> {
    const { name, data } = object;
    const id = this.#model.collectionOf(name);
    expect(id !== null, "the model has an object outside of every collection");
    await this.#readable(() => this.#compareStat(id, object));
    if (data.length <= largeBytes || this.#session.random.below(8) === 0) {
      for (let at = 0; at < data.length; at += largeBytes) {
        await this.#compareData(id, object, at, largeBytes);
      }
    }
    await this.#compareData(id, object, this.#offset(), this.#length());
    await this.#readable(async () =>
      sameMaps(await this.#session.attrs(id, name), object.attrs, `attributes of ${name.name}`),
    );
    await this.#readable(() => this.#compareOmap(id, object));
  }

  async #compareStat(id: string, { name, data, expected }: ModelObject): Promise<void> {
    const stat = await this.#session.stat(id, name);
    expectEqual(stat.sizeBytes, data.length, `the size of ${name.name}`);
    expectEqual(
      `${stat.expectedObjectBytes},${stat.expectedWriteBytes},${stat.hints}`,
      expected.join(),
      `the hints of ${name.name}`,
    );
  }

  async #compareOmap(id: string, object: ModelObject): Promise<void> {
    const { name } = object;
    const answer = await this.#session.omap(id, name, { first: "", max: 1000 });
    sameMaps(answer.pairs, object.omap, `omap of ${name.name}`);
    expect(
      firstDifference(answer.header, object.header) < 0,
      `the omap header of ${name.name} differs`,
    );
  }

  async #compareData(
    id: string,
    object: ModelObject,
    offset: number,
    length: number,
  ): Promise<void> {
    const { name, data } = object;
    const got = await this.#session.tryRead(id, name, offset, length);
    if (got !== null) {
      const different = firstDifference(got, data.subarray(offset, offset + length));
      const at = offset + different;
      expect(different < 0, `byte ${at} of ${name.name} (${data.length} bytes) differs`);
      return;
    }
    expect(this.#run.damaged === true, `a read gives EIO: ${name.name} from ${offset}`);
    this.unreadable += 1;
    // What is not damaged can be read.
    for (let at = offset; length > blockBytes && at < offset + length; at += blockBytes) {
      await this.#compareData(id, object, at, blockBytes);
    }
  }
}

function sameMaps(
  got: ReadonlyMap<string, Uint8Array>,
  wanted: ReadonlyMap<string, Uint8Array>,
  what: string,
): void {
  expectEqual([...got.keys()].sort().join(), [...wanted.keys()].sort().join(), `keys of ${what}`);
  for (const [key, value] of wanted) {
    const other = got.get(key);
    expect(other !== undefined && firstDifference(other, value) < 0, `${key} of ${what} differs`);
  }
}
