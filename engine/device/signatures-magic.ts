/**
 * Signatures that one magic number at a fixed place gives away. Places and numbers are those of the
 * formats' own documents and kernel headers; blkid agrees with them in the tests.
 */
import type { Region, Signature, SignatureKind, SignatureRule } from "./signatures-model.ts";

interface MagicRow {
  readonly name: string;
  readonly kind: SignatureKind;
  readonly what: string;
  /** The magic number stands at any of these offsets; below zero counts from the end. */
  readonly at: readonly number[];
  readonly magic: Buffer;
  /** Offset, from the start of the device, and length of a zero-padded text label. */
  readonly label?: readonly [offset: number, length: number];
}

const text = (value: string): Buffer => Buffer.from(value, "latin1");
const hex = (value: string): Buffer => Buffer.from(value.replaceAll(" ", ""), "hex");

function fs(
  name: string,
  at: number | readonly number[],
  magic: Buffer,
  label?: readonly [number, number],
): MagicRow {
  const article = /^[aeio]/i.test(name) || /^(XFS|NTFS|HFS)/i.test(name) ? "an" : "a";
  const row = {
    name,
    kind: "filesystem" as const,
    what: `${article} ${name} file system`,
    at: typeof at === "number" ? [at] : at,
    magic,
  };
  return label === undefined ? row : { ...row, label };
}

function row(
  name: string,
  kind: SignatureKind,
  what: string,
  at: readonly number[],
  magic: Buffer,
  label?: readonly [number, number],
): MagicRow {
  return label === undefined
    ? { name, kind, what, at, magic }
    : { name, kind, what, at, magic, label };
}

/** mkswap writes its magic at the end of the first page, whatever the page size is. */
const swapOffsets = [4096, 8192, 16384, 32768, 65536].map((page) => page - 10);

/** BlueStore keeps copies of its label at these places as well (since Ceph 19). */
const gibibyte = 2 ** 30;
const bluestoreOffsets = [0, 1, 10, 100, 1000].map((count) => count * gibibyte);

const sectors = [0, 1, 2, 3].map((sector) => sector * 512);

