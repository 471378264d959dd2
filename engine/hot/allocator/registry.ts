/** The allocators by name, as `bluestore_allocator` selects them. */
import { OsdynoError } from "../../base/error.ts";
import { nearestName } from "../../base/nearest-name.ts";
import type { Allocator, AllocatorOptions } from "./allocator.ts";
import { NativeAllocator } from "./native-allocator.ts";

/** One allocator that can be made. */
export interface AllocatorKind {
  readonly hotPath: "allocator";
  readonly name: string;
  readonly describe: string;
  /** All space is in use at first. Throws `bad-input` with one line. */
  create(options: AllocatorOptions): Allocator;
}

/** The one that is taken when none is named. */
export const defaultAllocator = "hybrid";

function builtIn(name: string, describe: string): AllocatorKind {
  return {
    hotPath: "allocator",
    name,
    describe,
    create: (options) => new NativeAllocator(name, options),
  };
}

const kinds = new Map(
  [
    builtIn("stupid", "first fit in sets of free extents by the logarithm of their length"),
    builtIn("bitmap", "a bit per block with two levels of summaries: fixed memory, 32 MiB per TiB"),
    builtIn("avl", "AVL trees by offset and by length: first fit, best fit when space is short"),
    builtIn("btree", "the same on B+ trees"),
    builtIn(
      "hybrid",
      "avl up to a limit of memory, bitmap for the short extents beyond it (default)",
    ),
  ].map((kind) => [kind.name, kind]),
);

/** Adds an allocator; refuses a name that is taken. */
export function registerAllocator(kind: AllocatorKind): void {
  if (kinds.has(kind.name)) {
    throw new OsdynoError("bad-input", `there is an allocator named ${kind.name} already`);
  }
  kinds.set(kind.name, kind);
}

/** All allocators, in the order they were registered. */
export function allocatorKinds(): readonly AllocatorKind[] {
  return [...kinds.values()];
}

/** Makes the allocator of that name, all of its space in use. */
export function createAllocator(name: string, options: AllocatorOptions): Allocator {
  const kind = kinds.get(name);
  if (kind === undefined) {
    const known = [...kinds.keys()];
    const guess = nearestName(name, known);
    throw new OsdynoError(
      "bad-input",
      `unknown allocator ${name}${guess === null ? "" : `; did you mean ${guess}?`} (there are ${known.join(", ")})`,
    );
  }
  return kind.create(options);
}
