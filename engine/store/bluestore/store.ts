/** BlueStore: objects directly on a block device, their metadata in a key-value store on it. */
import type { PerfCounters } from "../../base/perf-counters.ts";
import type { StageClock } from "../../device/stages.ts";
import { KvBatch } from "../../hot/kv/kv.ts";
import type { Arena } from "../../port/block-device.ts";
import type { CollectionId } from "../collection.ts";
import { keyOfObject } from "../object-key.ts";
import type { ObjectName } from "../object-name.ts";
import {
  type CollectionInfo,
  type Done,
  type DoneWith,
  type ListAnswer,
  type ListQuery,
  type ObjectStat,
  type ObjectStore,
  type OmapAnswer,
  type OmapQuery,
  type SlotRange,
  type StoreUsage,
  storeErrnos,
} from "../object-store.ts";
import type { NamedBytes, Transaction } from "../transaction.ts";
import { allocationFile, encodeFree, putPieces } from "./allocation-file.ts";
import type { VisitExtent } from "./freelist.ts";
import { firstDataByte } from "./label.ts";
import { type BlueStoreParts, type OpenedStore, openStore } from "./mount.ts";
import { readOmap } from "./omap.ts";
import type { Onode } from "./onode.ts";
import { storePerfCounters } from "./perf-counters.ts";
import { Pipeline } from "./pipeline.ts";
import { Reader } from "./read.ts";
import type { StoreState } from "./state.ts";
import { checkStructure, type StructureProblem } from "./structure.ts";

const { ENOENT, EINVAL } = storeErrnos;

export class BlueStore implements ObjectStore {
  readonly arena: Arena;
  /** For tools, checks and counters. */
  readonly state: StoreState;
  readonly opened: OpenedStore;
  readonly #reader: Reader;
  readonly #pipeline: Pipeline;

  /** Opens the store on the devices; `growToBytes` as for `openStore`. Throws `bad-input` or `io` with one line. */
  static async mount(parts: BlueStoreParts, growToBytes = 0): Promise<BlueStore> {
    return new BlueStore(await openStore(parts, growToBytes));
  }

  private constructor(opened: OpenedStore) {
    this.opened = opened;
    this.state = opened.state;
    this.arena = opened.state.io.lane.arena;
    this.#reader = new Reader(opened.state);
    this.#pipeline = new Pipeline(opened.state, this.#reader, opened.deferredSequence);
  }

  /** Tells the stages of traced operations from now on. */
  traceStages(clock: StageClock): void {
    this.state.perf.trace(clock);
  }

  /**
   * Until `uncork`, operations on the device are gathered: for callers that submit many at once, so many
   * writes among them.
   */
  cork(writes: number): void {
    this.state.units.begin(writes);
    this.state.io.cork();
  }

  uncork(): void {
    this.state.units.end();
    this.state.io.uncork();
  }

  submit(transaction: Transaction, done: Done): void {
    this.#pipeline.submit(transaction, done);
  }

