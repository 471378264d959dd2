/** The checksums by name, as `bluestore_csum_type` selects them. */
import { OsdynoError } from "../../base/error.ts";
import { byViews } from "./by-views.ts";
import type { Checksum } from "./checksum.ts";
import { nativeChecksum, nativeKinds } from "./native.ts";

/** One checksum. */
export interface ChecksumKind {
  readonly hotPath: "checksum";
  readonly name: string;
  readonly describe: string;
  create(): Checksum;
}

function onNative(
  name: Exclude<keyof typeof nativeKinds, "none" | "peer">,
  valueBytes: number,
  describe: string,
): ChecksumKind {
  return {
    hotPath: "checksum",
    name,
    describe,
    create: () => nativeChecksum(name, nativeKinds[name], valueBytes),
  };
}

const builtIn: readonly ChecksumKind[] = [
  {
    hotPath: "checksum",
    name: "none",
    describe: "no checksums: damage on the device is not noticed",
    create: () => byViews("none", { valueBytes: 0, checksum: () => {}, verify: () => -1 }),
  },
  onNative("crc32c", 4, "CRC-32C by the processor's own instructions, 4 bytes a chunk"),
  onNative(
    "crc32c_16",
    2,
    "the low 2 bytes of crc32c: less metadata, 1 damage in 65,536 unnoticed",
  ),
  onNative("crc32c_8", 1, "the low byte of crc32c: least metadata, 1 damage in 256 unnoticed"),
  onNative("xxhash32", 4, "xxHash32, 4 bytes a chunk"),
  onNative("xxhash64", 8, "xxHash64, 8 bytes a chunk"),
];

const kinds = new Map(builtIn.map((kind) => [kind.name, kind]));

/** Adds a checksum; refuses a name that is taken. */
export function registerChecksum(kind: ChecksumKind): void {
  if (kinds.has(kind.name)) {
    throw new OsdynoError("bad-input", `there is a checksum named ${kind.name} already`);
  }
  kinds.set(kind.name, kind);
}

/** All checksums, in the order they were registered. */
export function checksumKinds(): readonly ChecksumKind[] {
  return [...kinds.values()];
}

/** The checksum of that name; throws `bad-input` with the names there are. */
export function openChecksum(name: string): Checksum {
  const kind = kinds.get(name);
  if (kind === undefined) {
    const known = [...kinds.keys()].join(", ");
    throw new OsdynoError("bad-input", `unknown checksum ${name}; there are: ${known}`);
  }
  return kind.create();
}
