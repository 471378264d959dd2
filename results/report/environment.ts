/** Environment records as groups of facts for a person. */
import type { Fact, FactGroup } from "./model.ts";
import { formatBytes } from "./units.ts";

/** Facts that change from minute to minute and say nothing about the machine. */
const volatile = /(free|avail|used|load|temp|uptime|time|mhz|cached|buffers|seed|pid|freq)/i;

/** Nested records become one group per top-level key, with dotted names. */
export function factGroups(environment: Readonly<Record<string, unknown>>): readonly FactGroup[] {
  const loose: Fact[] = [];
  const groups: FactGroup[] = [];
  for (const [key, value] of Object.entries(environment ?? {})) {
    if (typeof value === "object" && value !== null) {
      const facts: Fact[] = [];
      flatten("", value, facts);
      if (facts.length > 0) {
        groups.push({ title: words(key), facts });
      }
    } else {
      flatten(key, value, loose);
    }
  }
  return loose.length === 0 ? groups : [{ title: "host", facts: loose }, ...groups];
}

/**
 * Options of the stack that somebody set or that a store was made with, the same in all runs; what a sweep
 * varies is told elsewhere. No group when all are defaults.
 */
export function optionGroups(
  records: readonly (Readonly<Record<string, { value: string; origin: string }>> | undefined)[],
): readonly FactGroup[] {
  const first = records[0] ?? {};
  const facts = Object.entries(first)
    .filter(([name, { value, origin }]) => {
      const same = records.every((record) => record?.[name]?.value === value);
      return origin !== "default" && same;
    })
    .map(([name, { value, origin }]) => ({
      name,
      value: `${value === "" ? "none" : value} (${origin})`,
    }));
  return facts.length === 0 ? [] : [{ title: "options that were set", facts }];
}

/** Names of lasting facts that are not the same in all environments. */
export function changedFacts(
  environments: readonly Readonly<Record<string, unknown>>[],
): readonly string[] {
  const seen = new Map<string, string>();
  const changed = new Set<string>();
  for (const environment of environments) {
    const facts: Fact[] = [];
    flatten("", { ...environment, devices: devicesByPath(environment["devices"]) }, facts);
    for (const { name, value } of facts) {
      const before = seen.get(name);
      if (before !== undefined && before !== value && !volatile.test(name)) {
        changed.add(`${name} (${before} / ${value})`);
      }
      seen.set(name, value);
    }
  }
  return [...changed];
}

/** Runs of a sweep may use other files, of other sizes: only what stayed under a path is compared. */
function devicesByPath(devices: unknown): Readonly<Record<string, unknown>> {
  const facts = Array.isArray(devices) ? (devices as Readonly<Record<string, unknown>>[]) : [];
  return Object.fromEntries(
    facts.map((device) => {
      const { path, size_bytes: size, ...rest } = device;
      const reason = { class_reason: reasonOf(rest["class_reason"]) };
      return [String(path), device["kind"] === "file" ? { ...rest, ...reason } : { ...rest, size }];
    }),
  );
}

/**
 * Why a file's device has its class, in the same words whether or not the file was there already: a run
 * that makes it looks at its folder. What it lies on is recorded, and compared, in facts of their own.
 */
function reasonOf(reason: unknown): unknown {
  return typeof reason !== "string"
    ? reason
    : reason
        .replace(/^file on \S+ \([^)]*\): /, "")
        .replace(
          /^(?:a )?file on (.+?)(?:, (?:in memory|with no device of its own),)? counts as/,
          "file on $1 counts as",
        );
}

function flatten(path: string, value: unknown, facts: Fact[]): void {
  if (value === null || value === undefined || value === "") {
    return;
  }
  if (Array.isArray(value) && value.every((item) => typeof item !== "object" || item === null)) {
    if (value.length > 0) {
      facts.push({ name: words(path), value: value.join(" ") });
    }
    return;
  }
  if (typeof value === "object") {
    const entries = Object.entries(value);
    const single = Array.isArray(value) && entries.length === 1;
    for (const [key, inner] of entries) {
      const step = single ? "" : key;
      flatten(path === "" ? step : step === "" ? path : `${path}.${step}`, inner, facts);
    }
    return;
  }
  facts.push({ name: words(path), value: factText(path, value) });
}

function factText(path: string, value: unknown): string {
  if (typeof value === "boolean") {
    return value ? "yes" : "no";
  }
  if (typeof value === "number" && /bytes$/i.test(path) && value >= 1024) {
    return `${formatBytes(value)} (${value})`;
  }
  return String(value);
}

/** `sizeBytes`, `size_bytes` -> `size bytes`; dots stay. */
function words(name: string): string {
  const spaced = name.replace(
    /([a-z])([A-Z])/g,
    (_, a: string, b: string) => `${a} ${b.toLowerCase()}`,
  );
  return spaced.replaceAll("_", " ");
}
