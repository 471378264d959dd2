/** Places of a run that are nothing but memory: what is written there does not survive a power loss. */
import type { RunRecord } from "../run-record.ts";
import type { PlacedEntry } from "./entries.ts";
import type { Caveat } from "./model.ts";
import { names } from "./run-names.ts";

/** A place in memory that a run wrote to. */
export interface VolatilePlace {
  readonly text: string;
  /** A synthetic target says of itself that it is none; of a log, file or store a reader takes it for one. */
  readonly posesAsDisk: boolean;
}

/** Points by their ids, each with the places of its runs that are in memory; those without one are left out. */
export type VolatilePoints = ReadonlyMap<string, readonly VolatilePlace[]>;

type Written = Pick<RunRecord, "target" | "chain" | "options" | "environment" | "jobs">;

const memoryFileSystems = new Set(["tmpfs", "ramfs"]);

/** Where a run that wrote kept its data in memory only; empty when it wrote nothing. */
export function volatilePlaces(record: Written): readonly VolatilePlace[] {
  if (!record.jobs.some((job) => Number(inside(job["write"], "io_bytes") ?? 0) > 0)) {
    return [];
  }
  const layers = record.chain ?? [];
  const log = layers.includes("writelog")
    ? record.options?.["rbd_persistent_cache_path"]?.value
    : undefined;
  const target = record.target ?? "";
  const stored = layers.some((layer) => /^store\b/.test(layer)) || target.startsWith("store:");
  const role = (path: string) =>
    log !== undefined && (path === log || path.startsWith(`${log}/`))
      ? "the write log"
      : stored
        ? "the store's file"
        : "the file";
  const onMemory = devicesOf(record.environment).flatMap(({ path, file_system: type }) =>
    typeof type === "string" && memoryFileSystems.has(type)
      ? [{ text: `${role(String(path))} ${path} is in memory (${type})`, posesAsDisk: true }]
      : [],
  );
  const lowest = [target, ...layers];
  const byEngine = lowest.some((layer) => layer.startsWith("memory:"));
  const synthetic = lowest.some((layer) => layer.includes("null:"));
  return [
    ...onMemory,
    ...(log?.startsWith("null:") === true
      ? [{ text: "the write log is a synthetic device in memory (null:)", posesAsDisk: true }]
      : []),
    ...(synthetic
      ? [{ text: "the target is a synthetic device in memory (null:)", posesAsDisk: stored }]
      : byEngine
        ? [{ text: "the target is a buffer in memory (ioengine=memory)", posesAsDisk: true }]
        : []),
  ];
}

function inside(record: unknown, key: string): unknown {
  return typeof record === "object" && record !== null
    ? (record as Readonly<Record<string, unknown>>)[key]
    : undefined;
}

function devicesOf(environment: Readonly<Record<string, unknown>> | undefined) {
  const devices = environment?.["devices"];
  return Array.isArray(devices) ? (devices as Readonly<Record<string, unknown>>[]) : [];
}

export function volatilePoints(
  points: readonly { readonly id: string; readonly records: readonly Written[] }[],
): VolatilePoints {
  return new Map(
    points.flatMap(({ id, records }) => {
      const places = new Map(records.flatMap(volatilePlaces).map((each) => [each.text, each]));
      return places.size === 0 ? [] : [[id, [...places.values()]] as const];
    }),
  );
}

/** Beside others that persist, the configurations that do not are called so wherever they are named. */
export function markVolatile(
  placed: readonly PlacedEntry[],
  points: VolatilePoints,
): readonly PlacedEntry[] {
  const isMarked = ({ entry }: PlacedEntry) => points.has(entry.point);
  if (placed.every(isMarked)) {
    return placed;
  }
  return placed.map((one) =>
    isMarked(one)
      ? { ...one, entry: { ...one.entry, inMemory: true, label: inMemory(one.entry.label) } }
      : one,
  );
}

/** A name with the word that marks it. */
export function inMemory(name: string): string {
  return `${name} (in memory)`;
}

const placesOf = (points: VolatilePoints) => {
  const all = [...points.values()].flat();
  return { texts: [...new Set(all.map(({ text }) => text))], serious: all.some(poses) };
};

const poses = ({ posesAsDisk }: VolatilePlace) => posesAsDisk;

/** @param pointCount of all points, persistent or not */
export function persistenceCaveat(points: VolatilePoints, pointCount: number): readonly Caveat[] {
  if (points.size === 0) {
    return [];
  }
  const { texts, serious } = placesOf(points);
  const which =
    points.size === pointCount
      ? ""
      : ` in ${points.size} of ${pointCount} configurations, named (in memory)`;
  const text = `Not persistent${which}: ${names(texts)}; nothing there survives a power loss.`;
  return [{ kind: "not-persistent", weight: serious ? "serious" : "mind", text }];
}

export function persistenceMethod(points: VolatilePoints): readonly string[] {
  return points.size === 0
    ? []
    : [
        `Of the places written to, ${names(placesOf(points).texts)}: there a write or a flush has completed ` +
          "when memory holds it, and is lost with the power. Its times are not those of a durable write.",
      ];
}
