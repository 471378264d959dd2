/** The signature probe beside blkid, on images that the real tools made. */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { probeSignatures } from "../../engine/device/signatures.ts";
import type { Signature } from "../../engine/device/signatures-model.ts";

const mib = 1024 * 1024;
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "osdyno-signatures-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const environment = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };

function run(command: string, args: readonly string[], input?: string) {
  return spawnSync(command, args, {
    env: environment,
    encoding: "utf8",
    ...(input === undefined ? {} : { input }),
  });
}

function hasTool(name: string): boolean {
  return run("sh", ["-c", `command -v ${name}`]).status === 0;
}

function blankImage(name: string, sizeBytes: number): string {
  const path = join(directory, name);
  writeFileSync(path, "");
  truncateSync(path, sizeBytes);
  return path;
}

function poke(path: string, offset: number, bytes: Buffer): void {
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, bytes, 0, bytes.length, offset);
  closeSync(descriptor);
}

function names(signatures: readonly Signature[]): string[] {
  return [...new Set(signatures.map((signature) => signature.name))].sort();
}

/**
 * `TYPE` and `PTTYPE` of `blkid -p`. It takes the boot sector of exFAT for an MBR as well, because it
 * ends in 55 AA (exFAT has code there).
 */
function blkidNames(path: string): string[] {
  const { stdout } = run("blkid", ["-p", "-o", "export", path]);
  const found = [...stdout.matchAll(/^(?:TYPE|PTTYPE)=(.*)$/gm)].map((match) => match[1] ?? "");
  return found.filter((name) => !(name === "dos" && found.includes("exfat"))).sort();
}

interface Maker {
  readonly name: string;
  readonly tool: string;
  readonly sizeMib: number;
  readonly args: (path: string) => readonly string[];
  readonly input?: string;
  readonly label?: string;
  /** The tool wants the image not to exist. */
  readonly makesFile?: boolean;
}

const makers: readonly Maker[] = [
  {
    name: "ext2",
    tool: "mkfs.ext2",
    sizeMib: 8,
    args: (p) => ["-q", "-L", "two", p],
    label: "two",
  },
  {
    name: "ext3",
    tool: "mkfs.ext3",
    sizeMib: 16,
    args: (p) => ["-q", "-L", "three", p],
    label: "three",
  },
  {
    name: "ext4",
    tool: "mkfs.ext4",
    sizeMib: 16,
    args: (p) => ["-q", "-L", "four", p],
    label: "four",
  },
  { name: "jbd", tool: "mke2fs", sizeMib: 16, args: (p) => ["-q", "-O", "journal_dev", p] },
  { name: "xfs", tool: "mkfs.xfs", sizeMib: 320, args: (p) => ["-q", "-L", "ex", p], label: "ex" },
  {
    name: "btrfs",
    tool: "mkfs.btrfs",
    sizeMib: 128,
    args: (p) => ["-q", "-L", "bee", p],
    label: "bee",
  },
  { name: "f2fs", tool: "mkfs.f2fs", sizeMib: 64, args: (p) => ["-q", p] },
  {
    name: "fat12",
    tool: "mkfs.vfat",
    sizeMib: 2,
    args: (p) => ["-F", "12", "-n", "TWELVE", p],
    label: "TWELVE",
  },
  { name: "fat16", tool: "mkfs.vfat", sizeMib: 32, args: (p) => ["-F", "16", p] },
  {
    name: "fat32",
    tool: "mkfs.vfat",
    sizeMib: 64,
    args: (p) => ["-F", "32", "-n", "BIG", p],
    label: "BIG",
  },
  { name: "exfat", tool: "mkfs.exfat", sizeMib: 16, args: (p) => [p] },
  { name: "ntfs", tool: "mkntfs", sizeMib: 16, args: (p) => ["-q", "-F", p] },
  { name: "swap", tool: "mkswap", sizeMib: 8, args: (p) => ["-L", "swop", p], label: "swop" },
  { name: "swap64k", tool: "mkswap", sizeMib: 8, args: (p) => ["-p", "65536", p] },
  {
    name: "gpt",
    tool: "sfdisk",
    sizeMib: 16,
    args: (p) => ["-q", p],
    input: "label: gpt\n,4M\n,\n",
  },
  {
    name: "dos",
    tool: "sfdisk",
    sizeMib: 16,
    args: (p) => ["-q", p],
    input: "label: dos\n,4M\n,\n",
  },
  { name: "emptydos", tool: "sfdisk", sizeMib: 16, args: (p) => ["-q", p], input: "label: dos\n" },
  { name: "sun", tool: "sfdisk", sizeMib: 64, args: (p) => ["-q", p], input: "label: sun\n" },
  { name: "sgi", tool: "sfdisk", sizeMib: 64, args: (p) => ["-q", p], input: "label: sgi\n" },
  {
    name: "luks1",
    tool: "cryptsetup",
    sizeMib: 32,
    args: (p) => [
      "luksFormat",
      "-q",
      "--type",
      "luks1",
      "--pbkdf-force-iterations",
      "1000",
      p,
      "-",
    ],
    input: "secret",
  },
  {
    name: "luks2",
    tool: "cryptsetup",
    sizeMib: 32,
    args: (p) => [
      ...["luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2"],
      ...["--pbkdf-force-iterations", "1000", p, "-"],
    ],
    input: "secret",
  },
  { name: "bcache", tool: "make-bcache", sizeMib: 64, args: (p) => ["-B", p] },
  {
    name: "iso9660",
    tool: "genisoimage",
    sizeMib: 0,
    args: (p) => ["-quiet", "-V", "DISC", "-o", p, join(directory, "tree")],
    label: "DISC",
    makesFile: true,
  },
  {
    name: "squashfs",
    tool: "mksquashfs",
    sizeMib: 0,
    args: (p) => [join(directory, "tree"), p, "-quiet", "-no-progress"],
    makesFile: true,
  },
  {
    name: "erofs",
    tool: "mkfs.erofs",
    sizeMib: 0,
    args: (p) => [p, join(directory, "tree")],
    makesFile: true,
  },
];

