import type { MemoryMeter } from "../port/memory-meter.ts";

/** Of this process: /proc/self/stat, and the limit of its control group. */
export const processMemory: MemoryMeter = {
  mappedBytes: () => process.memoryUsage.rss(),
  limitBytes: () => {
    const limit = process.constrainedMemory();
    return limit > 0 ? limit : Number.POSITIVE_INFINITY;
  },
};
