/** The devices of a store on this machine: the main one, and those of the key-value store's own. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { OsdynoError } from "../base/error.ts";
import { DeviceMux } from "../device/mux.ts";
import { ShapedDevice, timerSlackNs } from "../device/shape.ts";
import type { ShapeSpec } from "../device/shape-spec.ts";
import { blockEngine, type OpenOptions, openBlockDevice } from "../hot/ioengine/registry.ts";
import type { KvDevice } from "../hot/kv/kv.ts";
import type { OptionSet } from "../options/option-set.ts";
import { Holds } from "../os/hold.ts";
import type { BlockDevice } from "../port/block-device.ts";
import type { Clock } from "../port/clock.ts";
import type { DeviceLane } from "../port/device-lane.ts";
import { type DeviceLabel, decodeLabel, labelBytes } from "./bluestore/label.ts";

/** Devices that the key-value store may have for itself. */
export const otherRoles = ["db", "wal"] as const;
export type OtherRole = (typeof otherRoles)[number];

export interface StoreDevicesRequest {
  readonly path: string;
  /** Absolute; `null`: there is none. */
  readonly others: Readonly<Record<OtherRole, string | null>>;
  /** Of the store that is there; `null`: one is made. */
  readonly label: DeviceLabel | null;
  readonly options: OptionSet;
  /** Also for writing. */
  readonly write: boolean;
  /** Of whoever has the files already, and lets go of them; absent: they are held while open. */
  readonly holds?: Holds;
  readonly slotBytes: number;
  /** Slots of the store and its key-value store, and of its user behind them. */
  readonly ownSlots: number;
  readonly userSlots: number;
  /** Further facts of the main device. */
  readonly main: Pick<OpenOptions, "facts" | "sizeBytes">;
  /** What the main device behaves like; absent: like itself. */
  readonly shape?: { readonly spec: ShapeSpec; readonly clock: Clock; readonly seed: number };
}

/** One open device. */
export interface OpenDevice {
  readonly path: string;
  readonly device: BlockDevice;
  /** What it did, where it is of a shape. */
  readonly shaped: ShapedDevice | null;
  readonly mux: DeviceMux;
  /** The store's, and the key-value store's. */
  readonly lane: DeviceLane;
  readonly kvLane: DeviceLane;
}

/** Operations on a device at once. */
const deviceDepth = 128;
const kvDepth = 32;
/** Slots of a device that only the key-value store uses; as `leastSlotBytes` each. */
const otherSlots = 24;
/** Smaller slots would cut the store's own transfers. */
const leastSlotBytes = 65536;

/** Where the other devices are: as set, else as the label says. */
export function otherPaths(
  options: OptionSet,
  label: DeviceLabel | null,
): Readonly<Record<OtherRole, string | null>> {
  const pathOf = (role: OtherRole): string | null => {
    const name = `bluestore_block_${role}_path`;
    const path = options.isSet(name) ? options.text(name) : (label?.[role] ?? "");
    return path === "" ? null : resolve(path);
  };
  return { db: pathOf("db"), wal: pathOf("wal") };
}

