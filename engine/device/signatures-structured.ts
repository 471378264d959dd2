/** Signatures that need a look at several fields: ext, FAT, HFS+, NILFS, UDF, md RAID, ZFS. */
import { labelText } from "./signatures-magic.ts";
import type { Region, Signature, SignatureRule } from "./signatures-model.ts";

function filesystem(
  name: string,
  what: string,
  offsetBytes: number,
  label: string | null,
): Signature {
  return { kind: "filesystem", name, what, offsetBytes, label };
}

const extMagic = 0xef53;
const extHasJournal = 0x4;
const extJournalDevice = 0x8;
/** Features that ext3 knows; any other one makes it ext4 (kernel: fs/ext4/ext4.h). */
const ext3Incompat = 0x2 | 0x4 | 0x8 | 0x10;
const ext3ReadOnly = 0x1 | 0x2 | 0x4;

function ext(region: Region): Signature | null {
  const block = region.bytes(1024, 256);
  if (block === null || block.readUInt16LE(0x38) !== extMagic) {
    return null;
  }
  const [compat, incompat, readOnly] = [0x5c, 0x60, 0x64].map((at) => block.readUInt32LE(at));
  const label = labelText(block.subarray(0x78, 0x88));
  if (((incompat ?? 0) & extJournalDevice) !== 0) {
    return filesystem("jbd", "an external journal of ext", 1024 + 0x38, label);
  }
  const isExt4 = ((incompat ?? 0) & ~ext3Incompat) !== 0 || ((readOnly ?? 0) & ~ext3ReadOnly) !== 0;
  const name = isExt4 ? "ext4" : ((compat ?? 0) & extHasJournal) !== 0 ? "ext3" : "ext2";
  return filesystem(name, `an ${name} file system`, 1024 + 0x38, label);
}

/** The fields of a FAT boot sector fit together (Microsoft's FAT specification, 3.1). */
export function looksLikeFat(sector: Buffer): boolean {
  const jump = sector[0];
  const sectorBytes = sector.readUInt16LE(11);
  const clusterSectors = sector[13] ?? 0;
  const tables = sector[16] ?? 0;
  const media = sector[21] ?? 0;
  return (
    (jump === 0xeb || jump === 0xe9) &&
    [512, 1024, 2048, 4096].includes(sectorBytes) &&
    clusterSectors !== 0 &&
    (clusterSectors & (clusterSectors - 1)) === 0 &&
    sector.readUInt16LE(14) !== 0 &&
    (tables === 1 || tables === 2) &&
    (media === 0xf0 || media >= 0xf8)
  );
}

function fat(region: Region): Signature | null {
  const sector = region.bytes(0, 512);
  if (sector === null || !looksLikeFat(sector)) {
    return null;
  }
  const isFat32 = sector.readUInt16LE(22) === 0;
  const label = labelText(isFat32 ? sector.subarray(71, 82) : sector.subarray(43, 54));
  const named = label === "NO NAME" ? null : label;
  return filesystem("vfat", "a FAT file system", 0, named);
}

function hfsPlus(region: Region): Signature | null {
  const header = region.bytes(1024, 4);
  const name = header?.toString("latin1", 0, 2);
  const version = header?.readUInt16BE(2);
  const found = (name === "H+" && version === 4) || (name === "HX" && version === 5);
  return found ? filesystem("hfsplus", "an HFS+ file system", 1024, null) : null;
}

function nilfs(region: Region): Signature | null {
  const block = region.bytes(1024, 1024);
  if (block === null || block.readUInt32LE(0) !== 2 || block.readUInt16LE(6) !== 0x3434) {
    return null;
  }
  return filesystem("nilfs2", "a NILFS2 file system", 1030, labelText(block.subarray(152, 232)));
}

/** ECMA-167: descriptors of 2048 bytes from 32 KiB on, one of them NSR02 or NSR03. */
function udf(region: Region): Signature | null {
  for (let index = 0; index < 16; index += 1) {
    const offset = 0x8001 + index * 2048;
    const name = region.bytes(offset, 5)?.toString("latin1");
    if (name === "NSR02" || name === "NSR03") {
      return filesystem("udf", "a UDF file system", offset, null);
    }
  }
  return null;
}

const mdMagic = 0xa92b4efc;

function raid(version: string, offsetBytes: number, label: string | null): Signature {
  const what = `a member of an md RAID (metadata ${version})`;
  return { kind: "raid", name: "linux_raid_member", what, offsetBytes, label };
}

/** md 0.90: in the last aligned 64 KiB, in the byte order of the machine that wrote it. */
function md0(region: Region): Signature | null {
  const offset = Math.floor(region.sizeBytes / 65_536) * 65_536 - 65_536;
  const block = region.bytes(offset, 8);
  if (block === null) {
    return null;
  }
  const little = block.readUInt32LE(0) === mdMagic && block.readUInt32LE(4) === 0;
  const big = block.readUInt32BE(0) === mdMagic && block.readUInt32BE(4) === 0;
  return little || big ? raid("0.90", offset, null) : null;
}

/** md 1.x: 1.1 at the start, 1.2 at 4 KiB, 1.0 at the last 4 KiB that are at least 8 KiB from the end. */
function md1(region: Region): Signature | null {
  const sectors = Math.floor(region.sizeBytes / 512);
  const lastOffset = Math.floor((sectors - 16) / 8) * 8 * 512;
  const places: readonly (readonly [string, number])[] = [
    ["1.1", 0],
    ["1.2", 4096],
    ["1.0", lastOffset],
  ];
  for (const [version, offset] of places) {
    const block = region.bytes(offset, 64);
    if (block !== null && block.readUInt32LE(0) === mdMagic && block.readUInt32LE(4) === 1) {
      return raid(version, offset, labelText(block.subarray(32, 64)));
    }
  }
  return null;
}

const zfsLabelBytes = 256 * 1024;
const uberblockBytes = 1024;

/**
 * ZFS: four labels of 256 KiB, two at each end, the second half of each a ring of uberblocks that
 * start with 0x00bab10c in the writer's byte order (ZFS On-Disk Specification, chapter 1).
 */
function zfs(region: Region): Signature | null {
  const end = Math.floor(region.sizeBytes / zfsLabelBytes) * zfsLabelBytes;
  for (const label of [0, zfsLabelBytes, end - 2 * zfsLabelBytes, end - zfsLabelBytes]) {
    const ring = region.bytes(label + zfsLabelBytes / 2, zfsLabelBytes / 2);
    if (ring === null) {
      continue;
    }
    for (let at = 0; at < ring.length; at += uberblockBytes) {
      const little = ring.readUInt32LE(at) === 0x00bab10c && ring.readUInt32LE(at + 4) === 0;
      const big = ring.readUInt32BE(at) === 0 && ring.readUInt32BE(at + 4) === 0x00bab10c;
      if (little || big) {
        const offsetBytes = label + zfsLabelBytes / 2 + at;
        const what = "a member of a ZFS pool";
        return { kind: "filesystem", name: "zfs_member", what, offsetBytes, label: null };
      }
    }
  }
  return null;
}

export const structuredRules: readonly SignatureRule[] = [
  ext,
  fat,
  hfsPlus,
  nilfs,
  udf,
  md0,
  md1,
  zfs,
];
