/** The hot paths that have a bench and an exported conformance suite. */

export interface BenchedHotPath {
  readonly name: string;
  readonly describe: string;
}

export const benchedHotPaths: readonly BenchedHotPath[] = [
  {
    name: "ioengine",
    describe:
      "block I/O engines: 4 KiB random reads and writes on a scratch file at depths 1, 16 and 64",
  },
  {
    name: "kv",
    describe: "key-value stores: fill, overwrite at depths 1, 16 and 64, get, scan, open",
  },
  {
    name: "allocator",
    describe:
      "allocators: 4 KiB, 64 KiB and random sizes on a fresh, a worn and a self-aged device",
  },
];