const rows: readonly MagicRow[] = [
  fs("xfs", 0, text("XFSB"), [108, 12]),
  fs("btrfs", 0x1_0040, text("_BHRfS_M"), [0x1_0000 + 299, 256]),
  fs("f2fs", 0x400, hex("1020f5f2")),
  fs("bcachefs", 4096 + 24, hex("c68573f6 66ce90a9 d96a60cf 803df7ef")),
  fs("exfat", 3, text("EXFAT   ")),
  fs("ntfs", 3, text("NTFS    ")),
  fs("ReFS", 3, text("ReFS\0\0\0\0")),
  fs("iso9660", 0x8001, text("CD001"), [0x8028, 32]),
  fs("squashfs", 0, text("hsqs")),
  fs("erofs", 1024, hex("e2e1f5e0"), [1024 + 64, 16]),
  fs("cramfs", 0, hex("453dcd28"), [48, 16]),
  fs("jfs", 0x8000, text("JFS1"), [0x8000 + 152, 16]),
  fs("reiserfs", 0x1_0034, text("ReIsEr")),
  fs("ocfs2", [0x400, 0x800, 0x1000, 0x2000], text("OCFSV2")),
  fs("gfs2", 0x1_0000, hex("01161970")),
  fs("apfs", 32, text("NXSB")),
  fs("zonefs", 0, text("SFOZ")),
  fs("ufs", [8192 + 1372, 65536 + 1372], hex("54190100")),
  fs("ufs", [8192 + 1372, 65536 + 1372], hex("19015419")),
  fs("VMFS", 0x20_0000, hex("5ef1ab2f")),
  row("VMFS_volume_member", "raid", "a member of a VMFS volume", [0x10_0000], hex("0dd001c0")),
  row("swap", "swap", "a swap area", swapOffsets, text("SWAPSPACE2"), [1024 + 28, 16]),
  row("swap", "swap", "an old swap area", swapOffsets, text("SWAP-SPACE")),
  row("swsuspend", "swap", "a hibernated system", swapOffsets, text("S1SUSPEND\0")),
  row("swsuspend", "swap", "a hibernated system", swapOffsets, text("S2SUSPEND\0")),
  row("swsuspend", "swap", "a hibernated system", swapOffsets, text("LINHIB0001")),
  row("crypto_LUKS", "crypto", "a LUKS volume", [0], hex("4c554b53babe")),
  row(
    "crypto_LUKS",
    "crypto",
    "the second header of a LUKS volume",
    [0x4000, 0x8000, 0x1_0000, 0x2_0000, 0x4_0000],
    hex("534b554cbabe"),
  ),
  row("BitLocker", "crypto", "a BitLocker volume", [3], text("-FVE-FS-")),
  row("DM_integrity", "crypto", "a dm-integrity volume", [0], text("integrt\0")),
  row("DM_verity_hash", "crypto", "a dm-verity hash tree", [0], text("verity\0\0")),
  row("LVM1_member", "lvm", "an LVM1 physical volume", [0], text("HM\u0001\0")),
  row("LVM1_member", "lvm", "an LVM1 physical volume", [0], text("HM\u0002\0")),
  row("DM_snapshot_cow", "lvm", "a snapshot's store", [0], text("SnAp")),
  row("vdo", "lvm", "a VDO volume", [0], text("dmvdo001")),
  row(
    "stratis",
    "lvm",
    "a Stratis device",
    [516, 9 * 512 + 4],
    text("!Stra0tis\x86\xff\x02^\x41rh"),
  ),
  row(
    "bcache",
    "cache",
    "a bcache device",
    [4096 + 24],
    hex("c68573f6 4e1a45ca 8265f57f 48ba6d81"),
    [4096 + 72, 32],
  ),
  row(
    "isw_raid_member",
    "raid",
    "a member of an Intel RAID",
    [-1024],
    text("Intel Raid ISM Cfg Sig. "),
  ),
  row("ddf_raid_member", "raid", "a member of a DDF RAID", [-512, -512 * 257], hex("de11de11")),
  row(
    "ceph_bluestore",
    "ceph",
    "a Ceph OSD (BlueStore)",
    bluestoreOffsets,
    text("bluestore block device"),
  ),
  row(
    "osdyno_store",
    "osdyno",
    "a device of an object store of osdyno",
    [0],
    text("osdyno bluestore device\n"),
  ),
  row("osdyno_writelog", "osdyno", "a write log of osdyno", [0, 4096], text("osdynoPL")),
  row("drbd", "raid", "a DRBD volume", [-4096 + 60], hex("8374026b")),
  row("drbd", "raid", "a DRBD volume", [-4096 + 60], hex("8374026c")),
  row("drbd", "raid", "a DRBD volume", [-4096 + 60], hex("8374026d")),
];

/** Text up to the first zero byte, blanks at its end cut off; `null` when nothing is left. */
export function labelText(bytes: Buffer | null): string | null {
  if (bytes === null) {
    return null;
  }
  const end = bytes.indexOf(0);
  const label = bytes
    .toString("utf8", 0, end === -1 ? bytes.length : end)
    .trim()
    // A label goes into messages: control characters would let a disk write on the terminal.
    .replace(/\p{Cc}/gu, "?");
  return label === "" ? null : label;
}

function matchRow(rule: MagicRow, region: Region): Signature | null {
  for (const at of rule.at) {
    const offset = at < 0 ? region.sizeBytes + at : at;
    if (region.bytes(offset, rule.magic.length)?.equals(rule.magic) === true) {
      const { name, kind, what } = rule;
      const label = rule.label === undefined ? null : labelText(region.bytes(...rule.label));
      return { kind, name, what, offsetBytes: offset, label };
    }
  }
  return null;
}

/** LVM2: a label in one of the first four sectors that says so twice. */
function lvm2(region: Region): Signature | null {
  for (const offset of sectors) {
    const label = region.bytes(offset, 32);
    if (
      label !== null &&
      label.toString("latin1", 0, 8) === "LABELONE" &&
      label.toString("latin1", 24, 32) === "LVM2 001"
    ) {
      const what = "an LVM physical volume";
      return { kind: "lvm", name: "LVM2_member", what, offsetBytes: offset, label: null };
    }
  }
  return null;
}

export const magicRules: readonly SignatureRule[] = [
  lvm2,
  ...rows.map((rule) => (region: Region) => matchRow(rule, region)),
];