describe("signatures beside blkid", () => {
  for (const maker of makers) {
    test(maker.name, (context) => {
      if (!hasTool(maker.tool) || !hasTool("blkid")) {
        context.skip(`${maker.tool} or blkid is not installed`);
      }
      const tree = join(directory, "tree");
      mkdirSync(tree, { recursive: true });
      writeFileSync(join(tree, "file"), "content\n");
      const path = join(directory, `${maker.name}.img`);
      if (maker.makesFile !== true) {
        blankImage(`${maker.name}.img`, maker.sizeMib * mib);
      }
      const made = run(maker.tool, maker.args(path), maker.input);
      expect(made.status, `${maker.tool}: ${made.stderr}`).toBe(0);
      const found = probeSignatures(path);
      const expected = blkidNames(path);
      expect(expected.length).toBeGreaterThan(0);
      expect(names(found)).toEqual(expected);
      if (maker.label !== undefined) {
        expect(found.map((signature) => signature.label)).toContain(maker.label);
      }
      rmSync(path);
    });
  }

  test("a GPT whose first header is wiped is known by its backup", (context) => {
    if (!hasTool("sfdisk")) {
      context.skip("sfdisk is not installed");
    }
    const path = blankImage("backup.img", 16 * mib);
    expect(run("sfdisk", ["-q", path], "label: gpt\n,4M\n").status).toBe(0);
    poke(path, 0, Buffer.alloc(34 * 512));
    const found = probeSignatures(path);
    expect(found).toMatchObject([{ kind: "partition-table", name: "gpt" }]);
    expect(found[0]?.offsetBytes).toBe(16 * mib - 512);
    poke(path, 16 * mib - 512, Buffer.alloc(512));
    expect(probeSignatures(path)).toEqual([]);
  });
});

/** md superblock 1.x: magic, major version, and a name at byte 32 (Linux: md_p.h). */
function mdSuperblock(major: number, name: string): Buffer {
  const block = Buffer.alloc(256);
  block.writeUInt32LE(0xa92b4efc, 0);
  block.writeUInt32LE(major, 4);
  block.write(name, 32, "latin1");
  return block;
}

interface Handmade {
  readonly name: string;
  readonly expected: string;
  readonly at: number;
  readonly bytes: Buffer;
  /** blkid of Debian 12 cannot know it by these bytes alone. */
  readonly beyondBlkid?: boolean;
}

const size = 64 * mib;

function zfsUberblocks(): Buffer {
  const ring = Buffer.alloc(128 * 1024);
  for (let slot = 0; slot < 128; slot += 1) {
    ring.writeBigUInt64LE(0x00bab10cn, slot * 1024);
  }
  return ring;
}

/** A GPT header: mark, revision 1.0, its own length. */
function gptHeader(): Buffer {
  const header = Buffer.alloc(92);
  header.write("EFI PART", 0, "latin1");
  header.writeUInt32LE(0x0001_0000, 8);
  header.writeUInt32LE(92, 12);
  return header;
}

