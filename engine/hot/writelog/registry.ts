/** The write logs by name, as `rbd_persistent_cache_mode` selects them. */
import { OsdynoError } from "../../base/error.ts";
import type { BlockDevice } from "../../port/block-device.ts";
import type { WriteLogMode } from "./log-format.ts";
import { createWriteLog, type OpenWriteLogOptions, openWriteLog } from "./open.ts";
import type { WriteLogStats } from "./write-log.ts";

/** A log before an image, as the runner uses it. */
export interface OpenedWriteLog extends BlockDevice {
  readonly stats: WriteLogStats;
  counters(): Readonly<Record<string, number>>;
  /** As `LayerDevice.settle`. */
  settle(): Promise<void>;
  /** Writes everything back; the log works on. Throws `io`. */
  drain(): Promise<void>;
  /** `drain`, then closes log and image. Throws `io`; they are closed then too. */
  shutDown(): Promise<void>;
}

/** What making a log wants to know. */
export interface MakeWriteLogOptions extends OpenWriteLogOptions {
  /** What stands before the log, as it was opened. */
  readonly imageUri: string;
  /** 32 random bits. */
  readonly logId: number;
  /** Overwrites what the log device holds. */
  readonly create: boolean;
}

/** A kind of write log. */
export interface WriteLogKind {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly describe: string;
  /** Blocks that its device must have at most, bytes. */
  readonly largestBlockBytes: number;
  open(options: MakeWriteLogOptions): Promise<OpenedWriteLog>;
}

function built(mode: WriteLogMode, kind: Omit<WriteLogKind, "name" | "open">): WriteLogKind {
  return {
    name: mode,
    ...kind,
    open: async (options) => {
      const { log, image, imageId, imageUri, logId } = options;
      if (options.create) {
        await createWriteLog({ mode, log, image: image.facts, imageId, imageUri, logId });
      }
      return await openWriteLog(options);
    },
  };
}

const kinds = new Map<string, WriteLogKind>(
  [
    built("ssd", {
      aliases: [],
      describe: "records of up to 32 writes behind one control block, on any block device or file",
      largestBlockBytes: 4096,
    }),
    built("pmem", {
      aliases: ["rwl"],
      describe:
        "a table of 64-byte entries beside the data, on DAX or tmpfs, persisted by cache lines",
      largestBlockBytes: 64,
    }),
  ].map((kind) => [kind.name, kind]),
);

/** Adds an implementation; refuses a name that is taken. */
export function registerWriteLog(kind: WriteLogKind): void {
  if (kinds.has(kind.name)) {
    throw new OsdynoError("bad-input", `there is a write log named ${kind.name} already`);
  }
  kinds.set(kind.name, kind);
}

export function writeLogKinds(): readonly WriteLogKind[] {
  return [...kinds.values()];
}

/** The kind of that name or alias; throws `bad-input`. */
export function writeLogKind(name: string): WriteLogKind {
  const kind = kinds.get(name) ?? [...kinds.values()].find(({ aliases }) => aliases.includes(name));
  if (kind === undefined) {
    const known = [...kinds.keys()].join(", ");
    throw new OsdynoError("bad-input", `unknown write log ${name}; there are: ${known}`);
  }
  return kind;
}
