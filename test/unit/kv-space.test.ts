import { expect, test } from "vitest";
import { ExtentList } from "../../engine/hot/allocator/allocator.ts";
import { FirstFitAllocator } from "../../engine/hot/allocator/first-fit.ts";
import { SharedSpace } from "../../engine/store/bluestore/kv-space.ts";

const unit = 4096;
const piece = 65_536;

/** Every second unit of the first MiB is free, and `whole` pieces of 64 KiB behind it. */
function spaceOf(whole: number): { space: SharedSpace; allocator: FirstFitAllocator } {
  const allocator = new FirstFitAllocator({ capacityBytes: 2 ** 21, blockBytes: unit });
  const free = new ExtentList();
  for (let at = 0; at < 2 ** 20; at += 2 * unit) {
    free.push(at, unit);
  }
  free.push(2 ** 20 + unit, (whole + 1) * piece);
  allocator.release(free);
  const space = new SharedSpace(unit);
  space.allocator = allocator;
  return { space, allocator };
}

const bytesOf = (extents: readonly { readonly lengthBytes: number }[] | undefined) =>
  extents?.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);

test("the key-value store gets large pieces while there are such", () => {
  const { space, allocator } = spaceOf(3);
  const before = allocator.freeBytes();
  const got = space.allocate(2 * piece);
  expect(bytesOf(got)).toBe(2 * piece);
  for (const { offsetBytes, lengthBytes } of got ?? []) {
    expect([offsetBytes % piece, lengthBytes % piece]).toEqual([0, 0]);
  }
  space.release(got ?? []);
  expect(allocator.freeBytes()).toBe(before);
});

test("it goes on in small pieces when small overwrites have left nothing else", () => {
  const { space, allocator } = spaceOf(1);
  const before = allocator.freeBytes();
  const got = space.allocate(4 * piece + unit);
  expect(bytesOf(got)).toBe(4 * piece + unit);
  expect(allocator.freeBytes()).toBe(before - 4 * piece - unit);
  space.release(got ?? []);
  expect(allocator.freeBytes()).toBe(before);
});

test("without enough space it gets none", () => {
  const { space, allocator } = spaceOf(1);
  const before = allocator.freeBytes();
  expect(space.allocate(16 * piece)).toBeUndefined();
  expect(allocator.freeBytes()).toBe(before);
});
