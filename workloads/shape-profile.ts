/** Shapes by name or file: the `shape:` of a device profile, read and checked. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";
import { OsdynoError } from "../engine/base/error.ts";
import { nearestName } from "../engine/base/nearest-name.ts";
import { type ShapeSpec, shapeProblem } from "../engine/device/shape-spec.ts";

const positive = z.number().positive();
const least0 = z.number().min(0);
const point = z.strictObject({ at: least0, ns: least0 });
const pair = z.tuple([z.number().min(0).max(1), least0]);
const deviceClass = z.enum(["hdd", "ssd", "nvme", "pmem"]);

const law = z.strictObject({
  sizes: z.array(point).min(1),
  depths: z.array(point.extend({ spread: z.array(pair).default([]) })).default([]),
  usualBytes: positive.default(4096),
  spread: z.array(pair).default([]),
  inOrder: z.array(point).default([]),
  controllerNs: least0.default(0),
  bytesPerSecond: least0.default(0),
});

const solid = z.strictObject({
  kind: z.literal("solid"),
  deviceClass,
  sizeBytes: positive,
  blockBytes: positive.default(512),
  queueDepth: positive.default(1024),
  read: law,
  write: law,
  trimNs: least0.default(0),
  flushNs: least0.default(0),
  flushes: z.array(point).default([]),
  fuaNs: least0.default(0),
  mix: z.array(pair).default([]),
  cache: z
    .strictObject({ bytes: positive, drainBytesPerSecond: least0.default(0) })
    .nullable()
    .default(null),
  dies: z
    .strictObject({
      count: positive,
      stripeBytes: positive,
      pageBytes: positive,
      readNs: positive,
      programNs: positive,
      programBytes: positive,
      suspendNs: least0,
    })
    .nullable()
    .default(null),
  collection: z
    .strictObject({
      spareShare: positive,
      blockBytes: positive,
      eraseNs: positive,
      lowShare: positive,
      idleShare: positive,
    })
    .nullable()
    .default(null),
  lineBytes: least0.default(0),
  partialLineNs: least0.default(0),
});

const disk = z.strictObject({
  kind: z.literal("disk"),
  deviceClass,
  sizeBytes: positive,
  blockBytes: positive.default(512),
  queueDepth: positive.default(32),
  turnsPerMinute: positive,
  seek: z.array(point).min(2),
  outerBytesPerSecond: positive,
  innerBytesPerSecond: positive,
  linkBytesPerSecond: positive,
  commandNs: least0,
  readAheadBytes: least0,
  cacheBytes: least0,
  cacheOperations: least0,
});

/** Of YAML, with its keys in camel case. */
const shapeSchema = z.discriminatedUnion("kind", [solid, disk]);

function renamed(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) {
    return value.map((each) => renamed(each, rename));
  }
  return value !== null && typeof value === "object"
    ? Object.fromEntries(
        Object.entries(value).map(([key, each]) => [rename(key), renamed(each, rename)]),
      )
    : value;
}

const camel = (key: string): string =>
  key.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const snake = (key: string): string =>
  key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A shape as it stands in YAML. */
export function shapeToYaml(shape: ShapeSpec): unknown {
  return renamed(shape, snake);
}

/** A shape from YAML; throws `bad-input` with what is wrong where. */
export function shapeFromYaml(raw: unknown, file: string): ShapeSpec {
  const result = shapeSchema.safeParse(renamed(raw, camel));
  if (!result.success) {
    const issue = result.error.issues[0];
    const where = ["shape", ...(issue?.path ?? [])].map(String).map(snake).join(".");
    throw new OsdynoError("bad-input", `${where}: ${issue?.message ?? "not valid"}`, { file });
  }
  const problem = shapeProblem(result.data);
  if (problem !== null) {
    throw new OsdynoError("bad-input", `shape: ${problem}`, { file });
  }
  return result.data;
}

const ownFolder = fileURLToPath(new URL("../profiles/devices", import.meta.url));

/** Folders in which profiles of devices lie: the working directory's, then those that come along. */
export function profileFolders(directory: string): readonly string[] {
  return [...new Set([resolve(directory, "profiles/devices"), ownFolder])];
}

/** Paths of all profiles there. */
export function profileFiles(directory: string): string[] {
  return profileFolders(directory).flatMap((folder) =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter((name) => name.endsWith(".yaml"))
          .sort()
          .map((name) => join(folder, name))
      : [],
  );
}

export interface NamedShape {
  /** As it was asked for. */
  readonly text: string;
  readonly file: string;
  readonly shape: ShapeSpec;
}

/** The shape of `--shape NAME|FILE`; throws `bad-input`. */
export function readShape(text: string, directory: string): NamedShape {
  const files = profileFiles(directory);
  const named = files.find((file) => basename(file, ".yaml") === text);
  const file = named ?? resolve(directory, text);
  if (named === undefined && !existsSync(file)) {
    const names = [...new Set(files.map((each) => basename(each, ".yaml")))];
    const guess = nearestName(text, names);
    const hint = guess === null ? "" : `; did you mean ${guess}?`;
    throw new OsdynoError(
      "bad-input",
      `shape ${text}: no such profile or file${hint} (known: ${names.join(", ")})`,
    );
  }
  let raw: unknown;
  try {
    raw = parse(readFileSync(file, "utf8"));
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new OsdynoError("bad-input", `cannot read a device profile: ${reason}`, { file });
  }
  const shape = raw !== null && typeof raw === "object" ? (raw as { shape?: unknown }).shape : null;
  if (shape === null || shape === undefined) {
    throw new OsdynoError(
      "bad-input",
      "this profile has no shape: (one made by osdyno fingerprint without --read-only has)",
      { file },
    );
  }
  return { text, file, shape: shapeFromYaml(shape, file) };
}