  /** The object's onode, or a negative errno. */
  #look(collection: CollectionId, object: ObjectName): Onode | number {
    const { state } = this;
    state.memory.used();
    try {
      const inside = state.range(collection)?.contains(object) === true;
      return (inside ? state.find(object) : null) ?? -ENOENT;
    } catch (error) {
      return state.damaged(error, `object ${object.name}`);
    }
  }

  /** The object's onode behind all that was submitted, or an errno. */
  #find(
    collection: CollectionId,
    object: ObjectName,
    then: (errno: number, onode: Onode | null) => void,
  ): void {
    this.#pipeline.barrier(collection, () => {
      const found = this.#look(collection, object);
      if (typeof found === "number") {
        then(found, null);
      } else {
        then(0, found);
      }
    });
  }

  read(
    collection: CollectionId,
    object: ObjectName,
    offsetBytes: number,
    into: Uint8Array,
    done: Done,
  ): void {
    this.#find(collection, object, (errno, onode) => {
      if (onode === null) {
        done(errno);
      } else {
        this.#reader.read(onode, offsetBytes, into.length, into, -1, 0, done);
      }
    });
  }

  readSlot(collection: CollectionId, object: ObjectName, range: SlotRange, done: Done): void {
    const { offsetBytes, lengthBytes, slot, trace = 0 } = range;
    const { slotBytes, slotCount } = this.arena;
    if (lengthBytes > slotBytes || slot < 0 || slot >= slotCount) {
      done(-EINVAL);
      return;
    }
    const read = (): void => {
      const found = this.#look(collection, object);
      if (typeof found === "number") {
        done(found);
      } else {
        this.#reader.read(found, offsetBytes, lengthBytes, null, slot, trace, done);
      }
    };
    this.#pipeline.barrier(collection, read);
  }

  stat(collection: CollectionId, object: ObjectName, done: DoneWith<ObjectStat>): void {
    this.#find(collection, object, (errno, onode) => {
      if (onode === null) {
        done(errno, null);
        return;
      }
      const { sizeBytes, expectedObjectBytes, expectedWriteBytes, hints } = onode;
      done(0, { sizeBytes, expectedObjectBytes, expectedWriteBytes, hints });
    });
  }

  attrs(collection: CollectionId, object: ObjectName, done: DoneWith<NamedBytes>): void {
    this.#find(collection, object, (errno, onode) => done(errno, onode?.attrs ?? null));
  }

  omap(
    collection: CollectionId,
    object: ObjectName,
    query: OmapQuery,
    done: DoneWith<OmapAnswer>,
  ): void {
    this.#find(collection, object, (errno, onode) => {
      if (onode === null) {
        done(errno, null);
        return;
      }
      const { perf } = this.state;
      const beganNs = perf.now();
      let answer: OmapAnswer | null = null;
      let failed = errno;
      try {
        answer = readOmap(this.state, onode, query);
      } catch (error) {
        failed = this.state.damaged(error, `object ${object.name}: omap`);
      }
      perf.add(perf.omap_get_values_lat, perf.now() - beganNs);
      done(failed, answer);
    });
  }

  list(collection: CollectionId, query: ListQuery, done: DoneWith<ListAnswer>): void {
    this.#pipeline.barrier(collection, () => {
      const range = this.state.range(collection);
      if (range === null) {
        done(-ENOENT, null);
        return;
      }
      const first = query.first === null ? "" : keyOfObject(query.first);
      const end = query.end === null ? "\xff\xff" : keyOfObject(query.end);
      const objects: ObjectName[] = [];
      let next: ObjectName | null = null;
      const { perf } = this.state;
      const beganNs = perf.now();
      let errno = 0;
      try {
        for (const object of this.state.objectsOf(range, first, end)) {
          if (objects.length === query.max) {
            next = object;
            break;
          }
          objects.push(object);
        }
      } catch (error) {
        errno = this.state.damaged(error, `the list of ${collection}`);
      }
      perf.add(perf.clist_lat, perf.now() - beganNs);
      done(errno, errno === 0 ? { objects, next } : null);
    });
  }

  collections(done: DoneWith<readonly CollectionInfo[]>): void {
    this.#pipeline.barrierAll(() => {
      const { collections } = this.state;
      const infos = [...collections].map(([id, { bits }]) => ({ id, bits }));
      done(
        0,
        infos.sort((a, b) => (a.id < b.id ? -1 : 1)),
      );
    });
  }

  usage(): StoreUsage {
    const { state, opened } = this;
    state.countSpace(true);
    let allocatedBytes = 0;
    let storedBytes = 0;
    let compressedOriginalBytes = 0;
    let compressedAllocatedBytes = 0;
    for (const each of state.usage.values()) {
      allocatedBytes += each.allocated;
      storedBytes += each.stored;
      compressedOriginalBytes += each.compressedOriginal;
      compressedAllocatedBytes += each.compressedAllocated;
    }
    return {
      totalBytes: opened.geometry.sizeBytes,
      freeBytes: Math.max(0, state.reclaim.freeBytes - state.reserveBytes),
      allocatedBytes,
      storedBytes,
      compressedOriginalBytes,
      compressedAllocatedBytes,
    };
  }

  /**
   * What it has counted since the mount, by section and under Ceph's names. Asks the allocator for its
   * statistics: some milliseconds when free space is in very many pieces.
   */
  perfCounters(): PerfCounters {
    return storePerfCounters(this.state, this.usage(), this.#pipeline);
  }

  flush(done: Done): void {
    this.#pipeline.drain(() => done(this.state.failed));
  }

  unmount(done: Done): void {
    this.#pipeline.drain(() => {
      this.#pipeline.stop();
      this.state.io.whenIdle(() => this.#saveFree(done));
    });
  }

  /** Lets go at once, as a crash would: nothing is written any more. */
  abandon(): void {
    this.#pipeline.stop();
    this.state.kv.abandon();
    this.#close();
  }

  /** What is wrong with the store's records; nothing may be under way. */
  checkStructure(): readonly StructureProblem[] {
    const { state, opened } = this;
    const { kv, options, sumBytes, freelist, allocator } = state;
    const { sizeBytes } = opened.geometry;
    const forEachFree = (visit: VisitExtent): void => allocator.forEachFree(visit);
    const subject = { kv, options, sumBytes, freelist, sizeBytes, forEachFree };
    let problems = checkStructure(subject);
    // A native key-value store may have taken or given space while it was looked at.
    const ofSpace = ({ kind }: StructureProblem): boolean => kind === "space" || kind === "leak";
    for (
      let again = 0;
      state.kvTakesItsOwnSpace && problems.some(ofSpace) && again < 5;
      again += 1
    ) {
      problems = checkStructure(subject);
    }
    return problems;
  }

  #saveFree(done: Done): void {
    const { state } = this;
    const finish = (errno: number): void => {
      const closed = (result: number): void => {
        this.#close();
        done(result);
      };
      state.kv.close().then(
        () => closed(errno),
        () => closed(errno === 0 ? -storeErrnos.EIO : errno),
      );
    };
    if (state.failed !== 0 || state.freelist !== null) {
      finish(state.failed);
      return;
    }
    const unused = this.#unused();
    if (unused === null) {
      finish(0);
      return;
    }
    const { geometry, mountNumber } = this.opened;
    const kept = encodeFree(geometry, mountNumber, unused);
    const { files } = state.kv;
    if (files === null) {
      const batch = new KvBatch();
      putPieces(batch, kept);
      state.kv.commit([batch], (errno) => finish(errno === 0 ? 0 : -errno));
      return;
    }
    try {
      files.write(allocationFile, kept);
    } catch {
      // Without it the next mount looks at the objects: a full device is no reason not to end. One that
      // fails shows when the key-value store is closed.
    }
    finish(0);
  }

  /**
   * Space without data: what is free, and what the key-value store has, which says so itself; `null`: it
   * does not come to a picture that is right as a whole. A native one may take space at any moment, so
   * the two are asked until they add up to all that no object has.
   */
  #unused(): readonly (readonly [number, number])[] | null {
    const { state, opened } = this;
    const { sizeBytes, unitBytes } = opened.geometry;
    const allocated = state.usage.values().reduce((sum, each) => sum + each.allocated, 0);
    const wanted = sizeBytes - firstDataByte(unitBytes) - allocated;
    for (let tries = 0; tries < 100; tries += 1) {
      const extents: [number, number][] = [];
      let bytes = 0;
      const add = (offset: number, length: number): void => {
        extents.push([offset, length]);
        bytes += length;
      };
      state.allocator.forEachFree(add);
      for (const { role, offsetBytes, lengthBytes } of state.kv.usedExtents()) {
        if (role === "main") {
          add(offsetBytes, lengthBytes);
        }
      }
      const merged = mergeExtents(extents);
      if (bytes === wanted && merged !== null) {
        return merged;
      }
    }
    return null;
  }

  #close(): void {
    this.state.arenaSums.close();
    this.state.allocator.close();
  }
}

/** In order, neighbours joined; `null`: two overlap. */
function mergeExtents(extents: [number, number][]): readonly [number, number][] | null {
  const merged: [number, number][] = [];
  let end = -1;
  for (const [offset, length] of extents.sort(([a], [b]) => a - b)) {
    if (offset < end) {
      return null;
    }
    const last = merged.at(-1);
    if (last !== undefined && offset === end) {
      last[1] += length;
    } else {
      merged.push([offset, length]);
    }
    end = offset + length;
  }
  return merged;
}
