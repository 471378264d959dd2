/**
 * The one conformance suite of `KeyValueStore`: named checks, free of any test framework, so that tests
 * and the command line run the same. A check throws with one line; its seed reproduces it.
 */
import { SeededRandom } from "../../base/random.ts";
import { KvBatch } from "./batch.ts";
import { bytesOf, NaiveKeyValueStore } from "./conformance-model.ts";
import type { KeyValueStore, KvEntry, KvMergeOperator } from "./kv.ts";

/** What the subject MUST open its stores with. */
export const conformanceOperators: Readonly<Record<string, KvMergeOperator>> = Object.freeze({
  b: "xor",
  T: "addInt64",
});

/** One place in which stores are made and opened again. */
export interface KvPlace {
  open(how: { readonly create: boolean; readonly readOnly: boolean }): Promise<KeyValueStore>;
  /** Lets time pass until something may have completed. */
  pass(): Promise<void> | void;
  /** Frees what the place holds; all its stores are closed. */
  dispose(): void;
}

export interface KvSubject {
  readonly name: string;
  /** A new, empty place. */
  place(): KvPlace;
}

export interface KvCheck {
  readonly name: string;
  /** Returns why the check does not apply; `null`: it holds. */
  run(place: KvPlace, random: SeededRandom): Promise<string | null>;
}

export interface KvCheckResult {
  readonly check: string;
  readonly outcome: "passed" | "skipped" | "failed";
  /** Why skipped or what failed, with the seed. */
  readonly reason: string;
}

class Failure extends Error {}

function expect(condition: boolean, text: string): void {
  if (!condition) {
    throw new Failure(text);
  }
}

/** Lets time pass until the promise settles. */
export async function settle<T>(place: KvPlace, promise: Promise<T>): Promise<T> {
  let settled = false;
  const end = () => {
    settled = true;
  };
  promise.then(end, end);
  for (let turn = 0; !settled; turn += 1) {
    expect(turn < 1_000_000, "a promise does not settle");
    await place.pass();
  }
  return await promise;
}

function committed(
  place: KvPlace,
  store: KeyValueStore,
  batches: readonly KvBatch[],
): Promise<number> {
  return settle(place, new Promise<number>((resolve) => store.commit(batches, resolve)));
}

async function commitAll(
  place: KvPlace,
  store: KeyValueStore,
  batches: readonly KvBatch[],
): Promise<void> {
  const errno = await committed(place, store, batches);
  expect(errno === 0, `a commit failed with errno ${errno}`);
}

const made = { create: true, readOnly: false };
const again = { create: false, readOnly: false };

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) {
    return a === b;
  }
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function sameEntries(a: readonly KvEntry[], b: readonly KvEntry[]): boolean {
  return (
    a.length === b.length &&
    a.every((entry, at) => {
      const other = b[at] as KvEntry;
      return sameBytes(entry.key, other.key) && sameBytes(entry.value, other.value);
    })
  );
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const prefixes = ["O", "b", "T", "P", "longer"];

/** Few enough that keys meet again; with common beginnings, zero bytes and high bytes. */
function drawKey(random: SeededRandom): Uint8Array {
  const length = random.below(8) === 0 ? random.below(200) : random.below(5);
  const key = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) {
    key[at] = [0, 1, 0x61, 0x62, 0xff][random.below(5)] as number;
  }
  return key;
}

function drawValue(random: SeededRandom): Uint8Array {
  const sizes = [0, 8, 16, 16, 100, 600, 5000, 40_000];
  const value = new Uint8Array(sizes[random.below(random.below(6) === 0 ? 8 : 5)] as number);
  for (let at = 0; at < value.length; at += 1 + random.below(7)) {
    value[at] = random.below(256);
  }
  return value;
}

/** Adds one random operation. */
export function drawOperation(random: SeededRandom, batch: KvBatch): void {
  const prefix = prefixes[random.below(prefixes.length)] as string;
  const key = drawKey(random);
  const kind = random.below(20);
  if (kind < 10) {
    batch.set(prefix, key, drawValue(random));
  } else if (kind < 14) {
    batch.remove(prefix, key);
  } else if (kind < 19) {
    const operand = random.below(2) === 0 ? 16 : 8;
    batch.merge(random.below(2) === 0 ? "b" : "T", key, drawValue(random).subarray(0, operand));
  } else {
    const other = drawKey(random);
    const to = random.below(10) === 0 ? undefined : other;
    batch.removeRange(prefix, random.below(4) === 0 ? key : other, to);
  }
}

