/**
 * Bits that turn over in every kind of record that RocksDB and BlueFS leave on a device, after a clean end
 * and after none: what was committed is there, or an error says what is damaged. Never fewer objects.
 */
import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, describe, expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { fsckStore } from "../../engine/store/bluestore/fsck/fsck.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { objectName } from "../../engine/store/object-name.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { hasRocksdb, NativeStorePlace } from "../conformance/native-store.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const campaign = process.env["OSDYNO_CAMPAIGN"] === "1";
const cases = campaign ? 400 : 8;
const patienceMs = campaign ? 3_600_000 : 120_000;
const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

const collection = "1.0";
const objects = 240;
const nameOf = (index: number) =>
  objectName({ pool: 1, name: `object-${String(index).padStart(5, "0")}` });
const contentOf = (index: number) => new Uint8Array(4096).fill((index * 7 + 1) & 0xff);

async function submit(store: BlueStore, transaction: Transaction): Promise<number> {
  return await new Promise((resolve) => store.submit(transaction, resolve));
}

/** The device after a store was filled, one commit after the other. */
async function filled(place: NativeStorePlace, clean: boolean): Promise<Uint8Array> {
  const random = new SeededRandom(seed);
  await place.make();
  const { store, close } = await place.mount();
  await submit(store, new Transaction().createCollection(collection, 0));
  for (let index = 0; index < objects; index += 1) {
    const noise = Uint8Array.from({ length: 1500 }, () => random.below(256));
    const transaction = new Transaction()
      .write(collection, nameOf(index), 0, contentOf(index))
      .setAttrs(collection, nameOf(index), new Map([["noise", noise]]));
    expect(await submit(store, transaction)).toBe(0);
  }
  if (clean) {
    expect(await new Promise((resolve) => store.unmount(resolve))).toBe(0);
  } else {
    store.abandon();
  }
  close();
  return readFileSync(place.path("main"));
}

type Outcome = "whole" | "without the last" | "partly" | "refused";

/** Names every part that is damaged, the device, and what to do. */
const refusal =
  /main: .*(BlueFS|write-ahead log db\.wal\/\d+\.log|file \S+\/\S+|table file \S+\.sst).* damaged.*; osdyno fsck \S+main says/;

async function outcomeOf(place: NativeStorePlace): Promise<Outcome> {
  let mounted: Awaited<ReturnType<NativeStorePlace["mount"]>>;
  try {
    mounted = await place.mount();
  } catch (error) {
    expect(String(error)).toMatch(refusal);
    return "refused";
  }
  const { store, close } = mounted;
  try {
    const query = { first: null, end: null, max: 2 * objects };
    const listed = await new Promise<readonly string[] | null>((resolve) =>
      store.list(collection, query, (errno, answer) =>
        resolve(errno === 0 ? (answer?.objects ?? []).map(({ name }) => name) : null),
      ),
    );
    const missing = Array.from({ length: objects }, (_, index) => index).filter(
      (index) => listed !== null && !listed.includes(nameOf(index).name),
    );
    let unread = listed === null ? 1 : 0;
    for (let index = 0; index < objects; index += 1) {
      const into = new Uint8Array(4096);
      const done = (resolve: (result: number) => void) =>
        store.read(collection, nameOf(index), 0, into, resolve);
      const result = await new Promise<number>(done);
      if (result === -5) {
        unread += 1;
      } else if (!missing.includes(index)) {
        expect([result, Buffer.compare(into, contentOf(index))]).toEqual([4096, 0]);
      }
    }
    if (unread > 0) {
      expect(store.state.damage.join("\n")).toMatch(/table file \S+\.sst is damaged/);
    }
    // Only of the last commit nothing that was written later tells.
    expect(missing.filter((index) => index !== objects - 1)).toEqual([]);
    return unread > 0 ? "partly" : missing.length > 0 ? "without the last" : "whole";
  } finally {
    store.abandon();
    close();
  }
}

async function findings(place: NativeStorePlace): Promise<readonly string[]> {
  const opened = place.open();
  try {
    const report = await fsckStore(opened.parts, { deep: false, repair: false });
    return report.errors.map(({ message }) => message);
  } finally {
    opened.close();
  }
}

/** Places where a text is, whole blocks apart from `step` on. */
function hits(image: Uint8Array, text: string, step = 1): number[] {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  const found: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    if (at % step === 0) {
      found.push(at);
    }
  }
  return found;
}

/** What may follow, the worst last: that MUST be met. */
const kinds: Readonly<Record<string, readonly Outcome[]>> = {
  superblocks: ["whole"],
  "marks of the log's end": ["whole"],
  "BlueFS's log": ["whole", "refused"],
  records: ["whole", "without the last", "partly", "refused"],
};

/** Bytes to turn over in, of one kind. */
function placesOf(image: Uint8Array, random: SeededRandom): Record<string, number[]> {
  const some = (from: readonly number[], within: number) =>
    Array.from(
      { length: cases },
      () => (from[random.below(from.length)] as number) + random.below(within),
    );
  const log = hits(image, "TLBG", 4096);
  return {
    superblocks: some([4096, 8192], 120),
    "marks of the log's end": some([12288, 16384], 36),
    // Header and first operation, of the first, the last and any transaction.
    "BlueFS's log": [log[0] as number, log.at(-1) as number, ...some(log, 37)],
    records: some(hits(image, "object-0"), 1400),
  };
}

describe.skipIf(!hasRocksdb).each([true, false])("ended cleanly: %s", (clean) => {
  const place = new NativeStorePlace(
    { name: "", kv: "rocksdb", mainBytes: 64 << 20 },
    seed,
    memory,
  );
  afterAll(() => place.dispose());

  it(
    `bits turned over, ${cases} of each kind of record, seed ${seed}`,
    async () => {
      const image = await filled(place, clean);
      const random = new SeededRandom(seed).fork(String(clean));
      for (const [kind, places] of Object.entries(placesOf(image, random))) {
        const seen = new Map<Outcome, number>();
        for (const at of places) {
          const what = `${kind}, byte ${at}, clean ${clean}, seed ${seed}`;
          writeFileSync(place.path("main"), image);
          const file = openSync(place.path("main"), "r+");
          writeSync(file, Uint8Array.of((image[at] as number) ^ (1 << random.below(8))), 0, 1, at);
          closeSync(file);
          let outcome: Outcome;
          let found: readonly string[];
          try {
            found = await findings(place);
            outcome = await outcomeOf(place);
          } catch (error) {
            throw new Error(`${what}: ${error instanceof Error ? error.message : error}`, {
              cause: error,
            });
          }
          expect(kinds[kind], what).toContain(outcome);
          expect(clean && outcome === "without the last", what).toBe(false);
          const hurt = outcome === "partly" || outcome === "refused";
          expect(found.length > 0, `${what}: ${outcome}, ${found.join("; ")}`).toBe(hurt);
          seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
        }
        const rows = [...seen].map(([outcome, times]) => `${outcome} ${times}`);
        process.stdout.write(`${clean ? "clean" : "killed"}, ${kind}: ${rows.join(", ")}\n`);
        if (kind === "BlueFS's log") {
          expect(seen.get("refused") ?? 0).toBeGreaterThan(0);
        }
      }
    },
    patienceMs,
  );
});
