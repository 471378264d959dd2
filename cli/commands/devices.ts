/** `osdyno devices`: what there is to measure, and what may be written to. */
import { existsSync } from "node:fs";
import Table from "cli-table3";
import { Command } from "commander";
import pc from "picocolors";
import { OsdynoError } from "../../engine/base/error.ts";
import type { ClassDecision } from "../../engine/device/classify.ts";
import { holderText } from "../../engine/device/holders.ts";
import {
  type DeviceProbe,
  listDevicePaths,
  type ProbeContext,
  probeContext,
  probeDevice,
} from "../../engine/device/probe.ts";
import { fingerprintedClass } from "../../workloads/device-profile.ts";
import { judgeDevice, type Permission } from "../../workloads/device-verdict.ts";
import {
  resolveExisting,
  type ScratchSpace,
  scratchPlaces,
  scratchSpace,
} from "../../workloads/scratch.ts";

/** What a write would meet. */
interface WriteVerdict {
  readonly permission: Permission;
  readonly reason: string;
  readonly advice: string;
}

interface ListedDevice {
  readonly probe: DeviceProbe;
  readonly write: WriteVerdict;
}

/** A loop device or partition may go away between the list and the look at it. */
function probeIfThere(path: string, context: ProbeContext): DeviceProbe | null {
  try {
    return probeDevice(path, context);
  } catch (error) {
    if (error instanceof OsdynoError && error.code === "bad-input") {
      return null;
    }
    throw error;
  }
}

function listDevices(paths: readonly string[], context: ProbeContext): ListedDevice[] {
  const scratch = scratchPlaces().map((place) => resolveExisting(place.path));
  return paths.flatMap((path) => {
    const probe = probeIfThere(path, context);
    if (probe === null) {
      return [];
    }
    const judged = judgeDevice(probe, scratch.includes(probe.resolvedPath));
    return [{ probe, write: { ...judged, advice: judged.advice ?? "" } }];
  });
}

function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

function flagText(value: boolean | null, on: string, off: string): string {
  return value === null ? "?" : value ? on : off;
}

/** Mounts, swap, holders, and who has it open, one a line. */
function useText({ block, mounts, swaps, holders, exclusive, writers }: DeviceProbe): string {
  const lines = [
    ...mounts.map(({ device, mountPoint, fsType }) => {
      const part = device === block?.name ? "" : `${device} `;
      return `${part}mounted at ${mountPoint} (${fsType})`;
    }),
    ...swaps.map((name) => `${name} is swap`),
    ...holders.map((holder) => `held by ${holderText(holder)}`),
    ...writers.map((writer) => `open in ${writer}`),
  ];
  if (lines.length === 0) {
    return exclusive === "taken" ? "held" : exclusive === "unknown" ? "?" : "-";
  }
  return lines.join("\n");
}

function signatureLines({ signatures }: DeviceProbe): string {
  if (signatures === null) {
    return "unreadable";
  }
  return signatures.length === 0
    ? "-"
    : signatures
        .map(({ name, label }) => (label === null ? name : `${name} "${label}"`))
        .join("\n");
}

function writeText({ permission, reason }: WriteVerdict): string {
  const words: Readonly<Record<Permission, string>> = {
    free: pc.green("allowed"),
    "needs-destroy": pc.yellow("only with --destroy"),
    never: pc.red("refused"),
  };
  return `${words[permission]}: ${reason}`;
}

/** Widest column of running text; longer reasons wrap. */
const wrapColumns = 34;

/** What the table needs at least; a narrower terminal gets a list. */
const tableColumns = 150;

function queueWords({ block }: DeviceProbe): string[] {
  return [
    block?.scheduler ?? "no scheduler",
    `depth ${block?.deviceQueueDepth ?? block?.nrRequests ?? "?"}`,
    flagText(block?.rotational ?? null, "rotational", "not rotational"),
  ];
}

function cacheWords({ block }: DeviceProbe): string[] {
  return [
    flagText(block?.writeCache ?? null, "write back", "write through"),
    flagText(block?.dax ?? null, "DAX", "no DAX"),
  ];
}

function nameWords({ path, block }: DeviceProbe): string[] {
  return [path, block?.model ?? "", block?.serial ?? ""].filter((text) => text !== "");
}

