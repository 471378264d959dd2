/** Partition tables: MBR, GPT (first header, backup, protective MBR alone), BSD, Sun, SGI, Mac, Amiga. */
import type { Region, Signature, SignatureRule } from "./signatures-model.ts";
import { looksLikeFat } from "./signatures-structured.ts";

const protectiveType = 0xee;

function table(name: string, what: string, offsetBytes: number): Signature {
  return { kind: "partition-table", name, what, offsetBytes, label: null };
}

/** Boot sector with its mark 55 AA, if there is one. */
function bootSector(region: Region): Buffer | null {
  const sector = region.bytes(0, 512);
  return sector !== null && sector[510] === 0x55 && sector[511] === 0xaa ? sector : null;
}

function partitionTypes(sector: Buffer): number[] {
  return [0, 1, 2, 3].map((index) => sector[446 + index * 16 + 4] ?? 0);
}

function isGptHeader(region: Region, offset: number): boolean {
  const header = region.bytes(offset, 92);
  if (header === null || header.toString("latin1", 0, 8) !== "EFI PART") {
    return false;
  }
  const headerBytes = header.readUInt32LE(12);
  return headerBytes >= 92 && headerBytes <= 4096;
}

/** UEFI 2.10, 5.3: header in sector 1, backup in the last sector, a protective MBR before both. */
function gpt(region: Region): Signature | null {
  for (const sectorBytes of region.sectorBytes) {
    if (isGptHeader(region, sectorBytes)) {
      return table("gpt", "a GPT partition table", sectorBytes);
    }
  }
  for (const sectorBytes of region.sectorBytes) {
    const offset = region.sizeBytes - sectorBytes;
    if (offset > 0 && isGptHeader(region, offset)) {
      return table("gpt", "a GPT partition table (its backup header)", offset);
    }
  }
  const sector = bootSector(region);
  return sector !== null && partitionTypes(sector).includes(protectiveType)
    ? table("gpt", "a protective MBR of a GPT partition table", 510)
    : null;
}

/** A boot sector of FAT or NTFS bears the same mark: those are told apart by their own fields. */
function mbr(region: Region): Signature | null {
  const sector = bootSector(region);
  if (sector === null || looksLikeFat(sector)) {
    return null;
  }
  const maker = sector.toString("latin1", 3, 11);
  if (maker === "NTFS    " || maker === "EXFAT   " || maker === "-FVE-FS-") {
    return null;
  }
  const bootFlagsFit = [0, 1, 2, 3].every((index) => {
    const flag = sector[446 + index * 16];
    return flag === 0 || flag === 0x80;
  });
  return bootFlagsFit && !partitionTypes(sector).includes(protectiveType)
    ? table("dos", "an MBR partition table", 510)
    : null;
}

function magicTable(
  name: string,
  what: string,
  places: readonly number[],
  magic: Buffer,
): SignatureRule {
  return (region) => {
    const offset = places.find((at) => region.bytes(at, magic.length)?.equals(magic) === true);
    return offset === undefined ? null : table(name, what, offset);
  };
}

export const partitionTables: readonly SignatureRule[] = [
  gpt,
  mbr,
  magicTable("bsd", "a BSD disk label", [0, 64, 128, 512], Buffer.from([0x57, 0x45, 0x56, 0x82])),
  magicTable("sun", "a Sun disk label", [508], Buffer.from([0xda, 0xbe])),
  magicTable("sgi", "an SGI disk label", [0], Buffer.from([0x0b, 0xe5, 0xa9, 0x41])),
  magicTable("mac", "an Apple partition map", [512], Buffer.from("PM\0\0", "latin1")),
  magicTable(
    "amiga",
    "an Amiga partition table",
    Array.from({ length: 16 }, (_, sector) => sector * 512),
    Buffer.from("RDSK", "latin1"),
  ),
];
