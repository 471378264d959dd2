/** Stores on this machine that are looked into and mended, not used. */
import { SeededRandom } from "../base/random.ts";
import { OptionSet, type OptionSetting } from "../options/option-set.ts";
import { withAdvice } from "./bluestore/kv-space.ts";
import type { DeviceLabel } from "./bluestore/label.ts";
import type { BlueStoreParts } from "./bluestore/parts.ts";
import { openParts, type RealStoreRequest, releaseParts } from "./real-store.ts";
import { labelOf } from "./store-devices.ts";

export interface ToolRequest {
  readonly path: string;
  /** E.g. where a db device is by now. */
  readonly settings: readonly OptionSetting[];
  readonly write: boolean;
}

/** What opening a store with no user takes. */
export function toolStore({ path, settings }: ToolRequest): RealStoreRequest {
  return {
    path,
    options: new OptionSet({ layers: new Set(["store"]), kind: "ssd", settings }),
    deviceClass: "ssd",
    classReason: "not probed",
    sizeBytes: 0,
    // Nothing is drawn unless a store is made.
    random: new SeededRandom(1),
    slotBytes: 65_536,
    userSlots: 0,
  };
}

/**
 * Opens the store's devices for this process alone, and lets go of them afterwards. Throws `bad-input`,
 * `unsafe` or `io` with one line.
 */
export async function withStoreParts<T>(
  request: ToolRequest,
  use: (parts: BlueStoreParts, label: DeviceLabel) => Promise<T>,
): Promise<T> {
  const label = labelOf(request.path);
  const opened = openParts(toolStore(request), label, request.write);
  try {
    return await use(opened.parts, label);
  } catch (error) {
    throw withAdvice(error, request.path);
  } finally {
    releaseParts(opened);
  }
}
