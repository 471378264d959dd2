/** The space of deferred writes that a mount finds: nobody gets it before their records are gone. */
import { expect, it } from "vitest";
import { ExtentList } from "../../engine/hot/allocator/allocator.ts";
import { createAllocator } from "../../engine/hot/allocator/registry.ts";
import { KvBatch } from "../../engine/hot/kv/kv.ts";
import { setAside } from "../../engine/store/bluestore/replay.ts";

const unit = 4096;

it("what is free of it is taken out, in whole units; what is used stays as it is", () => {
  const allocator = createAllocator("bitmap", {
    capacityBytes: 100 * unit,
    blockBytes: unit,
    parameters: {},
  });
  try {
    allocator.release(ExtentList.of([10 * unit, 10 * unit], [40 * unit, 5 * unit]));
    const write = (offsetBytes: number, length: number) => ({
      offsetBytes,
      bytes: new Uint8Array(length),
    });
    const writes = [
      // Over the end of a free extent, twice over the same place, one byte of a unit, nothing free.
      write(18 * unit, 4 * unit),
      write(12 * unit, unit),
      write(12 * unit, 2 * unit),
      write(41 * unit + 100, 1),
      write(60 * unit, unit),
    ];
    const outstanding = { writes, last: 1, removal: new KvBatch() };
    const aside = setAside(outstanding, allocator, unit);
    const free: number[][] = [];
    allocator.forEachFree((offset, length) => free.push([offset / unit, length / unit]));
    expect(free).toEqual([
      [10, 2],
      [14, 4],
      [40, 1],
      [42, 3],
    ]);
    allocator.release(aside);
    expect(allocator.freeBytes()).toBe(15 * unit);
  } finally {
    allocator.close();
  }
});
