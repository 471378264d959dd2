/** Reading and writing the labels of a store's devices. */
import { OsdynoError } from "../../base/error.ts";
import type { KvDeviceRole } from "../../hot/kv/kv.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import { DiskIo } from "./disk-io.ts";
import { type DeviceLabel, decodeLabel, labelBytes } from "./label.ts";
import type { BlueStoreParts } from "./parts.ts";
import { finished, flushed } from "./waiting.ts";

/** A read may fail, or be wrong, once: as often as any read is tried (`bluestore_retry_disk_reads`). */
const labelTries = 4;

/** Writes block 0 of a device and flushes it. */
export async function writeBlock(lane: DeviceLane, bytes: Uint8Array): Promise<void> {
  const io = new DiskIo(lane);
  const written = await finished(io, (owner) => io.write(0, bytes, -1, false, owner, 0));
  const errno = written < 0 ? written : await flushed(io);
  if (errno < 0) {
    throw new OsdynoError(
      "io",
      `${lane.facts.name}: writing the label failed with errno ${-errno}`,
    );
  }
}

/** The label of a device; throws `bad-input` or `io` with one line. */
export async function readLabel(lane: DeviceLane): Promise<DeviceLabel> {
  const io = new DiskIo(lane);
  const block = new Uint8Array(labelBytes);
  const { name } = lane.facts;
  for (let tries = 1; ; tries += 1) {
    const result = await finished(io, (owner) => io.read(0, labelBytes, block, 0, owner, 0));
    try {
      if (result < 0) {
        throw new OsdynoError("io", `${name}: reading the label failed with errno ${-result}`);
      }
      return decodeLabel(block, name);
    } catch (error) {
      if (tries === labelTries) {
        throw error;
      }
    }
  }
}

/** Devices of a store by role, as far as their labels can be read and written. */
export function labelLanes(parts: BlueStoreParts): readonly [KvDeviceRole, DeviceLane][] {
  const lanes: [KvDeviceRole, DeviceLane][] = [];
  for (const role of ["db", "wal"] as const) {
    const lane = parts.labelLanes?.[role] ?? null;
    if (lane !== null) {
      lanes.push([role, lane]);
    }
  }
  // The main device comes last: a store is whole when its label is there.
  return [...lanes, ["main", parts.lane]];
}

/** What the main label calls the other devices; empty: there is none. */
export function otherDevices(parts: BlueStoreParts): Pick<DeviceLabel, "db" | "wal"> {
  const { db, wal } = parts.kvDevices;
  return {
    db: db === null ? "" : (db.path ?? "db"),
    wal: wal === null ? "" : (wal.path ?? "wal"),
  };
}

/** The labels of all devices agree with each other and with what was given. The main one. */
export async function checkLabels(parts: BlueStoreParts): Promise<DeviceLabel> {
  const { name } = parts.lane.facts;
  const label = await readLabel(parts.lane);
  if (label.role !== "main") {
    refuse(`${name}: is the ${label.role} device of a store; name its main device`);
  }
  if (label.kv !== parts.kvName) {
    refuse(`${name}: its metadata is in key-value store ${label.kv}, not ${parts.kvName}`);
  }
  checkSize(parts.lane, label);
  for (const role of ["db", "wal"] as const) {
    const given = parts.kvDevices[role] !== null;
    if (given !== (label[role] !== "")) {
      refuse(
        given
          ? `${name}: its store has no ${role} device, but one is given (bluestore_block_${role}_path)`
          : `${name}: its store has a ${role} device, ${label[role]}, which is not given (bluestore_block_${role}_path)`,
      );
    }
    const lane = parts.labelLanes?.[role] ?? null;
    if (lane !== null) {
      await checkOther(role, lane, label, name);
    }
  }
  return label;
}

async function checkOther(
  role: KvDeviceRole,
  lane: DeviceLane,
  main: DeviceLabel,
  mainName: string,
): Promise<void> {
  const other = await readLabel(lane);
  const { name } = lane.facts;
  if (other.storeId !== main.storeId) {
    refuse(`${name}: belongs to store ${other.storeId}, not to ${main.storeId} on ${mainName}`);
  }
  if (other.role !== role) {
    refuse(
      `${name}: is the ${other.role} device of the store on ${mainName}, not its ${role} device`,
    );
  }
  checkSize(lane, other);
}

function checkSize(lane: DeviceLane, label: DeviceLabel): void {
  const { name, sizeBytes } = lane.facts;
  if (label.sizeBytes > sizeBytes) {
    refuse(`${name}: has ${sizeBytes} bytes, but its store was made for ${label.sizeBytes}`);
  }
}

function refuse(message: string): never {
  throw new OsdynoError("bad-input", message);
}
