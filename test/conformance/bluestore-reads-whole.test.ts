/**
 * A read gives its object as it was when the read was asked for, whole, whatever is done to the object
 * meanwhile: the device is slow to read, and everything written, deferred writes too, overtakes it.
 */
import { expect, test } from "vitest";
import { opKinds } from "../../engine/port/block-device.ts";
import type { BlueStoreOptions } from "../../engine/store/bluestore/options.ts";
import { firstDifference, StoreSession } from "../../engine/store/conformance-session.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { type BlueStoreHarness, blueStoreSubject } from "./store-subjects.ts";

const id = "1.0";
const objectBytes = 150_000;

const shapes: Readonly<Record<string, Partial<BlueStoreOptions>>> = {
  "new places": {},
  "in place through the log": { preferDeferredBytes: 65536, deferredBatchOps: 2 },
  "in place, without checksums": {
    preferDeferredBytes: 65536,
    deferredBatchOps: 2,
    checksumType: "none",
  },
  "units of 64 KiB": { minAllocBytes: 65536, deferredBatchOps: 1 },
  "compressed, small shards": {
    compressionMode: "force",
    shardMaxBytes: 200,
    shardTargetBytes: 100,
    shardMinBytes: 30,
  },
};

/** What is left of an object and what was done to it. */
class Model {
  bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  write(offset: number, data: Uint8Array): void {
    const grown = new Uint8Array(Math.max(this.bytes.length, offset + data.length));
    grown.set(this.bytes);
    grown.set(data, offset);
    this.bytes = grown;
  }
}

/** One change of the object, in the store's words and in the model. */
function change(session: StoreSession, model: Model): Transaction {
  const { random } = session;
  const object = session.object("a");
  const transaction = new Transaction();
  const kind = random.below(10);
  if (kind === 0) {
    const size = random.below(objectBytes);
    transaction.truncate(id, object, size);
    model.bytes = model.bytes.slice(0, size);
    model.write(size, new Uint8Array(0));
  } else if (kind === 1) {
    const data = session.bytes(random.below(objectBytes));
    transaction.remove(id, object).write(id, object, 0, data);
    model.bytes = data;
  } else {
    const blocks = kind < 6;
    const offset = random.below(objectBytes - 1);
    const at = blocks ? offset - (offset % 4096) : offset;
    const data = session.bytes(blocks ? 4096 * (1 + random.below(4)) : 1 + random.below(9000));
    transaction.write(id, object, at, data);
    model.write(at, data);
  }
  const { length } = model.bytes;
  transaction.truncate(id, object, length);
  return transaction;
}

async function round(session: StoreSession, model: Model): Promise<void> {
  const { store, random } = session;
  const object = session.object("a");
  const reads: { readonly into: Uint8Array; readonly wanted: Uint8Array; got: number }[] = [];
  let changes = 0;
  for (let step = 0; step < 12; step += 1) {
    if (step % 3 === 0) {
      const from = random.below(2) * random.below(objectBytes);
      const wanted = model.bytes.slice(from);
      const read = { into: new Uint8Array(objectBytes * 2), wanted, got: Number.NaN };
      reads.push(read);
      store.read(id, object, from, read.into, (result) => {
        read.got = result;
      });
    }
    changes += 1;
    store.submit(change(session, model), (result) => {
      expect(result).toBe(0);
      changes -= 1;
    });
    for (let turns = random.below(40); turns > 0; turns -= 1) {
      await session.harness.turn();
    }
  }
  await session.flush();
  while (changes > 0 || reads.some(({ got }) => Number.isNaN(got))) {
    await session.harness.turn();
  }
  for (const { into, wanted, got } of reads) {
    expect(got).toBe(wanted.length);
    expect(firstDifference(into.subarray(0, got), wanted)).toBe(-1);
  }
}

for (const [name, options] of Object.entries(shapes)) {
  test(`a read under way sees nothing of later changes: ${name}`, async () => {
    const subject = blueStoreSubject({ name, options: { ...options, dataCacheBytes: 0 } });
    for (let seed = 1; seed <= 8; seed += 1) {
      const harness = (await subject.create(seed)) as BlueStoreHarness;
      const session = new StoreSession(subject, harness, seed);
      await session.apply((t) => t.createCollection(id, 0));
      const model = new Model(session.bytes(objectBytes));
      await session.apply((t) => t.write(id, session.object("a"), 0, model.bytes));
      await session.flush();
      const fault = { kinds: [opKinds.read], times: null, effect: "slow", delayNs: 4e6 } as const;
      await harness.remountOn([fault]);
      for (let rounds = 0; rounds < 5; rounds += 1) {
        await round(session, model).catch((error) => {
          throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, {
            cause: error,
          });
        });
      }
      await harness.check();
      await harness.close();
    }
  });
}
