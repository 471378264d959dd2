/** What the key-value store has of the main device, and how it is opened on it. */
import { type Allocator, ExtentList } from "../../hot/allocator/allocator.ts";
import type { KeyValueStore, KvExtent, KvSpace } from "../../hot/kv/kv.ts";
import { keyValueEngines } from "../../hot/kv/registry.ts";
import { mergeOperators } from "./keys.ts";
import type { BlueStoreParts } from "./parts.ts";
import type { StoreState } from "./state.ts";

/** Space is given to the key-value store in pieces of this (`bluefs_shared_alloc_size`). */
const kvUnitBytes = 65536;

/** The key-value store's view of the allocator; knows the allocator only after the store is open. */
export class SharedSpace implements KvSpace {
  readonly unitBytes: number;
  allocator: Allocator | null = null;
  state: StoreState | null = null;

  constructor(unitBytes: number) {
    this.unitBytes = unitBytes;
  }

  get handle(): unknown {
    return this.allocator === null ? null : Reflect.get(this.allocator, "handle");
  }

  allocate(lengthBytes: number): readonly KvExtent[] | undefined {
    const { allocator, unitBytes } = this;
    if (allocator === null) {
      throw new Error("internal error: the key-value store takes space before the store is open");
    }
    const into = new ExtentList();
    const taken = allocator.allocate(lengthBytes, unitBytes, 0, 0, into);
    const extents: KvExtent[] = [];
    for (let at = 0; at < into.count; at += 1) {
      const [offsetBytes, length] = [into.offsetBytes(at), into.lengthBytes(at)];
      extents.push({ role: "main", offsetBytes, lengthBytes: length });
    }
    if (taken < lengthBytes) {
      allocator.release(into);
      return undefined;
    }
    if (this.state !== null) {
      this.state.reclaim.freeBytes -= lengthBytes;
      this.state.kvBytes += lengthBytes;
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

export function kvSpaceUnit(unitBytes: number): number {
  return Math.max(kvUnitBytes, unitBytes);
}

/**
 * It takes space from the allocator by itself, on threads of its own, and does so while it is opened
 * for writing: what is in use must be known before.
 */
export function takesItsOwnSpace(kvName: string): boolean {
  return keyValueEngines().some(({ name, uses }) => name === kvName && uses === "native");
}

export async function openKv(
  parts: BlueStoreParts,
  how: { readonly create: boolean; readonly readOnly: boolean },
  space: KvSpace,
): Promise<KeyValueStore> {
  return await parts.openKv({
    devices: parts.kvDevices,
    ...how,
    space,
    mergeOperators,
    options: parts.kvOptions,
    clock: parts.clock,
    random: parts.random,
  });
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
