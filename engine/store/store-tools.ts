/** Stores on this machine that are looked into and mended, not used. */
import { SeededRandom } from "../base/random.ts";
import { OptionSet, type OptionSetting } from "../options/option-set.ts";
import { Holds } from "../os/hold.ts";
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
  /** Of a command that has the store for several steps; absent: it is had for this one. */
  readonly holds?: Holds;
}

/** What opening a store with no user takes. */
export function toolStore({ path, settings, holds }: ToolRequest): RealStoreRequest {
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
    ...(holds === undefined ? {} : { holds }),
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
  const { path, write } = request;
  // What is no store is told as such, and not as one in use.
  labelOf(path);
  const own = new Holds();
  const holds = request.holds ?? own;
  try {
    holds.take(path);
    const label = labelOf(path);
    const opened = openParts(toolStore({ ...request, holds }), label, write);
    try {
      return await use(opened.parts, label);
    } catch (error) {
      throw withAdvice(error, path);
    } finally {
      releaseParts(opened);
    }
  } finally {
    own.close();
  }
}
