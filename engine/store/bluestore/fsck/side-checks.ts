/** Records that are not an object's own: usage, omap, deferred writes, freelist, limits of numbers. */
import { type KeyValueStore, KvBatch } from "../../../hot/kv/kv.ts";
import { dropKept, eachKept, readKept } from "../allocation-file.ts";
import { decodeDeferred } from "../deferred.ts";
import { omapMarks, prefixes, u64OfBytes } from "../keys.ts";
import { eachRecord } from "../recover.ts";
import type { DeferredWrite } from "../replay.ts";
import { loadIdLimits, saveIdLimits } from "../superblock.ts";
import { UsageDelta, type usageFields } from "../txc.ts";
import { loadUsage, poolKey, usageRecord } from "../usage.ts";
import { bytesOfKey, CorruptRecord, keyOfBytes, WireReader } from "../wire.ts";
import type { Repair } from "./findings.ts";
import { owners } from "./space-map.ts";
import type { Survey } from "./survey.ts";

/** Numbers that are given out are above all that are in use. */
export function checkLimits(survey: Survey): void {
  const { findings, largestNid, largestBlobId } = survey;
  const limits = loadIdLimits(survey.subject.kv);
  const nid = Math.max(largestNid, limits.nidMax ?? 0);
  const blobId = Math.max(largestBlobId, limits.blobIdMax ?? 0);
  const repair: Repair | null = findings.objectsUnread
    ? null
    : (batch) => saveIdLimits(batch, nid, blobId);
  const check = (what: string, limit: number | null, largest: number): void => {
    if (limit === null || limit < largest) {
      const recorded = limit === null ? "cannot be read" : `is ${limit}`;
      const message = `the limit of ${what} ${recorded}, ${largest} is in use`;
      findings.add({ kind: "number", message, repair });
    }
  };
  check("object numbers", limits.nidMax, largestNid);
  check("blob numbers", limits.blobIdMax, largestBlobId);
}

const fields = [
  "allocated",
  "stored",
  "compressedOriginal",
  "compressedAllocated",
] as const satisfies {
  readonly length: typeof usageFields;
};

/** Space is told over all pools: clones may share it across pools. */
export function checkUsage(survey: Survey): void {
  const { findings, usage, subject } = survey;
  const recorded = new Map<number, UsageDelta>();
  loadUsage(subject.kv, recorded);
  const repair: Repair | null = findings.objectsUnread
    ? null
    : (batch) => {
        for (const pool of new Set([...usage.keys(), ...recorded.keys()])) {
          const right = usage.get(pool) ?? new UsageDelta();
          batch.set(prefixes.usage, poolKey(pool), usageRecord(right).slice());
        }
      };
  const sum = (of: Map<number, UsageDelta>, field: (typeof fields)[number]): number =>
    of.values().reduce((total, each) => total + each[field], 0);
  for (const field of fields) {
    const [wanted, got] = [sum(usage, field), sum(recorded, field)];
    if (wanted !== got) {
      const message = `${field} bytes are recorded as ${got}, objects have ${wanted}`;
      findings.add({ kind: "usage", message, repair });
    }
  }
  for (const field of ["stored", "compressedOriginal"] as const) {
    for (const pool of new Set([...usage.keys(), ...recorded.keys()])) {
      const [wanted, got] = [usage.get(pool)?.[field] ?? 0, recorded.get(pool)?.[field] ?? 0];
      if (wanted !== got) {
        const message = `pool ${pool}: ${field} bytes are recorded as ${got}, objects have ${wanted}`;
        findings.add({ kind: "usage", message, repair });
      }
    }
  }
}

/** Shard, pool, hash and number of the object. */
const omapPrefixLength = 21;

export function checkOmap(survey: Survey): void {
  const { findings, omaps, counts } = survey;
  let last = "";
  let keys = 0;
  const told = (): void => {
    const prefix = last;
    if (prefix === "" || omaps.has(prefix)) {
      return;
    }
    const first = bytesOfKey(prefix);
    // One behind all that begin with it.
    const end = bytesOfKey(`${prefix}\xff`);
    const nid = u64OfBytes(first.subarray(13, omapPrefixLength));
    findings.add({
      kind: "omap",
      message: `${keys} omap keys belong to number ${nid}, which no object has`,
      repair: findings.objectsUnread
        ? null
        : (batch) => batch.removeRange(prefixes.omap, first, end),
    });
  };
  eachRecord(survey.subject.kv, prefixes.omap, (bytes) => {
    const key = keyOfBytes(bytes);
    const mark = key[omapPrefixLength];
    counts.omapKeys += 1;
    if (mark !== omapMarks.header && mark !== omapMarks.pair) {
      const copy = bytes.slice();
      const message = `an omap key of ${key.length} bytes has no form that is known`;
      findings.add({
        kind: "omap",
        message,
        repair: (batch) => batch.remove(prefixes.omap, copy),
      });
      return;
    }
    const prefix = key.slice(0, omapPrefixLength);
    if (prefix !== last) {
      told();
      last = prefix;
      keys = 0;
    }
    keys += 1;
  });
  told();
}

