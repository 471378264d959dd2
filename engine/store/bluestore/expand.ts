/** A store takes all of devices that have become larger. */
import { OsdynoError } from "../../base/error.ts";
import { encodeLabel } from "./label.ts";
import { labelLanes, readLabel, writeBlock } from "./label-io.ts";
import type { BlueStoreParts } from "./parts.ts";
import { BlueStore } from "./store.ts";

export interface Expansion {
  readonly role: "main" | "db" | "wal";
  readonly device: string;
  readonly beforeBytes: number;
  readonly afterBytes: number;
}

/**
 * Grows the store to the devices' sizes. Whatever moment it ends at, the store is whole: what was not
 * taken is taken by the next call. Throws `bad-input` or `io` with one line.
 */
export async function expandStore(parts: BlueStoreParts): Promise<readonly Expansion[]> {
  const { lane } = parts;
  const { name, sizeBytes } = lane.facts;
  let store = await BlueStore.mount(parts);
  const { geometry } = store.opened;
  const grown = sizeBytes - (sizeBytes % geometry.unitBytes);
  if (grown > geometry.sizeBytes) {
    await unmount(store, name);
    store = await BlueStore.mount(parts, grown);
  }
  await unmount(store, name);
  const expansions: Expansion[] = [];
  for (const [role, each] of labelLanes(parts)) {
    const label = await readLabel(each);
    const before = role === "main" ? geometry.sizeBytes : label.sizeBytes;
    const after = Math.max(before, role === "main" ? grown : each.facts.sizeBytes);
    if (after !== label.sizeBytes) {
      await writeBlock(each, encodeLabel({ ...label, sizeBytes: after }));
    }
    const device = each.facts.name;
    expansions.push({ role, device, beforeBytes: before, afterBytes: after });
  }
  return expansions;
}

async function unmount(store: BlueStore, device: string): Promise<void> {
  const result = await new Promise<number>((resolve) => store.unmount(resolve));
  if (result < 0) {
    throw new OsdynoError("io", `${device}: the store did not end cleanly, errno ${-result}`);
  }
}