function deviceTable(devices: readonly ListedDevice[]): string {
  const table = new Table({
    head: ["device", "class", "size", "queue", "cache", "in use", "signature", "a write would be"],
    colWidths: [null, wrapColumns - 8, null, null, null, null, null, wrapColumns],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const { probe, write } of devices) {
    table.push([
      nameWords(probe).join("\n"),
      classText(probe),
      sizeText(probe.sizeBytes),
      queueWords(probe).join("\n"),
      cacheWords(probe).join("\n"),
      useText(probe),
      signatureLines(probe),
      writeText(write),
    ]);
  }
  return table.toString();
}

/** From a fingerprint if there is one. */
function classOf(probe: DeviceProbe): ClassDecision {
  return fingerprintedClass(probe.block) ?? probe;
}

function classText(probe: DeviceProbe): string {
  const { deviceClass, classReason } = classOf(probe);
  return `${pc.bold(deviceClass)}: ${classReason}`;
}

/** The same facts, a paragraph a device. */
function deviceList(devices: readonly ListedDevice[]): string {
  const oneLine = (text: string): string => text.replaceAll("\n", ", ");
  const paragraphs = devices.map(({ probe, write }) =>
    [
      `${pc.bold(nameWords(probe).join("  "))}  ${sizeText(probe.sizeBytes)}`,
      `  class      ${classText(probe)}`,
      `  settings   ${[...queueWords(probe), ...cacheWords(probe)].join(", ")}`,
      `  in use     ${oneLine(useText(probe))}`,
      `  signature  ${oneLine(signatureLines(probe))}`,
      `  a write    ${writeText(write)}`,
    ].join("\n"),
  );
  return paragraphs.join("\n\n");
}

function devicesText(devices: readonly ListedDevice[]): string {
  if (devices.length === 0) {
    return "no block devices are to be seen here";
  }
  const columns = process.stdout.isTTY ? process.stdout.columns : tableColumns;
  return columns < tableColumns ? deviceList(devices) : deviceTable(devices);
}

function scratchTable(places: readonly ScratchSpace[]): string {
  const table = new Table({
    head: ["scratch place", "why", "free", "of"],
    style: { head: [], border: [] },
  });
  for (const { path, why, exists, freeBytes, totalBytes } of places) {
    const free = exists ? sizeText(freeBytes ?? 0) : "does not exist yet";
    table.push([path, why, free, totalBytes === null ? "-" : sizeText(totalBytes)]);
  }
  return table.toString();
}

/** One document: every fact of the probe, the verdict beside it. */
function asDocument(devices: readonly ListedDevice[], places: readonly ScratchSpace[]) {
  return {
    devices: devices.map(({ probe, write }) => ({
      path: probe.path,
      kind: probe.kind,
      class: classOf(probe).deviceClass,
      class_reason: classOf(probe).classReason,
      size_bytes: probe.sizeBytes,
      model: probe.block?.model ?? null,
      serial: probe.block?.serial ?? null,
      bus: probe.block?.transport ?? null,
      scheduler: probe.block?.scheduler ?? null,
      nr_requests: probe.block?.nrRequests ?? null,
      queue_depth: probe.block?.deviceQueueDepth ?? probe.block?.nrRequests ?? null,
      write_cache: probe.block?.writeCache ?? null,
      rotational: probe.block?.rotational ?? null,
      dax: probe.block?.dax ?? null,
      logical_block_bytes: probe.block?.logicalBlockBytes ?? null,
      physical_block_bytes: probe.block?.physicalBlockBytes ?? null,
      read_ahead_bytes: probe.block?.readAheadBytes ?? null,
      discard: probe.block?.discard.supported ?? null,
      aliases: probe.block?.aliases ?? [],
      partitions: probe.partitions.map((part) => part.path),
      mounts: probe.mounts,
      swaps: probe.swaps,
      holders: probe.holders,
      loop_backing: probe.loopBacking,
      held_exclusively: probe.exclusive === "unknown" ? null : probe.exclusive === "taken",
      open_in: probe.writers,
      signatures: probe.signatures,
      write: { refused: write.permission !== "free", ...write },
    })),
    scratch: places.map(({ path, why, exists, freeBytes, totalBytes }) => ({
      path,
      why,
      exists,
      free_bytes: freeBytes,
      total_bytes: totalBytes,
    })),
  };
}

export function devicesCommand(): Command {
  return new Command("devices")
    .description("Block devices and scratch places, and whether a write would be refused.")
    .option("--json", "print one JSON document")
    .action((options: { json?: boolean }) => {
      const paths = listDevicePaths();
      // In a container /sys shows the host's devices, and /dev only those that were let in.
      const present = paths.filter((path) => existsSync(path));
      if (present.length < paths.length) {
        const absent = paths.filter((path) => !present.includes(path)).join(", ");
        process.stderr.write(`osdyno: known to the kernel but not in /dev: ${absent}\n`);
      }
      const devices = listDevices(present, probeContext());
      const places = scratchSpace(scratchPlaces());
      if (options.json === true) {
        process.stdout.write(`${JSON.stringify(asDocument(devices, places), null, 2)}\n`);
        return;
      }
      process.stdout.write(`${devicesText(devices)}\n\n${scratchTable(places)}\n`);
    });
}
