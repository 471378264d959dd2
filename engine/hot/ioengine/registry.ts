/** The block I/O engines by name, as `ioengine=` and `bdev_ioengine` select them. */
import { OsdynoError } from "../../base/error.ts";
import type { BlockDevice } from "../../port/block-device.ts";
import { type GivenFacts, NativeBlockDevice, type NativeOpenSpec } from "./native-device.ts";

/** How a block device is opened. Sizes in bytes. */
export interface OpenOptions {
  /** File or block device; engines without one (`memory`, `null`) ignore it. */
  readonly path?: string;
  /** For writing too. The caller has judged that this is safe. */
  readonly write?: boolean;
  readonly direct?: boolean;
  readonly sync?: "none" | "sync" | "dsync";
  /** The access to expect, which read-ahead of a buffered file goes by. */
  readonly access?: "random" | "sequential" | "noreuse";
  /** Drop what is cached of a buffered file. */
  readonly invalidate?: boolean;
  /** What the engine itself takes, by the names of the native side, e.g. `{ hipri: true }`. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Operations queued or in flight at most. */
  readonly depth: number;
  /** Largest transfer; rounded up to 4096. */
  readonly slotBytes: number;
  /** Default: `depth`. */
  readonly slotCount?: number;
  /** Capacity of engines without a file; with one it limits the range. */
  readonly sizeBytes?: number;
  /** Alignment to demand; default: what the file or device needs, else 512. */
  readonly blockBytes?: number;
  /** What probing found out (`engine/device`). */
  readonly facts?: GivenFacts;
  /** Works on this device's arena instead of one of its own; slot size and count are then that one's. */
  readonly shareArena?: BlockDevice;
}

/** One engine. */
export interface BlockEngine {
  readonly hotPath: "ioengine";
  readonly name: string;
  readonly describe: string;
  /** Works on a file or device that `OpenOptions.path` names. */
  readonly needsPath: boolean;
  /** One operation at a time: depth beyond 1 changes nothing. */
  readonly synchronous: boolean;
  /** Opens a device; throws `io` or `bad-input` with one line. */
  create(options: OpenOptions): BlockDevice;
}

function openOnFile(kind: string, options: OpenOptions): BlockDevice {
  if (options.path === undefined) {
    throw new OsdynoError("bad-input", `ioengine ${kind} needs a file or device; name one`);
  }
  return open({ kind, ...options.parameters }, options, options.facts);
}

function open(
  engine: NativeOpenSpec["engine"],
  options: OpenOptions,
  facts: GivenFacts | undefined,
): BlockDevice {
  const share = options.shareArena ?? null;
  if (share !== null && !(share instanceof NativeBlockDevice)) {
    throw new OsdynoError("bad-input", "an arena can be shared with a native block device only");
  }
  return new NativeBlockDevice(toSpec(engine, options), facts, share);
}

function toSpec(engine: NativeOpenSpec["engine"], options: OpenOptions): NativeOpenSpec {
  const { facts: _facts, shareArena: _share, parameters: _parameters, ...rest } = options;
  return { ...rest, engine, slotCount: options.slotCount ?? options.depth };
}

function sizeOf(name: string, options: OpenOptions): number {
  if (options.sizeBytes === undefined) {
    throw new OsdynoError("bad-input", `ioengine ${name} has no file: give its size`);
  }
  return options.sizeBytes;
}

function onFile(name: string, describe: string, synchronous = true): BlockEngine {
  return {
    hotPath: "ioengine",
    name,
    describe,
    needsPath: true,
    synchronous,
    create: (options) => openOnFile(name, options),
  };
}

const builtIn: readonly BlockEngine[] = [
  onFile(
    "io_uring",
    "Linux io_uring: registered files and buffers, one system call a batch; SQPOLL and IOPOLL",
    false,
  ),
  onFile(
    "libaio",
    "Linux native asynchronous I/O: io_submit, completions from shared memory",
    false,
  ),
  onFile("psync", "pread and pwrite, one operation at a time"),
  onFile("sync", "lseek and read or write, one operation at a time"),
  onFile("pvsync", "preadv and pwritev, one operation at a time"),
  onFile("pvsync2", "preadv2 and pwritev2, one operation at a time; hipri polls"),
  onFile("mmap", "copies to and from a mapping of the file; msync makes it durable"),
  onFile(
    "pmem",
    "copies to and from a mapping; cache-line write-back makes it durable on DAX and tmpfs, else msync",
  ),
  {
    hotPath: "ioengine",
    name: "memory",
    describe: "a buffer in memory, zero at first",
    needsPath: false,
    synchronous: true,
    create: (options) => {
      const size = sizeOf("memory", options);
      return open({ kind: "memory", size }, options, {
        classReason: "memory",
        rotational: false,
        writeCache: false,
        ...options.facts,
      });
    },
  },
  {
    hotPath: "ioengine",
    name: "null",
    describe: "completes at once and moves no data: the cost of the runner itself",
    needsPath: false,
    synchronous: false,
    create: (options) => {
      sizeOf("null", options);
      return open({ kind: "null" }, options, {
        classReason: "null",
        rotational: false,
        writeCache: false,
        ...options.facts,
      });
    },
  },
];

const engines = new Map(builtIn.map((engine) => [engine.name, engine]));

/** Adds an engine; refuses a name that is taken. */
export function registerBlockEngine(engine: BlockEngine): void {
  if (engines.has(engine.name)) {
    throw new OsdynoError("bad-input", `there is an ioengine named ${engine.name} already`);
  }
  engines.set(engine.name, engine);
}

/** All engines, in the order they were registered. */
export function blockEngines(): readonly BlockEngine[] {
  return [...engines.values()];
}

/** The engine of that name; `undefined`: there is none. */
export function blockEngine(name: string): BlockEngine | undefined {
  return engines.get(name);
}

/** Opens a device through the engine of that name. */
export function openBlockDevice(name: string, options: OpenOptions): BlockDevice {
  const engine = engines.get(name);
  if (engine === undefined) {
    const known = [...engines.keys()].join(", ");
    throw new OsdynoError("bad-input", `unknown ioengine ${name}; there are: ${known}`);
  }
  return engine.create(options);
}
