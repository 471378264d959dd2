/**
 * Bugs that are planted on purpose, so that it can be seen that the checks find such bugs. They sit in
 * the parts that a store is made of; the store itself knows nothing of them.
 */
import type { Checksum, ChecksumMemory } from "../hot/checksum/checksum.ts";
import { KvBatch, KvBatchReader, kvOperations } from "../hot/kv/batch.ts";
import type { KeyValueStore } from "../hot/kv/kv.ts";
import type { Clock } from "../port/clock.ts";
import { prefixes } from "./bluestore/keys.ts";
import type { BlueStoreParts } from "./bluestore/parts.ts";

export const plantedBugs = Object.freeze({
  "stale-checksum": "every eighth checksum is not written",
  "blind-checksum": "checksums are never compared",
  "early-removal": "the record of a deferred write goes before the write is on the device",
  "late-freelist": "the freelist learns of space one commit after it is used",
  "stale-file": "mounting does not make the allocation file of the last clean end stale",
  "lost-premises": "the log does not keep what data its commits stand on",
  "early-answer": "commits are acknowledged before they are durable",
});
export type PlantedBug = keyof typeof plantedBugs;

/** The parts with the bug in them. */
export function plant(bug: PlantedBug, parts: BlueStoreParts): BlueStoreParts {
  const inKv = (wrap: (store: KeyValueStore) => KeyValueStore): BlueStoreParts => ({
    ...parts,
    openKv: async (context) => wrap(await parts.openKv(context)),
  });
  switch (bug) {
    case "stale-checksum":
      return { ...parts, checksum: (name) => staleChecksum(parts.checksum(name)) };
    case "blind-checksum":
      return { ...parts, checksum: (name) => blindChecksum(parts.checksum(name)) };
    case "early-removal":
      return inKv(earlyRemoval);
    case "late-freelist":
      return inKv(lateFreelist);
    case "stale-file":
      return inKv(staleFile);
    case "lost-premises":
      return inKv(lostPremises);
    default:
      return inKv((store) => earlyAnswer(store, parts.clock));
  }
}

/** Another store with some methods replaced. */
function changed(store: KeyValueStore, methods: Partial<KeyValueStore>): KeyValueStore {
  return new Proxy(store, {
    get: (target, key) => {
      const own = Reflect.get(methods, key);
      const value = own ?? Reflect.get(target, key, target);
      return typeof value === "function" && own === undefined ? value.bind(target) : value;
    },
  });
}

function staleChecksum(inner: Checksum): Checksum {
  let calls = 0;
  const skips = (): boolean => {
    calls += 1;
    return calls % 8 === 0;
  };
  return {
    name: inner.name,
    valueBytes: inner.valueBytes,
    checksum: (bytes, chunkBytes, values) => {
      if (!skips()) {
        inner.checksum(bytes, chunkBytes, values);
      }
    },
    verify: (bytes, chunkBytes, values) => inner.verify(bytes, chunkBytes, values),
    over: (memory): ChecksumMemory => {
      const over = inner.over(memory);
      return {
        checksum: (...range) => {
          if (!skips()) {
            over.checksum(...range);
          }
        },
        verify: (...range) => over.verify(...range),
        close: () => over.close(),
      };
    },
  };
}

function blindChecksum(inner: Checksum): Checksum {
  return {
    name: inner.name,
    valueBytes: inner.valueBytes,
    checksum: (bytes, chunkBytes, values) => inner.checksum(bytes, chunkBytes, values),
    verify: () => -1,
    over: (memory): ChecksumMemory => {
      const over = inner.over(memory);
      return {
        checksum: (...range) => over.checksum(...range),
        verify: () => -1,
        close: () => over.close(),
      };
    },
  };
}

/** Copies the operations that `keeps` keeps to one batch and the rest to another. */
function divided(
  batch: KvBatch,
  keeps: (reader: KvBatchReader) => boolean,
): { readonly kept: KvBatch; readonly rest: KvBatch } {
  const parts = { kept: new KvBatch(), rest: new KvBatch() };
  const reader = new KvBatchReader();
  reader.open(batch.bytes);
  while (reader.next()) {
    const to = keeps(reader) ? parts.kept : parts.rest;
    const { operation, prefix, key, value } = reader;
    if (operation === kvOperations.set) {
      to.set(prefix, key, value);
    } else if (operation === kvOperations.merge) {
      to.merge(prefix, key, value);
    } else if (operation === kvOperations.remove) {
      to.remove(prefix, key);
    } else {
      to.removeRange(prefix, key, operation === kvOperations.removeRange ? value : undefined);
    }
  }
  return parts;
}

function earlyRemoval(store: KeyValueStore): KeyValueStore {
  let early = new KvBatch();
  return changed(store, {
    commit: (batches, done, premises) => {
      const removal = early;
      early = new KvBatch();
      for (const batch of batches) {
        const reader = new KvBatchReader();
        reader.open(batch.bytes);
        while (reader.next()) {
          if (reader.prefix === prefixes.deferred && reader.operation === kvOperations.set) {
            early.remove(prefixes.deferred, reader.key);
          }
        }
      }
      store.commit(removal.count > 0 ? [removal, ...batches] : batches, done, premises);
    },
  });
}

function lateFreelist(store: KeyValueStore): KeyValueStore {
  let late: KvBatch[] = [];
  return changed(store, {
    commit: (batches, done, premises) => {
      const own = late;
      late = [];
      for (const batch of batches) {
        const { kept, rest } = divided(batch, ({ prefix }) => prefix === prefixes.freelistBits);
        own.push(rest);
        late.push(kept);
      }
      store.commit(
        own.filter(({ count }) => count > 0),
        done,
        premises,
      );
    },
    close: async () => {
      const last = late.filter(({ count }) => count > 0);
      if (last.length > 0) {
        await new Promise<void>((resolve) => store.commit(last, () => resolve()));
      }
      await store.close();
    },
  });
}

/** What mounting does to the records of the allocation file is left out; what a clean end writes is not. */
function staleFile(store: KeyValueStore): KeyValueStore {
  const ofMount = (batch: KvBatch): boolean => {
    const reader = new KvBatchReader();
    reader.open(batch.bytes);
    while (reader.next()) {
      if (reader.prefix === prefixes.freelistMeta && reader.operation !== kvOperations.set) {
        return true;
      }
    }
    return false;
  };
  return changed(store, {
    commit: (batches, done, premises) => {
      const own = batches.map((batch) =>
        ofMount(batch)
          ? divided(batch, ({ prefix }) => prefix === prefixes.freelistMeta).rest
          : batch,
      );
      store.commit(own, done, premises);
    },
  });
}

function lostPremises(store: KeyValueStore): KeyValueStore {
  return changed(store, { commit: (batches, done) => store.commit(batches, done) });
}

function earlyAnswer(store: KeyValueStore, clock: Clock): KeyValueStore {
  return changed(store, {
    commit: (batches, done, premises) => {
      const copies = batches.map((batch) => {
        const copy = new KvBatch();
        copy.append(batch);
        return copy;
      });
      store.commit(copies, () => {}, premises?.slice());
      clock.at(clock.nowNs() + 1000, () => done(0));
    },
  });
}