/** Throws at the first difference between the store and the model. */
export function compareStores(store: KeyValueStore, model: NaiveKeyValueStore): void {
  for (const prefix of new Set([...prefixes, ...model.prefixes])) {
    const nothing = new Uint8Array(0);
    const got = store.scan(prefix, nothing, undefined, 1e6);
    const wanted = model.scan(prefix, nothing, undefined, 1e6);
    if (!sameEntries(got, wanted)) {
      const at = wanted.findIndex((entry, index) => {
        const other = got[index];
        return other === undefined || !sameEntries([entry], [other]);
      });
      const key = wanted[at] === undefined ? "" : `, at key ${hex(wanted[at].key)}`;
      throw new Failure(`prefix ${prefix}: ${got.length} entries, expected ${wanted.length}${key}`);
    }
  }
}

function compareSome(store: KeyValueStore, model: NaiveKeyValueStore, random: SeededRandom): void {
  for (let each = 0; each < 4; each += 1) {
    const prefix = prefixes[random.below(prefixes.length)] as string;
    const key = drawKey(random);
    const got = store.get(prefix, key);
    expect(sameBytes(got, model.get(prefix, key)), `get ${prefix} ${hex(key)} is wrong`);
    const to = random.below(3) === 0 ? undefined : drawKey(random);
    const limit = 1 + random.below(20);
    const entries = store.scan(prefix, key, to, limit);
    expect(
      sameEntries(entries, model.scan(prefix, key, to, limit)),
      `scan ${prefix} from ${hex(key)} to ${to === undefined ? "the end" : hex(to)} limit ${limit} is wrong`,
    );
  }
}

async function randomHistory(place: KvPlace, random: SeededRandom): Promise<null> {
  let store = await settle(place, place.open(made));
  const model = new NaiveKeyValueStore(conformanceOperators);
  for (let step = 0; step < 300; step += 1) {
    const batches = Array.from({ length: 1 + random.below(3) }, () => {
      const batch = new KvBatch();
      for (let count = random.below(8); count >= 0; count -= 1) {
        drawOperation(random, batch);
      }
      model.apply(batch);
      return batch;
    });
    await commitAll(place, store, batches);
    compareSome(store, model, random);
    if (store.facts.durable && random.below(40) === 0) {
      await settle(place, store.close());
      store = await settle(place, place.open(again));
    }
    if (step % 20 === 19) {
      compareStores(store, model);
    }
  }
  compareStores(store, model);
  await settle(place, store.close());
  return null;
}

async function manyInFlight(place: KvPlace, random: SeededRandom): Promise<null> {
  const store = await settle(place, place.open(made));
  const model = new NaiveKeyValueStore(conformanceOperators);
  const order: number[] = [];
  let within = true;
  for (let each = 0; each < 200; each += 1) {
    const batch = new KvBatch();
    drawOperation(random, batch);
    model.apply(batch);
    store.commit([batch], (errno) => {
      expect(!within, "a callback ran within commit");
      expect(errno === 0, `a commit failed with errno ${errno}`);
      order.push(each);
    });
  }
  within = false;
  await settle(place, store.close());
  expect(
    order.length === 200 && order.every((each, at) => each === at),
    "callbacks did not come once, in order, before close ended",
  );
  if (store.facts.durable) {
    const opened = await settle(place, place.open(again));
    compareStores(opened, model);
    await settle(place, opened.close());
  }
  return null;
}

async function ownCopies(place: KvPlace): Promise<null> {
  const store = await settle(place, place.open(made));
  const batch = new KvBatch();
  const key = bytesOf("key");
  batch.set("O", key, bytesOf("first"));
  await commitAll(place, store, [batch]);
  const first = store.get("O", key);
  const [entry] = store.scan("O", key, undefined, 1);
  first?.fill(0);
  entry?.value.fill(0);
  entry?.key.fill(0);
  expect(
    sameBytes(store.get("O", key), bytesOf("first")),
    "what get returns is not the caller's own",
  );
  batch.clear();
  batch.set("O", key, bytesOf("other"));
  const held = store.get("O", key);
  await commitAll(place, store, [batch]);
  expect(sameBytes(held, bytesOf("first")), "a value that was returned changed later");
  await settle(place, store.close());
  return null;
}

