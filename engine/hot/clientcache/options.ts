/** The client cache as the options of a target describe it. */
import type { OptionSet } from "../../options/option-set.ts";
import type { BlockDevice } from "../../port/block-device.ts";
import type { Clock } from "../../port/clock.ts";
import { clientCacheKind, type OpenedClientCache } from "./registry.ts";
import type { ClientCacheTuning } from "./tuning.ts";

/** What the limits of the cache come to: no more can be dirty than it holds, and the target is below that. */
function dirtyLimits(options: OptionSet) {
  const sizeBytes = options.number("rbd_cache_size");
  const maxDirtyBytes = Math.min(options.number("rbd_cache_max_dirty"), sizeBytes);
  const targetDirtyBytes = Math.min(options.number("rbd_cache_target_dirty"), maxDirtyBytes);
  return { sizeBytes, maxDirtyBytes, targetDirtyBytes };
}

const mib = (bytes: number) => `${Number((bytes / (1 << 20)).toPrecision(4))} MiB`;

/** Limits of a write-back cache that act as smaller ones, one line each. */
export function clientCacheNotes(options: OptionSet): readonly string[] {
  if (options.text("rbd_cache_policy") !== "writeback") {
    return [];
  }
  const { sizeBytes, maxDirtyBytes, targetDirtyBytes } = dirtyLimits(options);
  const bound = sizeBytes < options.number("rbd_cache_max_dirty") ? "size" : "max_dirty";
  const limits = [
    ["rbd_cache_max_dirty", maxDirtyBytes, "rbd_cache_size"],
    ["rbd_cache_target_dirty", targetDirtyBytes, `rbd_cache_${bound}`],
  ] as const;
  return limits.flatMap(([name, acting, by]) => {
    const set = options.number(name);
    const origin = options.isSet(name) ? "" : " (default)";
    return set > acting ? [`${name}=${mib(set)}${origin} acts as ${mib(acting)}, the ${by}`] : [];
  });
}

/** Throws `bad-input` for limits that do not go together. */
export function clientCacheTuningOf(options: OptionSet): ClientCacheTuning {
  return {
    ...dirtyLimits(options),
    maxDirtyAgeNs: options.number("rbd_cache_max_dirty_age") * 1e9,
    writethroughUntilFlush: options.flag("rbd_cache_writethrough_until_flush"),
    eviction: options.text("rbd_cache_eviction"),
    readahead: {
      triggerRequests: options.number("rbd_readahead_trigger_requests"),
      maxBytes: options.number("rbd_readahead_max_bytes"),
      disableAfterBytes: options.number("rbd_readahead_disable_after_bytes"),
    },
  };
}

/** Puts the cache over a device. */
export async function openClientCacheDevice(
  below: BlockDevice,
  options: OptionSet,
  clock: Clock,
): Promise<OpenedClientCache> {
  const kind = clientCacheKind(options.text("rbd_cache_policy"));
  return await kind.open({ image: below, clock, tuning: clientCacheTuningOf(options) });
}
