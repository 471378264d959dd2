/**
 * The class of a device, which decides defaults: from DAX and the bus it hangs on. The rotational flag
 * alone decides nothing: virtual disks, USB bridges and old SSDs set it although nothing turns.
 */
import type { DeviceClass } from "../port/block-device.ts";

/** How a device is attached, as read from its path in /sys. */
export type Transport =
  | "nvme"
  | "nvme-fabrics"
  | "pmem"
  | "sata"
  | "sas"
  | "fc"
  | "iscsi"
  | "usb"
  | "mmc"
  | "scsi"
  | "virtio"
  | "xen"
  | "hyperv"
  | "vmware"
  | "virtual"
  | "loop"
  | "dm"
  | "md"
  | "bcache"
  | "memory"
  | "network"
  | "unknown";

export interface ClassEvidence {
  readonly transport: Transport;
  readonly dax: boolean | null;
  readonly rotational: boolean | null;
  /** From the drive itself (SCSI VPD page B1): 0 not told, 1 does not turn, else turns a minute. */
  readonly rotationRpm: number | null;
  readonly vendor: string | null;
  readonly model: string | null;
  /** What a stacked device (md, dm, loop) stands on. */
  readonly below: readonly { readonly name: string; readonly deviceClass: DeviceClass }[];
}

export interface ClassDecision {
  readonly deviceClass: DeviceClass;
  readonly classReason: string;
}

/** Path parts in /sys that name the bus; the first that fits wins, so virtual buses come first. */
const pathRules: readonly (readonly [RegExp, Transport])[] = [
  [/\/virtual\/block\/loop/, "loop"],
  [/\/virtual\/block\/dm-/, "dm"],
  [/\/virtual\/block\/md/, "md"],
  [/\/virtual\/block\/bcache/, "bcache"],
  [/\/virtual\/block\/(zram|ram|brd)/, "memory"],
  [/\/virtual\/block\/(nbd|drbd)|\/rbd\/\d+\/|\/rnbd/, "network"],
  [/\/ndbus\d+\/|\/pmem\d+(s\d*)?$/, "pmem"],
  [/\/nvme-fabrics\//, "nvme-fabrics"],
  [/\/nvme(-subsystem)?\//, "nvme"],
  [/\/virtio\d+\//, "virtio"],
  [/\/vbd-\d+\//, "xen"],
  [/\/VMBUS:|\/vmbus_?\d+|\/hv_/i, "hyperv"],
  [/\/mmc_host\//, "mmc"],
  [/\/usb\d+\//, "usb"],
  [/\/session\d+\//, "iscsi"],
  [/\/rport-/, "fc"],
  [/\/end_device-|\/sas_device\//, "sas"],
  [/\/ata\d+\//, "sata"],
  [/\/host\d+\/target/, "scsi"],
  [/\/virtual\/block\//, "virtual"],
];

/** The bus from the resolved /sys path of a disk, and from the driver of its SCSI host if it has one. */
export function transportOf(sysPath: string, hostDriver: string | null): Transport {
  const byPath = pathRules.find(([pattern]) => pattern.test(sysPath))?.[1] ?? "unknown";
  const byDriver: Readonly<Record<string, Transport>> = {
    vmw_pvscsi: "vmware",
    storvsc_host_t: "hyperv",
    hv_storvsc: "hyperv",
    virtio_scsi: "virtio",
  };
  return byDriver[hostDriver ?? ""] ?? byPath;
}

const virtualBuses: readonly Transport[] = ["virtio", "xen", "hyperv", "vmware", "virtual"];

/** Emulated disks on an emulated SATA or SCSI controller: the bus looks real, the maker does not. */
const virtualMakers = /QEMU|VBOX|VirtualBox|VMware|Msft|Virtual (Disk|HD)|Google.*PersistentDisk/i;

/** From slowest to fastest: a stack is as slow as its slowest part. */
const slowestFirst: readonly DeviceClass[] = ["hdd", "ssd", "nvme", "pmem"];

function decideStack(evidence: ClassEvidence): ClassDecision {
  const { transport, below } = evidence;
  const names = below.map((part) => `${part.name} (${part.deviceClass})`).join(", ");
  const slowest = slowestFirst.find((name) => below.some((part) => part.deviceClass === name));
  if (slowest === undefined) {
    return { deviceClass: "ssd", classReason: `${transport}: what it stands on is not known` };
  }
  if (transport === "loop" && slowest !== "hdd") {
    return { deviceClass: "ssd", classReason: `loop device over ${names} counts as ssd` };
  }
  return { deviceClass: slowest, classReason: `${transport} over ${names}` };
}

function decideDrive(evidence: ClassEvidence): ClassDecision {
  const { transport, rotational, rotationRpm } = evidence;
  if (rotationRpm === 1) {
    return { deviceClass: "ssd", classReason: `bus ${transport}, the drive says it does not turn` };
  }
  if (rotationRpm !== null && rotationRpm >= 0x401 && rotationRpm < 0xffff) {
    return { deviceClass: "hdd", classReason: `bus ${transport}, ${rotationRpm} turns a minute` };
  }
  if (rotational === false) {
    return { deviceClass: "ssd", classReason: `bus ${transport}, not rotational` };
  }
  if (
    rotational === true &&
    (transport === "sata" || transport === "sas" || transport === "scsi")
  ) {
    return { deviceClass: "hdd", classReason: `bus ${transport}, rotational` };
  }
  const flag = rotational === true ? "its rotational flag proves nothing" : "no rotational flag";
  return { deviceClass: "ssd", classReason: `bus ${transport}, ${flag}` };
}

/** Chooses the class and says why. */
export function classify(evidence: ClassEvidence): ClassDecision {
  const { transport, dax, rotational, vendor, model, below } = evidence;
  if (dax === true || transport === "pmem") {
    const why = dax === true ? "DAX" : "persistent memory bus";
    return { deviceClass: "pmem", classReason: why };
  }
  if (transport === "nvme" || transport === "nvme-fabrics") {
    return { deviceClass: "nvme", classReason: `bus ${transport}` };
  }
  if (below.length > 0 || ["loop", "dm", "md", "bcache"].includes(transport)) {
    return decideStack(evidence);
  }
  if (transport === "memory") {
    return { deviceClass: "ssd", classReason: "a disk in memory counts as ssd" };
  }
  const ignored = rotational === true ? "; its rotational flag is ignored" : "";
  if (virtualBuses.includes(transport)) {
    return { deviceClass: "ssd", classReason: `virtual bus ${transport} counts as ssd${ignored}` };
  }
  const maker = [vendor, model].filter((part) => part !== null).join(" ");
  if (virtualMakers.test(maker)) {
    return { deviceClass: "ssd", classReason: `virtual disk ${maker} counts as ssd${ignored}` };
  }
  return decideDrive(evidence);
}
