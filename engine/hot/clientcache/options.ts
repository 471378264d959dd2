/** The client cache as the options of a target describe it. */
import type { OptionSet } from "../../options/option-set.ts";
import type { BlockDevice } from "../../port/block-device.ts";
import type { Clock } from "../../port/clock.ts";
import { clientCacheKind, type OpenedClientCache } from "./registry.ts";
import type { ClientCacheTuning } from "./tuning.ts";

/** Throws `bad-input` for limits that do not go together. */
export function clientCacheTuningOf(options: OptionSet): ClientCacheTuning {
  const maxDirtyBytes = options.number("rbd_cache_max_dirty");
  return {
    sizeBytes: options.number("rbd_cache_size"),
    maxDirtyBytes,
    // As in librbd: the target is never above the limit.
    targetDirtyBytes: Math.min(options.number("rbd_cache_target_dirty"), maxDirtyBytes),
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
