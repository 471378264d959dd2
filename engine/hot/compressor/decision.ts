/** When a blob is compressed and when the result is kept (`bluestore_compression_*`). */
import { assert } from "../../base/assert.ts";

/** `bluestore_compression_mode`. */
export const compressionModes = Object.freeze(["none", "passive", "aggressive", "force"] as const);
export type CompressionMode = (typeof compressionModes)[number];

/** What the client said of the data. */
export interface CompressionHints {
  readonly compressible: boolean;
  readonly incompressible: boolean;
}

/** `bluestore_compression_required_ratio`: a result may take this share of the space at most. */
export const requiredRatioDefault = 0.875;

/** Whether compressing is tried: always, unless told otherwise, only when told, or never. */
export function shouldCompress(mode: CompressionMode, hints: CompressionHints): boolean {
  switch (mode) {
    case "none":
      return false;
    case "passive":
      return hints.compressible;
    case "aggressive":
      return !hints.incompressible;
    case "force":
      return true;
  }
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

/**
 * Whether a compressed blob is kept: in allocation units it takes at most the required share of the raw
 * one, and less than it. `compressedBytes` includes the header that is stored before the data.
 */
export function isWorthIt(
  rawBytes: number,
  compressedBytes: number,
  minAllocBytes: number,
  requiredRatio: number = requiredRatioDefault,
): boolean {
  assert(rawBytes > 0 && minAllocBytes > 0, "a blob and an allocation unit have a size");
  assert(requiredRatio > 0 && requiredRatio <= 1, "the required ratio is above 0, at most 1");
  const stored = roundUp(compressedBytes, minAllocBytes);
  const allowed = roundUp(rawBytes * requiredRatio, minAllocBytes);
  return stored <= allowed && stored < rawBytes;
}

/** The most bytes, header included, that `isWorthIt` accepts; 0: none are. For the room to offer. */
export function mostWorthBytes(
  rawBytes: number,
  minAllocBytes: number,
  requiredRatio: number = requiredRatioDefault,
): number {
  const allowed = roundUp(rawBytes * requiredRatio, minAllocBytes);
  const below = roundUp(rawBytes, minAllocBytes) - minAllocBytes;
  return Math.min(allowed, below);
}
