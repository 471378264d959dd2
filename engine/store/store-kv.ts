/** Which key-value store holds a store's metadata, and how it is tuned. */
import { createAllocator } from "../hot/allocator/registry.ts";
import type { KvOpenContext } from "../hot/kv/kv.ts";
import { keyValueEngines } from "../hot/kv/registry.ts";
import type { OptionSet } from "../options/option-set.ts";
import { optionTable } from "../options/registry.ts";

export interface KvChoice {
  readonly name: string;
  /** Why it is not the one that is usual; `null`: it is. */
  readonly note: string | null;
}

/** Below this what it keeps free for its logs and tables is more than a volume leaves. */
const usualNativeBytes = 512 * 2 ** 20;

/** Whether native code finds the allocator's space. */
function isNative(allocator: string): boolean {
  const made = createAllocator(allocator, { capacityBytes: 2 ** 20, blockBytes: 4096 });
  const handle: unknown = Reflect.get(made, "handle");
  made.close();
  return typeof handle === "number";
}

/** Of a store that is made: as set, else rocksdb, or waltree where that cannot be. */
export function kvOfNewStore(
  options: OptionSet,
  sizeBytes: number,
  hasDbDevice: boolean,
): KvChoice {
  const wanted = options.text("bluestore_kvbackend");
  if (options.isSet("bluestore_kvbackend")) {
    return { name: wanted, note: null };
  }
  const engine = keyValueEngines().find(({ name }) => name === wanted);
  const allocator = options.text("bluestore_allocator");
  let reason = engine?.unavailable ?? null;
  if (reason === null && !hasDbDevice && sizeBytes < usualNativeBytes) {
    reason = `takes a store of ${usualNativeBytes} bytes or more`;
  }
  if (reason === null && !hasDbDevice && !isNative(allocator)) {
    reason = `takes no space from allocator ${allocator}, which is in TypeScript`;
  }
  return reason === null
    ? { name: wanted, note: null }
    : { name: "waltree", note: `metadata is in waltree: ${wanted} ${reason}` };
}

const kvOptionNames = /^(bluefs_|rocksdb_|bluestore_rocksdb_|bluestore_volume_selection_|waltree_)/;

/** Tuning of key-value stores, as far as it was set. */
export function kvOptionsOf(options: OptionSet): KvOpenContext["options"] {
  const set = optionTable.filter(
    ({ name, layer }) => layer === "store" && kvOptionNames.test(name) && options.isSet(name),
  );
  return Object.fromEntries(set.map(({ name }) => [name, options.get(name)]));
}