/** Calls back with each record's writes, or with what is wrong with it. */
function eachDeferred(
  { subject, space }: Survey,
  visit: (key: Uint8Array, decoded: readonly DeferredWrite[] | string) => void,
): void {
  const reader = new WireReader();
  eachRecord(subject.kv, prefixes.deferred, (key, value) => {
    if (key.length !== 8) {
      visit(key, `a deferred write has a key of ${key.length} bytes`);
      return;
    }
    const what = `deferred write ${u64OfBytes(key)}`;
    try {
      const writes = decodeDeferred(reader.open(value, what));
      const stray = writes.find(({ offsetBytes, bytes }) => {
        const first = Math.floor(offsetBytes / space.unitBytes);
        const end = Math.ceil((offsetBytes + bytes.length) / space.unitBytes);
        for (let unit = first; unit < end; unit += 1) {
          const owner = space.ownerOf(unit);
          if (unit < space.firstUnit || owner === undefined || owner === owners.kv) {
            return true;
          }
        }
        return false;
      });
      visit(
        key,
        stray === undefined
          ? writes
          : `${what}: goes to ${stray.offsetBytes}, where no object can have data`,
      );
    } catch (error) {
      if (!(error instanceof CorruptRecord)) {
        throw error;
      }
      visit(key, error.message);
    }
  });
}

export function checkDeferred(survey: Survey): void {
  eachDeferred(survey, (key, decoded) => {
    if (typeof decoded !== "string") {
      survey.counts.deferredWrites += decoded.length;
      survey.deferred.push(...decoded);
      return;
    }
    const copy = key.slice();
    survey.findings.add({
      kind: "deferred",
      message: decoded,
      repair: (batch) => batch.remove(prefixes.deferred, copy),
    });
  });
}

/** What is free by the records is what nobody uses; before the key-value store's space is noted. */
export function checkFreelist(survey: Survey): void {
  const { subject, space, findings } = survey;
  const { freelist, kv } = subject;
  const usedByRecord = new Uint8Array(space.units);
  const unit = space.unitBytes;
  const mark = (value: number) => (offset: number, length: number) =>
    void usedByRecord.fill(value, offset / unit, (offset + length) / unit);
  let owned = (at: number): boolean => space.ownerOf(at) !== owners.nobody;
  let mend: (offset: number, length: number) => Repair;
  if (freelist !== null) {
    freelist.forEachUsed(kv, mark(1));
    mend = (offset, length) => (batch) => freelist.turnOne(batch, offset, length);
  } else {
    usedByRecord.fill(1);
    const kept = readKept(kv, { sizeBytes: subject.sizeBytes, unitBytes: unit });
    const drop: Repair = (batch, open) => dropKept(batch, open, kept.nextMount);
    if (kept.state === "damaged") {
      // Nothing is lost with it: the next mount finds the free space anew.
      findings.add({ kind: "record", message: kept.reason, repair: drop });
    }
    if (kept.state !== "valid") {
      return;
    }
    eachKept(kept, mark(0));
    const used = new Set<number>();
    for (const { role, offsetBytes, lengthBytes } of kv.usedExtents()) {
      for (let at = 0; role === "main" && at < lengthBytes; at += unit) {
        used.add((offsetBytes + at) / unit);
      }
    }
    // The key-value store's space counts as free there, whether it had it then or not.
    const before = owned;
    owned = (at) => (before(at) ? true : used.has(at) && usedByRecord[at] === 1);
    mend = () => drop;
  }
  const wrong = (kind: "leak" | "space", is: string, says: number) => {
    space.eachRun(
      (at) => usedByRecord[at] === says && owned(at) === (says === 0),
      (offset, length) =>
        findings.add({
          kind,
          message: `the freelist is wrong about ${length} bytes at ${offset}: ${is}`,
          offsetBytes: offset,
          repair: kind === "leak" && findings.objectsUnread ? null : mend(offset, length),
        }),
    );
  };
  wrong("leak", "nobody uses them", 1);
  wrong("space", "they are in use", 0);
}

/** All repairs of the findings in one batch. */
export function repairsOf(survey: Survey, kv: KeyValueStore): KvBatch {
  const batch = new KvBatch();
  const done = new Set<Repair>();
  for (const { repair } of survey.findings.list) {
    if (repair !== null && !done.has(repair)) {
      done.add(repair);
      repair(batch, kv);
    }
  }
  return batch;
}
