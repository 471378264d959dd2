/** Finds a key by its name or alias, and says what is wrong with one that cannot be used. */
import { nearestName } from "../../engine/base/nearest-name.ts";
import { foreignKeys, refusedKeys, removedKeys } from "./foreign-keys.ts";
import type { KeyType, SupportedKey } from "./key.ts";
import { supportedKeys } from "./keys.ts";
import { badInput, type Place, shown } from "./place.ts";

const byName: ReadonlyMap<string, SupportedKey> = new Map(
  supportedKeys.flatMap((key) =>
    [key.name, ...(key.aliases ?? [])].map((name) => [name, key] as const),
  ),
);

export function findKey(name: string): SupportedKey | null {
  return byName.get(name) ?? null;
}

/** A key that there is, in this version or not: no typing error. */
export function isKnownName(name: string): boolean {
  return [byName, foreignKeys, removedKeys].some((known) => known.has(name));
}

/** The supported key, or a bad-input error that says why there is none. */
export function requireKey(name: string, place: Place): SupportedKey {
  const key = findKey(name);
  if (key !== null) {
    return key;
  }
  const refused = foreignKeys.get(name);
  if (refused !== undefined) {
    throw badInput(place, `${name} is known to fio, not supported here: ${refused.reason}`);
  }
  if (removedKeys.has(name)) {
    throw badInput(place, `${name} is deprecated, fio refuses it too; remove it`);
  }
  const near = nearestName(name, [...byName.keys(), ...foreignKeys.keys()]);
  const hint = near === null ? "" : `; did you mean ${near}?`;
  throw badInput(place, `unknown key ${shown(name)}${hint}`);
}

/** A key as `osdyno list` and the README show it. */
export interface JobKey {
  readonly name: string;
  readonly aliases: readonly string[];
  /** `null` for a key that is refused. */
  readonly type: KeyType | null;
  readonly unit: string;
  readonly default: string;
  readonly summary: string;
  /** Accepted; some without effect, which `summary` says. */
  readonly supported: boolean;
  /** Ours, refused by fio. */
  readonly own: boolean;
}

/** Every key: the supported ones first, then those that fio has and this version refuses. */
export const jobKeys: readonly JobKey[] = [
  ...supportedKeys.map((key) => ({
    name: key.name,
    aliases: key.aliases ?? [],
    type: key.type,
    unit: key.unit ?? "",
    default: key.default,
    summary:
      key.noEffect === undefined ? key.summary : `${key.summary} No effect: ${key.noEffect}.`,
    supported: true,
    own: key.own ?? false,
  })),
  ...refusedKeys.map(({ name, topic, reason }) => ({
    name,
    aliases: [],
    type: null,
    unit: "",
    default: "",
    summary: `refused (${topic}): ${reason}`,
    supported: false,
    own: false,
  })),
];