async function orderOfBytes(place: KvPlace): Promise<null> {
  const store = await settle(place, place.open(made));
  const keys = [
    "",
    "\0",
    "\0\0",
    "\x01",
    "a",
    "a\0",
    "ab",
    "b",
    "\x7f",
    "\x80",
    "\xff",
    "\xff\xff",
  ];
  const batch = new KvBatch();
  for (const key of keys.toReversed()) {
    batch.set("O", bytesOf(key), bytesOf(key));
    batch.set("OO", bytesOf(key), bytesOf("other"));
    batch.set("N", bytesOf(key), bytesOf("other"));
  }
  await commitAll(place, store, [batch]);
  const got = store.scan("O", new Uint8Array(0), undefined, 100);
  expect(
    got.length === keys.length &&
      got.every(({ key }, at) => sameBytes(key, bytesOf(keys[at] ?? ""))),
    "a scan is not in the order of bytes, or mixes prefixes",
  );
  const part = store.scan("O", bytesOf("a"), bytesOf("b"), 2);
  expect(part.length === 2 && sameBytes(part[1]?.key, bytesOf("a\0")), "a scan ignores its limits");
  expect(store.scan("P", new Uint8Array(0), undefined, 9).length === 0, "an empty prefix has keys");
  await settle(place, store.close());
  return null;
}

async function readOnlyStore(place: KvPlace): Promise<string | null> {
  const store = await settle(place, place.open(made));
  if (!store.facts.durable) {
    await settle(place, store.close());
    return "nothing survives closing";
  }
  const batch = new KvBatch();
  batch.set("O", bytesOf("key"), bytesOf("value"));
  await commitAll(place, store, [batch]);
  await settle(place, store.close());
  const opened = await settle(place, place.open({ create: false, readOnly: true }));
  expect(
    sameBytes(opened.get("O", bytesOf("key")), bytesOf("value")),
    "a read-only store does not see what was committed",
  );
  const errno = await committed(place, opened, [batch]);
  expect(errno === 30, `a commit to a read-only store gave ${errno}, not EROFS (30)`);
  await settle(place, opened.close());
  return null;
}

async function largeValues(place: KvPlace, random: SeededRandom): Promise<null> {
  let store = await settle(place, place.open(made));
  const model = new NaiveKeyValueStore(conformanceOperators);
  for (let each = 0; each < 12; each += 1) {
    const batch = new KvBatch();
    const value = new Uint8Array(1 + random.below(700_000)).fill(each + 1);
    batch.set("O", bytesOf(`key ${each % 5}`), value);
    batch.set("O", bytesOf(`small ${each}`), bytesOf("x"));
    model.apply(batch);
    await commitAll(place, store, [batch]);
  }
  compareStores(store, model);
  if (store.facts.durable) {
    await settle(place, store.close());
    store = await settle(place, place.open(again));
    compareStores(store, model);
  }
  await settle(place, store.close());
  return null;
}

export const kvChecks: readonly KvCheck[] = [
  { name: "keys come in the order of their bytes, prefixes apart", run: orderOfBytes },
  { name: "what is returned is the caller's own", run: ownCopies },
  { name: "a random history as the naive model, opened again now and then", run: randomHistory },
  { name: "callbacks come once, in order, never from within commit", run: manyInFlight },
  { name: "values of up to 700 KB", run: largeValues },
  { name: "a read-only store reads and refuses to commit", run: readOnlyStore },
];

/** Runs one check in a place of its own. */
export async function runKvCheck(
  subject: KvSubject,
  check: KvCheck,
  seed: number,
): Promise<KvCheckResult> {
  const place = subject.place();
  try {
    const skipped = await check.run(place, new SeededRandom(seed).fork(check.name));
    return skipped === null
      ? { check: check.name, outcome: "passed", reason: "" }
      : { check: check.name, outcome: "skipped", reason: skipped };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { check: check.name, outcome: "failed", reason: `${reason} (seed ${seed})` };
  } finally {
    place.dispose();
  }
}
