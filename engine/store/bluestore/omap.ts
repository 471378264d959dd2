/** An object's omap: keys of their own in the key-value store, with what is pending laid over them. */
import type { OmapAnswer, OmapQuery } from "../object-store.ts";
import type { TransactionOp } from "../transaction.ts";
import { latinOf, omapMarks, prefixes, textOf } from "./keys.ts";
import { PendingOmap } from "./omap-pending.ts";
import { type Onode, onodeFlags } from "./onode.ts";
import type { StoreState } from "./state.ts";
import type { Txc } from "./txc.ts";
import { bytesOfKey, keyOfBytes } from "./wire.ts";

const pageEntries = 256;
const noHeader = new Uint8Array(0);

function pendingOf(onode: Onode): PendingOmap {
  onode.omapPending ??= new PendingOmap();
  onode.flags |= onodeFlags.omap;
  return onode.omapPending;
}

function setKey(txc: Txc, onode: Onode, key: string, value: Uint8Array): void {
  txc.batch.set(prefixes.omap, bytesOfKey(key), value);
  pendingOf(onode).set(txc.sequence, key, value);
}

function removeRange(txc: Txc, onode: Onode, first: string, end: string): void {
  if (first < end) {
    txc.batch.removeRange(prefixes.omap, bytesOfKey(first), bytesOfKey(end));
    pendingOf(onode).removeRange(txc.sequence, first, end);
  }
}

export function setPairs(txc: Txc, onode: Onode, op: TransactionOp): void {
  const prefix = onode.omapPrefix + omapMarks.pair;
  for (const [key, value] of op.values) {
    setKey(txc, onode, prefix + latinOf(key), value);
  }
}

export function setHeader(txc: Txc, onode: Onode, header: Uint8Array): void {
  setKey(txc, onode, onode.omapPrefix + omapMarks.header, header);
}

export function removeKeys(txc: Txc, onode: Onode, keys: readonly string[]): void {
  const prefix = onode.omapPrefix + omapMarks.pair;
  for (const key of keys) {
    const full = prefix + latinOf(key);
    txc.batch.remove(prefixes.omap, bytesOfKey(full));
    pendingOf(onode).remove(txc.sequence, full);
  }
}

export function removeKeyRange(txc: Txc, onode: Onode, first: string, end: string): void {
  const prefix = onode.omapPrefix + omapMarks.pair;
  removeRange(txc, onode, prefix + latinOf(first), prefix + latinOf(end));
}

export function clearOmap(txc: Txc, onode: Onode): void {
  if ((onode.flags & onodeFlags.omap) !== 0) {
    const prefix = onode.omapPrefix;
    removeRange(txc, onode, prefix + omapMarks.header, prefix + omapMarks.end);
    onode.flags &= ~onodeFlags.omap;
  }
}

/** Pairs from `first`, before `end`, in order, at least `enough` of them if there are so many. */
function collect(
  state: StoreState,
  onode: Onode,
  first: string,
  end: string,
  enough: number,
): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  const limit = Math.min(Math.max(enough, 1), pageEntries);
  for (let from = first; found.size < enough; ) {
    const page = state.kv.scan(prefixes.omap, bytesOfKey(from), bytesOfKey(end), limit);
    const last = page.at(-1);
    const to = last === undefined || page.length < limit ? end : `${keyOfBytes(last.key)}\0`;
    let pairs = new Map(page.map(({ key, value }) => [keyOfBytes(key), value]));
    if (onode.omapPending?.empty === false) {
      onode.omapPending.overlay(pairs, from, to);
      pairs = new Map([...pairs].sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    for (const [key, value] of pairs) {
      found.set(key, value);
    }
    if (to === end) {
      break;
    }
    from = to;
  }
  return found;
}

function storedValue(state: StoreState, onode: Onode, key: string): Uint8Array | null {
  const pending = onode.omapPending?.find(key);
  return pending === undefined ? (state.kv.get(prefixes.omap, bytesOfKey(key)) ?? null) : pending;
}

export function readOmap(state: StoreState, onode: Onode, query: OmapQuery): OmapAnswer {
  const pairs = new Map<string, Uint8Array>();
  if ((onode.flags & onodeFlags.omap) === 0) {
    return { header: noHeader, pairs, more: false };
  }
  const header = storedValue(state, onode, onode.omapPrefix + omapMarks.header) ?? noHeader;
  const prefix = onode.omapPrefix + omapMarks.pair;
  if ("keys" in query) {
    const keys = query.keys.map((key) => [key, latinOf(key)] as const);
    for (const [key, latin] of keys.sort(([, a], [, b]) => (a < b ? -1 : 1))) {
      const value = storedValue(state, onode, prefix + latin);
      if (value !== null) {
        pairs.set(key, value);
      }
    }
    return { header, pairs, more: false };
  }
  const end = onode.omapPrefix + omapMarks.end;
  const found = collect(state, onode, prefix + latinOf(query.first), end, query.max + 1);
  for (const [key, value] of found) {
    if (pairs.size === query.max) {
      return { header, pairs, more: true };
    }
    pairs.set(textOf(key.slice(prefix.length)), value);
  }
  return { header, pairs, more: false };
}

/** The target's omap becomes the object's; the target has none. `prefix`: the object's keys' start. */
export function copyOmap(
  state: StoreState,
  txc: Txc,
  onode: Onode,
  prefix: string,
  target: Onode,
): void {
  const end = prefix + omapMarks.end;
  const all = collect(state, onode, prefix + omapMarks.header, end, Number.POSITIVE_INFINITY);
  for (const [key, value] of all) {
    setKey(txc, target, target.omapPrefix + key.slice(prefix.length), value);
  }
  target.flags |= onodeFlags.omap;
}
