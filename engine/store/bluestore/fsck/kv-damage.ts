/** Damage of the key-value store as a finding: what part it is, and which records it hides. */
import type { KvDamage } from "../../../hot/kv/kv.ts";
import { objectOfKey } from "../../object-key.ts";
import { prefixes } from "../keys.ts";
import { keyOfBytes } from "../wire.ts";
import type { Findings } from "./findings.ts";

const kinds: Readonly<Record<string, string>> = {
  [prefixes.super]: "the store's own records",
  [prefixes.usage]: "usage",
  [prefixes.collections]: "collections",
  [prefixes.omap]: "omaps",
  [prefixes.deferred]: "deferred writes",
  [prefixes.freelistBits]: "the freelist",
  [prefixes.freelistMeta]: "the freelist",
  [prefixes.sharedBlobs]: "shared blobs",
};

/** The object whose record it is; shards of its map have its key in front. */
function objectOf(key: Uint8Array): string | null {
  const text = keyOfBytes(key);
  try {
    return objectOfKey(text.endsWith("o") ? text : text.slice(0, -5)).name;
  } catch {
    return null;
  }
}

function hexOf(key: Uint8Array): string {
  return [...key.subarray(0, 24)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What may be missing, by what is next to it. */
function between({ prefix, after, before }: NonNullable<KvDamage["keys"]>): string {
  const isObject = prefix === prefixes.onodes;
  const name = (key: Uint8Array): string =>
    isObject ? (objectOf(key) ?? `0x${hexOf(key)}`) : `0x${hexOf(key)}`;
  const what = isObject ? "objects" : (kinds[prefix] ?? `records ${prefix}`);
  const first = after.length === 0 ? "the first" : name(after);
  const last = before === null ? "the last" : name(before);
  return isObject && first === last
    ? `records of object ${first}`
    : `${what} from ${first} to ${last}`;
}

/** The same across prefixes, of all that a store has. */
function across({ from, to }: NonNullable<KvDamage["range"]>): string {
  const touched = Object.values(prefixes)
    .sort()
    .filter((each) => (from?.prefix ?? "") <= each && (to === null || each <= to.prefix));
  const parts = touched.map((prefix) =>
    between({
      prefix,
      after: from?.prefix === prefix ? from.key : new Uint8Array(0),
      before: to?.prefix === prefix ? to.key : null,
    }),
  );
  return parts.join("; ");
}

function hiddenBy({ keys, range, hides }: KvDamage): string {
  const where = keys !== undefined ? between(keys) : range !== undefined ? across(range) : null;
  if (where === null) {
    return hides ?? "what came later cannot be read";
  }
  const single = where.startsWith("records of object ");
  return `${where} cannot be read${single ? "" : ", or not all of their records"}`;
}

/** Takes note of damage, each piece once; what it hides is missing, and nothing is mended beside it. */
export function noteKvDamage(findings: Findings, kv: string): (damage: KvDamage) => void {
  const told = new Set<string>();
  return (damage) => {
    const { reason, keys } = damage;
    findings.recordsUnread = true;
    findings.objectsUnread = true;
    // Read page by page, a hole that reaches into several is met several times.
    const end =
      keys === undefined ? "" : `${keys.prefix} ${hexOf(keys.before ?? new Uint8Array(0))}`;
    const mark = `${reason} ${end}`;
    if (told.has(mark)) {
      return;
    }
    told.add(mark);
    const message = `${kv}: ${reason}: ${hiddenBy(damage)}`;
    findings.add({ kind: "metadata", message, repair: null });
  };
}
