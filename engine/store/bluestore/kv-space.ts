/** What the key-value store has of the main device, and how it is opened on it. */
import { OsdynoError } from "../../base/error.ts";
import { type Allocator, allocateAll, ExtentList } from "../../hot/allocator/allocator.ts";
import type { KeyValueStore, KvDamage, KvExtent, KvSpace } from "../../hot/kv/kv.ts";
import { keyValueEngines } from "../../hot/kv/registry.ts";
import { mergeOperators } from "./keys.ts";
import type { BlueStoreParts } from "./parts.ts";
import type { StoreState } from "./state.ts";

/** Space is given to the key-value store in pieces of this, if there are such (`bluefs_shared_alloc_size`). */
const kvUnitBytes = 65536;

/** The key-value store's view of the allocator; knows the allocator only after the store is open. */
export class SharedSpace implements KvSpace {
  readonly unitBytes: number;
  readonly #storeUnitBytes: number;
  allocator: Allocator | null = null;
  state: StoreState | null = null;

  /** `storeUnitBytes`: `bluestore_min_alloc_size` of the store. */
  constructor(storeUnitBytes: number) {
    this.unitBytes = Math.max(kvUnitBytes, storeUnitBytes);
    this.#storeUnitBytes = storeUnitBytes;
  }

  get handle(): unknown {
    return this.allocator === null ? null : Reflect.get(this.allocator, "handle");
  }

  allocate(lengthBytes: number): readonly KvExtent[] | undefined {
    const { allocator, unitBytes } = this;
    if (allocator === null) {
      throw new Error("internal error: the key-value store takes space before the store is open");
    }
    const whole = Math.ceil(lengthBytes / unitBytes) * unitBytes;
    // Small overwrites leave free space in small pieces: the key-value store must go on in them.
    const into =
      taken(allocator, whole, unitBytes) ?? taken(allocator, lengthBytes, this.#storeUnitBytes);
    if (into === null) {
      return undefined;
    }
    const extents: KvExtent[] = [];
    for (let at = 0; at < into.count; at += 1) {
      const [offsetBytes, length] = [into.offsetBytes(at), into.lengthBytes(at)];
      extents.push({ role: "main", offsetBytes, lengthBytes: length });
    }
    if (this.state !== null) {
      const bytes = bytesOf(into);
      this.state.reclaim.freeBytes -= bytes;
      this.state.kvBytes += bytes;
    }
    return extents;
  }

  release(extents: readonly KvExtent[]): void {
    const list = new ExtentList();
    for (const { offsetBytes, lengthBytes } of extents) {
      list.push(offsetBytes, lengthBytes);
      if (this.state !== null) {
        this.state.reclaim.freeBytes += lengthBytes;
        this.state.kvBytes -= lengthBytes;
      }
    }
    this.allocator?.release(list);
  }
}

/** Space in pieces of whole units; `null`: there is not so much. */
function taken(allocator: Allocator, lengthBytes: number, unitBytes: number): ExtentList | null {
  const into = new ExtentList();
  return allocateAll(allocator, lengthBytes, unitBytes, 0, 0, into) ? into : null;
}

/**
 * It takes space from the allocator by itself, on threads of its own, and does so while it is opened
 * for writing: what is in use must be known before.
 */
export function takesItsOwnSpace(kvName: string): boolean {
  return keyValueEngines().some(({ name, uses }) => name === kvName && uses === "native");
}

/** Why a store's metadata cannot be read, if that is what the error says. */
export function isDamage(error: unknown): error is OsdynoError {
  return error instanceof OsdynoError && error.context.damaged === true;
}

/** Opens the key-value store; what it cannot do is told with the name of the store's device. */
export async function openKv(
  parts: BlueStoreParts,
  how: {
    readonly create: boolean;
    readonly readOnly: boolean;
    readonly salvage?: (damage: KvDamage) => void;
  },
  space: KvSpace,
): Promise<KeyValueStore> {
  try {
    return await parts.openKv({
      devices: parts.kvDevices,
      ...how,
      space,
      mergeOperators,
      options: parts.kvOptions,
      clock: parts.clock,
      random: parts.random,
    });
  } catch (error) {
    const { name } = parts.lane.facts;
    if (error instanceof OsdynoError && error.code === "io" && !error.message.includes(name)) {
      throw new OsdynoError("io", `${name}: ${error.message}`, error.context, error);
    }
    throw error;
  }
}

/** What was damaged on the device, with its name and with what to do about it. */
export function withAdvice(error: unknown, name: string): unknown {
  if (!isDamage(error)) {
    return error;
  }
  const advice = `osdyno fsck ${name} says what can still be read`;
  if (error.message.includes("osdyno fsck ")) {
    return error;
  }
  const text = error.message.includes(name) ? error.message : `${name}: ${error.message}`;
  return new OsdynoError("io", `${text}; ${advice}`, error.context, error);
}

/** Commits that are missing because not all data that they stand on is there. */
export function missingCommits(kv: KeyValueStore): number {
  const counters = kv.counters();
  return counters["groundless_records"] ?? counters["bluefs_groundless_records"] ?? 0;
}

/** What was read of the key-value store once is not what was read of it before. */
export function readsDiffer(name: string): OsdynoError {
  return new OsdynoError(
    "io",
    `${name}: two reads of the same data differ, so the device may be failing; try it again`,
  );
}

/** What is to be told of `missingCommits`, in lines. */
export function missingNotes(missing: number): readonly string[] {
  return missing === 0
    ? []
    : ["the last commit before the crash is not there, since not all data of its writes is"];
}

/** Its extents on the main device. */
export function mainExtents(kv: KeyValueStore): ExtentList {
  const used = new ExtentList();
  for (const { role, offsetBytes, lengthBytes } of kv.usedExtents()) {
    if (role === "main") {
      used.push(offsetBytes, lengthBytes);
    }
  }
  return used;
}

export function bytesOf(extents: ExtentList): number {
  let bytes = 0;
  for (let at = 0; at < extents.count; at += 1) {
    bytes += extents.lengthBytes(at);
  }
  return bytes;
}

/** Takes what the key-value store has out of the free space; the bytes. */
export function takeUsed(kv: KeyValueStore, allocator: Allocator): number {
  const used = mainExtents(kv);
  allocator.removeFree(used);
  return bytesOf(used);
}
