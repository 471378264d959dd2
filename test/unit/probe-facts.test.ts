/** Facts, class, mounts and holders, read from made-up kernel trees. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { blockFacts } from "../../engine/device/facts.ts";
import { deviceNumberText } from "../../engine/device/facts-files.ts";
import {
  holdersOf,
  holderText,
  loopsByBacking,
  partitionsOf,
} from "../../engine/device/holders.ts";
import {
  mountOfPath,
  mountsOf,
  overlayUpper,
  parseMountInfo,
  readMounts,
  readSwaps,
} from "../../engine/device/mounts.ts";
import { listDevicePaths } from "../../engine/device/probe.ts";
import { MadeUpSystem } from "./probe-system.ts";

let system: MadeUpSystem;
beforeEach(() => {
  system = new MadeUpSystem();
});
afterEach(() => system.remove());

const pci = "pci0000:00/0000:00:1f.0";
const turning = { "queue/rotational": "1\n", "queue/dax": "0\n" };
const still = { "queue/rotational": "0\n", "queue/dax": "0\n" };

function rpmPage(rpm: number): Buffer {
  const page = Buffer.alloc(64);
  page.writeUInt16BE(rpm, 4);
  return page;
}

function classOf(name: string) {
  const facts = blockFacts(name, system);
  return [facts?.deviceClass, facts?.classReason] as const;
}

describe("class", () => {
  test("NVMe by its bus", () => {
    system.disk(`${pci}/nvme/nvme0/nvme0n1`, "259:0", still);
    expect(classOf("nvme0n1")).toEqual(["nvme", "bus nvme"]);
  });

  test("persistent memory by its bus, and any device by DAX", () => {
    system.disk("LNXSYSTM:00/ndbus0/region0/namespace0.0/block/pmem0", "259:1", still);
    system.disk("virtual/block/ramdax0", "259:2", { ...still, "queue/dax": "1\n" });
    expect(classOf("pmem0")[0]).toBe("pmem");
    expect(classOf("ramdax0")).toEqual(["pmem", "DAX"]);
  });

  test("a virtio disk that calls itself rotational is an ssd", () => {
    system.disk(`${pci}/virtio1/block/vda`, "254:0", turning);
    expect(classOf("vda")[0]).toBe("ssd");
    expect(classOf("vda")[1]).toMatch(/virtual bus virtio.*flag is ignored/);
  });

  test.each([
    ["vbd-51712/block/xvda", "xvda"],
    ["LNXSYSTM:00/VMBUS:00/host0/target0:0:0/0:0:0:0/block/sda", "sda"],
    [`${pci}/virtio3/host2/target2:0:0/2:0:0:0/block/sda`, "sda"],
  ])("virtual bus %s is an ssd", (path, name) => {
    system.disk(path, "8:0", turning);
    expect(classOf(name)[0]).toBe("ssd");
  });

  test("an emulated disk on an emulated SATA bus is an ssd by its maker", () => {
    const path = `${pci}/ata1/host0/target0:0:0/0:0:0:0/block/sda`;
    system.disk(path, "8:0", { ...turning, "device/model": "QEMU HARDDISK   \n" });
    expect(classOf("sda")[1]).toMatch(/virtual disk QEMU HARDDISK/);
  });

  test("a SATA disk is an hdd by its turns a minute, or by bus and flag together", () => {
    const path = `${pci}/ata1/host0/target0:0:0/0:0:0:0/block`;
    system.disk(`${path}/sda`, "8:0", { ...turning, "device/vpd_pgb1": rpmPage(7200) });
    system.disk(`${path}/sdb`, "8:16", turning);
    system.disk(`${path}/sdc`, "8:32", still);
    system.disk(`${path}/sdd`, "8:48", { ...turning, "device/vpd_pgb1": rpmPage(1) });
    expect(classOf("sda")).toEqual(["hdd", "bus sata, 7200 turns a minute"]);
    expect(classOf("sdb")).toEqual(["hdd", "bus sata, rotational"]);
    expect(classOf("sdc")[0]).toBe("ssd");
    expect(classOf("sdd")[0]).toBe("ssd");
  });

  test("the flag of a USB bridge, or of a bus not known, proves nothing", () => {
    system.disk(`${pci}/usb2/2-1/host9/target9:0:0/9:0:0:0/block/sde`, "8:64", turning);
    system.disk("platform/strange/block/odd0", "250:0", turning);
    expect(classOf("sde")).toEqual(["ssd", "bus usb, its rotational flag proves nothing"]);
    expect(classOf("odd0")[0]).toBe("ssd");
  });

  test("a stack is as slow as its slowest part", () => {
    const fast = system.disk(`${pci}/nvme/nvme0/nvme0n1`, "259:0", still);
    const slow = system.disk(`${pci}/ata1/host0/target0:0:0/0:0:0:0/block/sda`, "8:0", turning);
    const array = system.disk("virtual/block/md0", "9:0", still);
    system.stack(array, fast);
    expect(classOf("md0")[0]).toBe("nvme");
    system.stack(array, slow);
    expect(classOf("md0")).toEqual(["hdd", "md over nvme0n1 (nvme), sda (hdd)"]);
  });

  test("a loop device counts as ssd unless it stands on an hdd", () => {
    system.disk(`${pci}/nvme/nvme0/nvme0n1`, "259:0", still);
    system.disk(`${pci}/ata1/host0/target0:0:0/0:0:0:0/block/sda`, "8:0", turning);
    system.disk("virtual/block/loop0", "7:0", still);
    const over = (name: string) => blockFacts("loop0", system, () => blockFacts(name, system));
    expect(over("nvme0n1")?.deviceClass).toBe("ssd");
    expect(over("sda")?.deviceClass).toBe("hdd");
    expect(blockFacts("loop0", system)?.deviceClass).toBe("ssd");
  });
});

describe("facts", () => {
  test("settings come from the queue, a partition's from its disk", () => {
    const directory = system.disk(`${pci}/nvme/nvme0/nvme0n1`, "259:0", {
      ...still,
      "queue/scheduler": "none [mq-deadline] kyber\n",
      "queue/write_cache": "write back\n",
      "queue/nr_requests": "1023\n",
      "queue/read_ahead_kb": "128\n",
      "queue/logical_block_size": "4096\n",
      "queue/discard_max_bytes": "2147450880\n",
      "device/model": "FAST DISK 1TB   \n",
      "device/serial": "S1\u001b[2J\n",
      "device/sqsize": "1023\n",
    });
    system.partition(directory, "nvme0n1p1", "259:1");
    expect(blockFacts("nvme0n1", system)).toMatchObject({
      isPartition: false,
      sizeBytes: 2 ** 30,
      scheduler: "mq-deadline",
      schedulers: ["none", "mq-deadline", "kyber"],
      writeCache: true,
      nrRequests: 1023,
      deviceQueueDepth: 1023,
      readAheadBytes: 131_072,
      logicalBlockBytes: 4096,
      discard: { supported: true },
      model: "FAST DISK 1TB",
      serial: "S1[2J",
    });
    expect(blockFacts("nvme0n1p1", system)).toMatchObject({
      disk: "nvme0n1",
      isPartition: true,
      sizeBytes: 524_288,
      scheduler: "mq-deadline",
      deviceClass: "nvme",
    });
    expect(partitionsOf("nvme0n1", system).map((part) => part.name)).toEqual(["nvme0n1p1"]);
    const nodes = ["nvme0n1", "nvme0n1p1"].map((name) => join(system.dev, name));
    expect(listDevicePaths(system)).toEqual(nodes);
  });

  test("nothing is made up where nothing is told", () => {
    system.disk("platform/strange/block/odd0", "250:0", {});
    expect(blockFacts("odd0", system)).toMatchObject({
      rotational: null,
      writeCache: null,
      scheduler: null,
      nrRequests: null,
      model: null,
      dax: null,
    });
    expect(blockFacts("absent", system)).toBeNull();
  });

  test("device numbers decode as glibc packs them", () => {
    expect(deviceNumberText(0x0800n)).toBe("8:0");
    expect(deviceNumberText((0x103n << 8n) | 0x05n)).toBe("259:5");
    expect(deviceNumberText((0xfffn << 8n) | 0xffn | (0x123n << 20n))).toBe("4095:74751");
  });
});

describe("mounts", () => {
  const lines = [
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard",
    "30 27 0:25 / /dev/shm rw - tmpfs tmpfs rw",
    "40 27 8:1 / /mnt/with\\040space rw,noatime shared:1 master:2 - xfs /dev/sda1 rw",
    "41 27 0:40 /sub /mnt/b rw - btrfs /dev/sdb rw,subvol=/sub",
    "42 27 0:41 / /over rw - overlay overlay rw,lowerdir=/l,upperdir=/up/x,workdir=/w",
    "43 40 8:17 / /mnt/with\\040space rw - ext4 /dev/sdb1 rw",
  ].join("\n");

  test("mountinfo: escapes, optional fields, several mounts at one place", () => {
    const mounts = parseMountInfo(lines);
    expect(mounts).toHaveLength(6);
    expect(mounts[2]).toMatchObject({ deviceNumber: "8:1", mountPoint: "/mnt/with space" });
    expect(mountOfPath("/mnt/with space/f", mounts)?.fsType).toBe("ext4");
    expect(mountOfPath("/mnt/with spaces", mounts)?.mountPoint).toBe("/");
    expect(mountOfPath("/dev/shm/x", mounts)?.fsType).toBe("tmpfs");
    expect(mounts.map(overlayUpper)).toEqual([null, null, null, null, "/up/x", null]);
    expect(parseMountInfo("")).toEqual([]);
  });

  test("by device number, and every device of a btrfs", () => {
    system.write(join(system.proc, "self/mountinfo"), lines);
    for (const name of ["sdb", "sdc"]) {
      mkdirSync(join(system.sys, "fs/btrfs/f00d/devices", name), { recursive: true });
    }
    const mounts = readMounts(system);
    expect(mountsOf("sda1", "8:1", mounts, system)).toEqual([
      { mountPoint: "/mnt/with space", fsType: "xfs" },
    ]);
    for (const name of ["sdb", "sdc"]) {
      expect(mountsOf(name, "8:99", mounts, system)).toEqual([
        { mountPoint: "/mnt/b", fsType: "btrfs" },
      ]);
    }
    expect(mountsOf("sdd", "8:48", mounts, system)).toEqual([]);
  });

  test("swaps", () => {
    system.write(
      join(system.proc, "swaps"),
      "Filename\t\t\tType\t\tSize\n/dev/sda2 partition 1 0 -2\n/swap\\040file file 1 0 -3\n",
    );
    expect(readSwaps(system)).toEqual([
      { path: "/dev/sda2", isFile: false },
      { path: "/swap file", isFile: true },
    ]);
  });
});

test("holders are named by what they are", () => {
  const disk = system.disk(`${pci}/ata1/host0/target0:0:0/0:0:0:0/block/sda`, "8:0", turning);
  const volume = system.disk("virtual/block/dm-0", "252:0", {
    "dm/name": "vg-root\n",
    "dm/uuid": "LVM-abcdef\n",
  });
  const array = system.disk("virtual/block/md0", "9:0", { "md/level": "raid1\n" });
  system.stack(volume, disk);
  system.stack(array, disk);
  writeFileSync(join(system.dev, "sda"), "");
  const holders = holdersOf("sda", loopsByBacking(system), system);
  expect(holders.map(holderText)).toEqual(["vg-root (dm-0, lvm)", "raid1 (md0, md)"]);
  expect(holdersOf("dm-0", loopsByBacking(system), system)).toEqual([]);
});
