/** Short ways to write the usual kinds of keys into the table. */
import type { Draft } from "./draft.ts";
import type { GivenValue, Limits } from "./given-value.ts";
import type { SupportedKey } from "./key.ts";

/** Name, aliases behind it. */
type Names = string | readonly [name: string, ...aliases: readonly string[]];

type Facts = Pick<SupportedKey, "default" | "summary"> &
  Partial<Pick<SupportedKey, "unit" | "priority" | "noEffect">>;

function named(names: Names): Pick<SupportedKey, "name" | "aliases"> {
  const [name = "", ...aliases] = typeof names === "string" ? [names] : names;
  return aliases.length === 0 ? { name } : { name, aliases };
}

/** `0` or `1`. */
export function switchKey(
  names: Names,
  facts: Facts,
  set: (draft: Draft, on: boolean, value: GivenValue) => void,
): SupportedKey {
  const apply = (draft: Draft, value: GivenValue) => set(draft, value.switch(false), value);
  return { ...named(names), type: "switch", ...facts, apply };
}

/** A bare word, or `=0` and `=1`. */
export function wordKey(
  names: Names,
  facts: Facts,
  set: (draft: Draft, on: boolean) => void,
): SupportedKey {
  const apply = (draft: Draft, value: GivenValue) => set(draft, value.switch(true));
  return { ...named(names), type: "word", ...facts, apply };
}

export function countKey(
  names: Names,
  facts: Facts,
  limits: Limits,
  set: (draft: Draft, count: number) => void,
): SupportedKey {
  const apply = (draft: Draft, value: GivenValue) => set(draft, value.count(limits));
  return { ...named(names), type: "number", ...facts, apply };
}

/** A time that fio reads with units; bare numbers are seconds when the unit is `s`, else microseconds. */
export function timeKey(
  names: Names,
  facts: Facts & { readonly unit: "s" | "us" },
  set: (draft: Draft, ns: number) => void,
): SupportedKey {
  const apply = (draft: Draft, value: GivenValue) => set(draft, value.time(facts.unit === "s"));
  return { ...named(names), type: "time", ...facts, apply };
}

const nsPerUnit = { ms: 1e6, us: 1e3 };

/** A plain number that fio counts in milliseconds or microseconds and reads no unit of time with. */
export function plainTimeKey(
  names: Names,
  facts: Facts & { readonly unit: "ms" | "us" },
  set: (draft: Draft, ns: number) => void,
): SupportedKey {
  const apply = (draft: Draft, value: GivenValue) =>
    set(draft, value.count({}) * nsPerUnit[facts.unit]);
  return { ...named(names), type: "number", ...facts, apply };
}

export function bytesKey(
  names: Names,
  facts: Facts,
  limits: Limits,
  set: (draft: Draft, bytes: number) => void,
): SupportedKey {
  const apply = (draft: Draft, value: GivenValue) =>
    set(draft, value.count({ max: Number.MAX_SAFE_INTEGER, ...limits }));
  return { ...named(names), type: "size", unit: "bytes", ...facts, apply };
}

export function textKey(
  names: Names,
  facts: Facts,
  set: (draft: Draft, text: string, value: GivenValue) => void,
): SupportedKey {
  const apply = (draft: Draft, value: GivenValue) => set(draft, value.text(), value);
  return { ...named(names), type: "text", ...facts, apply };
}

/** One of `choices`; `known` are fio's that are refused by name. */
export function choiceKey<T extends string>(
  names: Names,
  facts: Facts & { readonly choices: readonly T[]; readonly known?: readonly string[] },
  set: (draft: Draft, choice: T, value: GivenValue) => void,
): SupportedKey {
  const { choices, known, ...rest } = facts;
  const apply = (draft: Draft, value: GivenValue) =>
    set(draft, value.choice(choices, known), value);
  return { ...named(names), type: "choice", ...rest, apply };
}