/** The label of a store's main device. Throws `bad-input` or `io` with one line. */
export function labelOf(path: string): DeviceLabel {
  const block = new Uint8Array(labelBytes);
  let bytes = 0;
  try {
    const file = openSync(path, "r");
    try {
      bytes = readSync(file, block, 0, labelBytes, 0);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const missing = code === "ENOENT" || code === "EISDIR";
    const reason = error instanceof Error ? error.message : String(error);
    throw new OsdynoError(
      missing ? "bad-input" : "io",
      code === "ENOENT" ? `${path}: there is no such file or device` : `${path}: ${reason}`,
      {},
      error,
    );
  }
  return decodeLabel(bytes < labelBytes ? new Uint8Array(labelBytes) : block, path);
}

export class StoreDevices {
  readonly main: OpenDevice;
  readonly db: OpenDevice | null;
  readonly wal: OpenDevice | null;
  /** What is to be known of them, one line each. */
  readonly notes: readonly string[];
  readonly #holds: Holds | null;

  /**
   * Opens all, for this process alone. Throws `bad-input` (one is missing), `unsafe` (one is in use by
   * another process) or `io` with one line.
   */
  constructor(request: StoreDevicesRequest) {
    const { path, others } = request;
    checkApart(path, others);
    const own = request.holds === undefined ? new Holds() : null;
    const holds = request.holds ?? own;
    const opened: OpenDevice[] = [];
    const notes: string[] = [];
    try {
      holds?.take(path);
      this.main = open(request, path, request.main, notes);
      opened.push(this.main);
      const other = (role: OtherRole): OpenDevice | null => {
        const otherPath = others[role];
        if (otherPath === null) {
          return null;
        }
        checkOther(request, role, otherPath);
        holds?.take(otherPath);
        const device = open(request, otherPath, null, notes);
        opened.push(device);
        return device;
      };
      this.db = other("db");
      this.wal = other("wal");
    } catch (error) {
      opened.forEach(closeDevice);
      own?.close();
      throw error;
    }
    this.notes = notes;
    this.#holds = own;
  }

  /** As the key-value store wants them. */
  kvDevices(): Readonly<{ main: KvDevice; db: KvDevice | null; wal: KvDevice | null }> {
    const kvDevice = ({ path, kvLane, device }: OpenDevice): KvDevice => ({
      path,
      lane: kvLane,
      sizeBytes: device.facts.sizeBytes,
      blockBytes: Math.max(4096, device.facts.blockBytes),
    });
    const { main, db, wal } = this;
    return {
      main: kvDevice(main),
      db: db === null ? null : kvDevice(db),
      wal: wal === null ? null : kvDevice(wal),
    };
  }

  labelLanes(): Readonly<Record<OtherRole, DeviceLane | null>> {
    return { db: this.db?.lane ?? null, wal: this.wal?.lane ?? null };
  }

  close(): void {
    for (const each of [this.main, this.db, this.wal]) {
      if (each !== null) {
        closeDevice(each);
      }
    }
    this.#holds?.close();
  }
}

function closeDevice({ mux, device }: OpenDevice): void {
  mux.close();
  device.close();
}

/** Two devices of a store that are one would write over each other. */
function checkApart(path: string, others: StoreDevicesRequest["others"]): void {
  const seen = new Map<string, string>();
  for (const [role, each] of [["main", path] as const, ...Object.entries(others)]) {
    const found = each === null ? undefined : statSync(each, { throwIfNoEntry: false });
    const key = found?.isBlockDevice() ? `device ${found.rdev}` : `${found?.dev} ${found?.ino}`;
    const other = seen.get(key);
    if (found !== undefined && other !== undefined) {
      const what = `its ${role} device ${each} is its ${other} device, too`;
      throw new OsdynoError(
        "bad-input",
        `${path}: ${what}; name another one with bluestore_block_${role}_path`,
      );
    }
    seen.set(key, role);
  }
}

function checkOther(
  { path: mainPath, label, options }: StoreDevicesRequest,
  role: OtherRole,
  path: string,
): void {
  const refuse = (what: string): never => {
    throw new OsdynoError("bad-input", `${mainPath}: ${what}`);
  };
  const option = `bluestore_block_${role}_path`;
  if (label?.[role] === "") {
    refuse(`its store has no ${role} device, but one is given (${option})`);
  }
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() === true || found?.isBlockDevice() === true) {
    return;
  }
  if (found === undefined && label !== null && options.isSet(option)) {
    refuse(`there is no file or device ${option}=${path}; its ${role} device was ${label[role]}`);
  }
  const what = found === undefined ? "missing" : "neither a file nor a block device";
  refuse(`its ${role} device ${path} is ${what}; name it with ${option}`);
}

/** `main`: the main device, with what is known of it; `null`: another one. */
function open(
  request: StoreDevicesRequest,
  path: string,
  main: StoreDevicesRequest["main"] | null,
  notes: string[],
): OpenDevice {
  const engine = request.options.text("bdev_ioengine");
  const synchronous = blockEngine(engine)?.synchronous === true;
  const slotBytes = main === null ? leastSlotBytes : roundedSlotBytes(request.slotBytes);
  const own = main === null ? otherSlots : request.ownSlots;
  const how = {
    path,
    write: request.write,
    depth: synchronous ? 1 : deviceDepth,
    slotBytes,
    slotCount: own + (main === null ? 0 : request.userSlots),
    ...(main ?? { facts: { name: path } }),
  };
  const below = openDirect(engine, how, notes);
  if ("notes" in below && Array.isArray(below.notes)) {
    notes.push(...below.notes.map(String));
  }
  const shaped = main === null ? null : shapedOver(below, request);
  const device = shaped ?? below;
  const mux = new DeviceMux(device, { capacity: deviceDepth, selfDriven: true });
  const kvSlots = Math.max(4, Math.floor(own / (main === null ? 2 : 6)));
  const kvLane = mux.lane({ depth: kvDepth, slots: kvSlots });
  const lane = mux.lane({ depth: deviceDepth - kvDepth, slots: own - kvSlots });
  return { path, device, shaped, mux, lane, kvLane };
}

function shapedOver(below: BlockDevice, { shape }: StoreDevicesRequest): ShapedDevice | null {
  if (shape === undefined) {
    return null;
  }
  const { spec, clock, seed } = shape;
  return new ShapedDevice({ below, shape: spec, clock, seed, earlyNs: timerSlackNs });
}

export function roundedSlotBytes(wantedBytes: number): number {
  return Math.max(leastSlotBytes, Math.ceil(wantedBytes / 4096) * 4096);
}

/** EPERM, EACCES, EROFS of Linux, as the system's error ends: the place is wrong, nothing has failed. */
const forbidden = /\(os error (?:1|13|30)\)$/;

function openBuffered(engine: string, how: OpenOptions & { readonly path: string }): BlockDevice {
  try {
    return openBlockDevice(engine, { ...how, direct: false });
  } catch (error) {
    if (error instanceof OsdynoError && error.code === "io" && forbidden.test(error.message)) {
      throw new OsdynoError("bad-input", error.message, error.context, error);
    }
    throw error;
  }
}

function openDirect(
  engine: string,
  how: OpenOptions & { readonly path: string },
  notes: string[],
): BlockDevice {
  const direct = engine !== "pmem";
  try {
    return openBlockDevice(engine, { ...how, direct });
  } catch (error) {
    if (!direct) {
      throw error;
    }
    // Some file systems know no direct I/O; whether that was the reason shows the second try.
    const device = openBuffered(engine, how);
    notes.push(`${how.path} takes no direct I/O: the store goes through the page cache`);
    return device;
  }
}