const handmade: readonly Handmade[] = [
  {
    name: "GPT of a disk with sectors of 4 KiB",
    expected: "gpt",
    at: 4096,
    bytes: gptHeader(),
    beyondBlkid: true,
  },
  {
    name: "backup GPT of a disk with sectors of 4 KiB",
    expected: "gpt",
    at: size - 4096,
    bytes: gptHeader(),
    beyondBlkid: true,
  },
  {
    name: "BlueStore label",
    expected: "ceph_bluestore",
    at: 0,
    bytes: Buffer.from("bluestore block device\n7f2b2b3c-8f0e-4a11-b4f8-2a6f3c1d0e55\n", "latin1"),
  },
  { name: "md 0.90", expected: "linux_raid_member", at: size - 65_536, bytes: mdSuperblock(0, "") },
  {
    name: "md 1.1",
    expected: "linux_raid_member",
    at: 0,
    bytes: mdSuperblock(1, "host:a"),
    beyondBlkid: true,
  },
  {
    name: "md 1.2",
    expected: "linux_raid_member",
    at: 4096,
    bytes: mdSuperblock(1, "host:b"),
    beyondBlkid: true,
  },
  {
    name: "md 1.0",
    expected: "linux_raid_member",
    at: size - 8192,
    bytes: mdSuperblock(1, "host:c"),
    beyondBlkid: true,
  },
  { name: "ZFS, first label", expected: "zfs_member", at: 128 * 1024, bytes: zfsUberblocks() },
  {
    name: "ZFS, last label",
    expected: "zfs_member",
    at: size - 128 * 1024,
    bytes: zfsUberblocks(),
  },
  {
    name: "DRBD 8.4",
    expected: "drbd",
    at: size - 4096 + 60,
    bytes: Buffer.from("8374026b", "hex"),
  },
  { name: "VMFS", expected: "VMFS", at: 2 * mib, bytes: Buffer.from("5ef1ab2f", "hex") },
  {
    name: "Intel RAID",
    expected: "isw_raid_member",
    at: size - 1024,
    bytes: Buffer.from("Intel Raid ISM Cfg Sig. 1.3.00", "latin1"),
  },
  {
    name: "second LUKS2 header",
    expected: "crypto_LUKS",
    at: 0x4000,
    bytes: Buffer.from("534b554cbabe0002", "hex"),
    beyondBlkid: true,
  },
  {
    name: "hibernated",
    expected: "swsuspend",
    at: 4086,
    bytes: Buffer.from("S1SUSPEND\0", "latin1"),
    beyondBlkid: true,
  },
  {
    name: "bcachefs",
    expected: "bcachefs",
    at: 4120,
    bytes: Buffer.from("c68573f666ce90a9d96a60cf803df7ef", "hex"),
    beyondBlkid: true,
  },
];

describe("signatures written by hand", () => {
  for (const row of handmade) {
    test(row.name, () => {
      const path = blankImage("hand.img", size);
      poke(path, row.at, row.bytes);
      expect(names(probeSignatures(path))).toEqual([row.expected]);
      if (hasTool("blkid") && row.beyondBlkid !== true) {
        expect(blkidNames(path)).toEqual([row.expected]);
      }
      rmSync(path);
    });
  }

  test("a BlueStore label copied at 1 GiB", () => {
    const path = blankImage("label.img", 1025 * mib);
    poke(path, 1024 * mib, Buffer.from("bluestore block device\n", "latin1"));
    expect(probeSignatures(path)).toMatchObject([{ kind: "ceph", offsetBytes: 1024 * mib }]);
    rmSync(path);
  });

  test("zeros, noise, text and files shorter than any superblock bear none", () => {
    const path = blankImage("none.img", size);
    expect(probeSignatures(path)).toEqual([]);
    const noise = Buffer.alloc(2 * mib);
    let state = 12345;
    for (let at = 0; at < noise.length; at += 4) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      noise.writeUInt32LE(state, at);
    }
    poke(path, 0, noise);
    poke(path, size - noise.length, noise);
    expect(probeSignatures(path)).toEqual([]);
    for (const length of [0, 1, 511, 512, 1023, 4095, 65_535]) {
      writeFileSync(path, Buffer.alloc(length, "text "));
      expect(probeSignatures(path)).toEqual([]);
    }
  });

  test("control characters in a label do not reach the terminal", () => {
    const path = blankImage("evil.img", size);
    poke(path, 4096, mdSuperblock(1, "\u001b[31mred\u0007"));
    expect(probeSignatures(path)[0]?.label).toBe("?[31mred?");
  });

  test("what cannot be read is an error, not an empty answer", () => {
    expect(() => probeSignatures(join(directory, "absent"))).toThrow(/cannot read the signatures/);
  });
});
