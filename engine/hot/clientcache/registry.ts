/** The client caches by name, as `rbd_cache_policy` selects them. */
import { assert } from "../../base/assert.ts";
import { OsdynoError } from "../../base/error.ts";
import { DeviceMux } from "../../device/mux.ts";
import type { BlockDevice } from "../../port/block-device.ts";
import type { Clock } from "../../port/clock.ts";
import { LaneIo } from "../kv/lane-io.ts";
import { BufferCache, type CacheParts } from "./buffer-cache.ts";
import type { ClientCacheStats, ClientCacheTuning } from "./tuning.ts";
import { WriteAround } from "./write-around.ts";

/** A cache before an image, as the runner uses it. */
export interface OpenedClientCache extends BlockDevice {
  readonly stats: ClientCacheStats;
  counters(): Readonly<Record<string, number>>;
  /** As `LayerDevice.settle`. */
  settle(): Promise<void>;
  /** Everything acknowledged is made durable in the image. Throws `io`. */
  drain(): Promise<void>;
  /** `drain`, then closes cache and image. Throws `io`; they are closed then too. */
  shutDown(): Promise<void>;
}

export interface OpenClientCacheOptions {
  /** Closed with the cache. Half of its depth and slots, at most 32, are taken for the cache's own work. */
  readonly image: BlockDevice;
  readonly clock: Clock;
  readonly tuning: ClientCacheTuning;
}

/** A kind of client cache. */
export interface ClientCacheKind {
  readonly name: string;
  readonly describe: string;
  open(options: OpenClientCacheOptions): OpenedClientCache | Promise<OpenedClientCache>;
}

const ownDepth = 32;

/** The image's users: the clients, and the cache itself. */
function partsOf({ image, clock }: OpenClientCacheOptions): CacheParts {
  // What is below may take fewer at once: the rest waits before it.
  const most = image.arena.slotCount;
  const own = Math.min(ownDepth, Math.floor(most / 2));
  assert(own > 0, "an image before which a cache stands has room for two operations");
  const mux = new DeviceMux(image, { capacity: most + 1, selfDriven: false });
  const clients = mux.lane({ depth: most - own, slots: most - own });
  const io = new LaneIo(mux.lane({ depth: own + 1, slots: own }));
  const unitBytes = Math.max(512, image.facts.blockBytes);
  const imageBytes = Math.floor(image.facts.sizeBytes / unitBytes) * unitBytes;
  return { image: mux, clients, io, clock, imageBytes };
}

/** Pages have sectors of 512 bytes, and the image takes them one by one. */
function checkBlocks(options: OpenClientCacheOptions, name: string): OpenClientCacheOptions {
  const { blockBytes, name: image } = options.image.facts;
  if (512 % blockBytes !== 0 && blockBytes !== 4096) {
    throw new OsdynoError(
      "bad-input",
      `a client cache of policy ${name} needs an image with blocks of 512 or 4096 bytes; ${image} has ${blockBytes}`,
    );
  }
  return options;
}

const kinds = new Map<string, ClientCacheKind>(
  (
    [
      {
        name: "writearound",
        describe: "writes are acknowledged at once and go to the image at once; reads are not kept",
        open: (options) => new WriteAround(partsOf(options), options.tuning),
      },
      {
        name: "writeback",
        describe: "pages of reads and writes are kept; what is dirty goes to the image later",
        open: (options) =>
          new BufferCache(partsOf(checkBlocks(options, "writeback")), options.tuning, false),
      },
      {
        name: "writethrough",
        describe: "pages of reads and writes are kept; a write is done when the image has it",
        open: (options) =>
          new BufferCache(partsOf(checkBlocks(options, "writethrough")), options.tuning, true),
      },
    ] satisfies ClientCacheKind[]
  ).map((kind) => [kind.name, kind]),
);

/** Adds an implementation; refuses a name that is taken. */
export function registerClientCache(kind: ClientCacheKind): void {
  if (kinds.has(kind.name)) {
    throw new OsdynoError("bad-input", `there is a client cache named ${kind.name} already`);
  }
  kinds.set(kind.name, kind);
}

export function clientCacheKinds(): readonly ClientCacheKind[] {
  return [...kinds.values()];
}

/** The kind of that name; throws `bad-input`. */
export function clientCacheKind(name: string): ClientCacheKind {
  const kind = kinds.get(name);
  if (kind === undefined) {
    const known = [...kinds.keys()].join(", ");
    throw new OsdynoError("bad-input", `unknown client cache ${name}; there are: ${known}`);
  }
  return kind;
}
