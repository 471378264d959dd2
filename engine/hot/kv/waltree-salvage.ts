/**
 * Reads what can be read of a damaged waltree, for checking: fragments that are missing are gone around,
 * and told with what they hide. Nothing that was read this way may be written to.
 */
import { OsdynoError } from "../../base/error.ts";
import { kvOperations, kvPrefixLimit, kvRecordHeaderBytes } from "./batch.ts";
import type { KvDamage, KvExtent } from "./kv.ts";
import { readU32 } from "./page.ts";
import type { PrefixedTree } from "./prefixed-tree.ts";
import { decodeEnd, flagLast, fragmentKinds, type Superblock } from "./waltree-format.ts";
import { GroupReplay, groupOf, joined, noGroup } from "./waltree-group.ts";
import type { LogEnd, WaltreeDevices } from "./waltree-open.ts";
import { type Fragment, StreamReader } from "./waltree-reader.ts";

export type TellDamage = (damage: KvDamage) => void;

/** A key in full: prefix, zero byte, key. */
type FullKey = Uint8Array;

const recordHeaderBytes = 8;

/** The first and the last key of a run; `null`: it is no whole run, or not behind `after`. */
function keysOfRun(
  run: Uint8Array,
  after: FullKey | null,
): { readonly first: FullKey; readonly last: FullKey } | null {
  let first: FullKey | null = null;
  let last = after;
  for (let at = 0; at < run.length; ) {
    if (at + recordHeaderBytes > run.length) {
      return null;
    }
    const valueAt = at + recordHeaderBytes + readU32(run, at);
    const key = run.slice(at + recordHeaderBytes, valueAt);
    const separator = key.indexOf(0);
    const inOrder = last === null || Buffer.compare(last, key) < 0;
    if (separator < 1 || separator > kvPrefixLimit || !inOrder || valueAt > run.length) {
      return null;
    }
    first ??= key;
    last = key;
    at = valueAt + readU32(run, at + 4);
    if (at > run.length) {
      return null;
    }
  }
  return first === null || last === null ? null : { first, last };
}

/** Whether the bytes are a group of batches from its beginning to its end. */
function isGroup(group: Uint8Array): boolean {
  for (let at = 0; at < group.length; ) {
    const from = at + 4;
    if (from > group.length || from + readU32(group, at) > group.length) {
      return false;
    }
    at = from + readU32(group, at);
    if (!isBatch(group.subarray(from, at))) {
      return false;
    }
  }
  return true;
}

function isBatch(batch: Uint8Array): boolean {
  for (let at = 0; at < batch.length; ) {
    if (at + kvRecordHeaderBytes > batch.length) {
      return false;
    }
    const [operation, prefix] = [batch[at] as number, batch[at + 1] as number];
    const known = operation >= kvOperations.set && operation <= kvOperations.merge;
    if (!known || prefix < 1 || prefix > kvPrefixLimit || batch[at + 2] !== 0) {
      return false;
    }
    at += kvRecordHeaderBytes + prefix + readU32(batch, at + 4) + readU32(batch, at + 8);
    if (at > batch.length) {
      return false;
    }
  }
  return true;
}

/** The next fragment; one that the device does not give is missing like one that is damaged. */
async function nextOf(reader: StreamReader): Promise<Fragment | null> {
  try {
    return await reader.next();
  } catch (error) {
    if (error instanceof OsdynoError && error.code === "io") {
      return null;
    }
    throw error;
  }
}

function placeOf(
  key: FullKey | null,
): { readonly prefix: string; readonly key: Uint8Array } | null {
  if (key === null) {
    return null;
  }
  const separator = key.indexOf(0);
  const prefix = String.fromCharCode(...key.subarray(0, separator));
  return { prefix, key: key.slice(separator + 1) };
}

function missing(reader: StreamReader, stream: string): string {
  const { offsetBytes, sequence } = reader.position();
  return `fragment ${sequence} of the ${stream}, at offset ${offsetBytes}, is damaged`;
}

/** Loads what is there of the checkpoint; its extents, as far as they are known. */
export async function salvageCheckpoint(
  tree: PrefixedTree,
  { base, baseRole }: WaltreeDevices,
  superblock: Superblock,
  tell: TellDamage,
): Promise<readonly KvExtent[]> {
  const { checkpointNumber: number, storeId, checkpoint, blockBytes } = superblock;
  if (number === 0) {
    return [];
  }
  const reader = new StreamReader(base, { storeId, number }, baseRole, blockBytes, checkpoint);
  let parts: Uint8Array[] = [];
  let last: FullKey | null = null;
  let reason: string | null = null;
  let holes = 0;
  const told = (before: FullKey | null): void => {
    if (reason !== null) {
      holes += 1;
      tell({ reason, range: { from: placeOf(last), to: placeOf(before) } });
      reason = null;
    }
  };
  for (;;) {
    const fragment = await nextOf(reader);
    if (fragment === null) {
      reason ??= missing(reader, "checkpoint");
      parts = [];
      if (await reader.moveBehindDamage("any")) {
        continue;
      }
      told(null);
      return reader.extents;
    }
    const { head, payload } = fragment;
    if (head.kind === fragmentKinds.end) {
      const { keys } = decodeEnd(payload);
      if (reason === null && holes === 0 && keys !== tree.tree.keys) {
        reason = `the checkpoint holds ${tree.tree.keys} keys, its end tells of ${keys}`;
      }
      told(null);
      return reader.extents;
    }
    parts.push(payload.slice());
    if ((head.flags & flagLast) === 0) {
      continue;
    }
    const run = joined(parts);
    parts = [];
    const keys = keysOfRun(run, last);
    if (keys === null || !tree.tree.appendRun(run)) {
      reason ??= `the records before fragment ${head.sequence + 1} are not whole`;
      continue;
    }
    told(keys.first);
    last = keys.last;
  }
}

/** Applies what is there of the log; where it ends, and its extents as far as they are known. */
export async function salvageLog(
  tree: PrefixedTree,
  devices: WaltreeDevices,
  superblock: Superblock,
  tell: TellDamage,
): Promise<LogEnd> {
  const { storeId, log, durableSequence, blockBytes } = superblock;
  const id = { storeId, number: 0 };
  const reader = new StreamReader(devices.log, id, devices.logRole, blockBytes, log);
  const replay = new GroupReplay(tree);
  let ended = 0;
  let parts: Uint8Array[] = [];
  for (;;) {
    const fragment = await nextOf(reader);
    if (fragment === null) {
      const reason = missing(reader, "log");
      const { sequence } = reader.position();
      const owed = sequence <= durableSequence;
      const goesOn = await reader.moveBehindDamage("proof");
      if (owed || goesOn) {
        tell({ reason, hides: "what these commits changed is missing, or as it was before" });
      }
      parts = [];
      if (!goesOn) {
        const durable = owed || sequence > ended + 1 || ended <= durableSequence;
        const torn = !(await replay.end(durable, devices));
        return { extents: reader.extents, end: reader.position(), torn };
      }
      continue;
    }
    const { head, payload } = fragment;
    parts.push(payload.slice());
    if ((head.flags & flagLast) !== 0) {
      const group = groupOf(head.kind, parts);
      parts = [];
      ended = head.sequence;
      // The rest of a group that lost its beginning is no group; the one before it was durable.
      replay.add(group !== null && isGroup(group.batches) ? group : noGroup);
    }
  }
}
