import { expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { KvBatch } from "../../engine/hot/kv/batch.ts";
import { conformanceOperators, drawOperation } from "../../engine/hot/kv/conformance.ts";
import { NaiveKeyValueStore } from "../../engine/hot/kv/conformance-model.ts";
import type { Page } from "../../engine/hot/kv/page.ts";
import { PrefixedTree } from "../../engine/hot/kv/prefixed-tree.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const campaign = process.env["OSDYNO_CAMPAIGN"] === "1";

/** The records of pages, one after the other. */
function runOf(pages: readonly Page[]): Uint8Array {
  const run = new Uint8Array(pages.reduce((sum, page) => sum + page.live, 0));
  let at = 0;
  for (const page of pages) {
    at = page.writeRecords(run, at, 0, page.count);
  }
  return run;
}

it(`the tree is as the naive model after every batch, its invariants hold (seed ${seed})`, () => {
  const random = new SeededRandom(seed);
  const tree = new PrefixedTree(conformanceOperators);
  const model = new NaiveKeyValueStore(conformanceOperators);
  for (let step = 0; step < (campaign ? 20_000 : 1_000); step += 1) {
    const batch = new KvBatch();
    for (let count = random.below(20); count >= 0; count -= 1) {
      drawOperation(random, batch);
    }
    tree.apply(batch.bytes);
    model.apply(batch);
    tree.tree.checkInvariants();
    if (step % 50 === 0) {
      for (const prefix of model.prefixes) {
        const nothing = new Uint8Array(0);
        expect(tree.scan(prefix, nothing, undefined, 1e6)).toEqual(
          model.scan(prefix, nothing, undefined, 1e6),
        );
      }
    }
  }
});

it("a tree of many pages keeps order, splits, and shrinks to nothing", () => {
  const random = new SeededRandom(7);
  const tree = new PrefixedTree({});
  const keys = new Set<number>();
  const keyOf = (value: number) =>
    Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value & 255);
  for (let each = 0; each < 60_000; each += 1) {
    const value = random.bits32();
    const batch = new KvBatch();
    batch.set("O", keyOf(value), new Uint8Array(random.below(300)));
    tree.apply(batch.bytes);
    keys.add(value);
  }
  tree.tree.checkInvariants();
  expect(tree.tree.keys).toBe(keys.size);
  const sorted = [...keys].sort((a, b) => a - b);
  const read = tree.scan("O", new Uint8Array(0), undefined, 1e6);
  expect(read.map(({ key }) => new DataView(key.buffer).getUint32(0))).toEqual(sorted);
  for (const value of sorted.slice(0, 40_000)) {
    const batch = new KvBatch();
    batch.remove("O", keyOf(value));
    tree.apply(batch.bytes);
  }
  tree.tree.checkInvariants();
  expect(tree.tree.keys).toBe(sorted.length - 40_000);
  const batch = new KvBatch();
  batch.removeRange("O", new Uint8Array(0), undefined);
  tree.apply(batch.bytes);
  tree.tree.checkInvariants();
  expect(tree.tree.keys).toBe(0);
  expect(tree.tree.bytes).toBe(0);
});

it(`a snapshot stands still, and what is loaded from it is the same (seed ${seed})`, () => {
  const random = new SeededRandom(seed);
  const tree = new PrefixedTree(conformanceOperators);
  const change = (times: number) => {
    for (let step = 0; step < times; step += 1) {
      const batch = new KvBatch();
      drawOperation(random, batch);
      tree.apply(batch.bytes);
    }
  };
  for (let round = 0; round < 20; round += 1) {
    change(200);
    const before = tree.scan("O", new Uint8Array(0), undefined, 1e6);
    const pages = tree.tree.snapshot();
    const bytes = tree.tree.bytes;
    change(200);
    const loaded = new PrefixedTree(conformanceOperators);
    expect(loaded.tree.appendRun(runOf(pages))).toBe(true);
    loaded.tree.checkInvariants();
    expect(loaded.tree.bytes).toBe(bytes);
    expect(loaded.scan("O", new Uint8Array(0), undefined, 1e6)).toEqual(before);
  }
});
