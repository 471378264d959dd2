/** A BlueStore on a file or device of this machine, its parts as the options say. */
import { rmSync } from "node:fs";
import { OsdynoError } from "../base/error.ts";
import type { PerfCounters, PerfSection } from "../base/perf-counters.ts";
import type { ShapedDevice } from "../device/shape.ts";
import type { ShapeSpec } from "../device/shape-spec.ts";
import type { OptionSet } from "../options/option-set.ts";
import { RealClock } from "../os/clock.ts";
import type { Holds } from "../os/hold.ts";
import { processMemory } from "../os/memory-meter.ts";
import type { DeviceClass, DeviceFacts } from "../port/block-device.ts";
import type { Random } from "../port/random.ts";
import { prefixes } from "./bluestore/keys.ts";
import type { DeviceLabel } from "./bluestore/label.ts";
import { type BlueStoreParts, makeStore } from "./bluestore/mount.ts";
import { blueStoreOptions } from "./bluestore/options.ts";
import { BlueStore } from "./bluestore/store.ts";
import { labelOf, otherPaths, roundedSlotBytes, StoreDevices } from "./store-devices.ts";
import { makeOtherFiles } from "./store-files.ts";
import { hotPathsOf } from "./store-hot-paths.ts";
import { kvOfNewStore, kvOpener, kvOptionsOf } from "./store-kv.ts";
import { type StoreDriver, type VolumeCounters, volumeCounters } from "./volume.ts";

export interface RealStoreRequest {
  /** File or device; it is there and has its size. The caller has judged that writing is safe. */
  readonly path: string;
  readonly options: OptionSet;
  readonly deviceClass: DeviceClass;
  readonly classReason: string;
  /** Of a store that is made on a larger device; 0: all of the device. */
  readonly sizeBytes: number;
  /** For ids. */
  readonly random: Random;
  /** Largest transfer of the store's user, and slots that are the user's. */
  readonly slotBytes: number;
  readonly userSlots: number;
  /** What the main device behaves like; absent: like itself. */
  readonly shape?: ShapeSpec;
  /** Of the caller, who has the store's files already and lets go of them; absent: held while open. */
  readonly holds?: Holds;
}

/** Memory that the store's own slots may take, unless they are too few then. */
const ownSlotBytes = 16 * 2 ** 20;

/** A store's devices and parts, not mounted. */
export interface OpenedParts {
  readonly clock: RealClock;
  readonly devices: StoreDevices;
  readonly firstUserSlot: number;
  readonly parts: BlueStoreParts;
  readonly notes: readonly string[];
}

/**
 * Opens the devices; `label`: of the store that is there, `null`: one is made. Throws `bad-input`, `unsafe`
 * or `io` with one line.
 */
export function openParts(
  request: RealStoreRequest,
  label: DeviceLabel | null,
  write = true,
): OpenedParts {
  const { path, options, random, userSlots } = request;
  const slotBytes = roundedSlotBytes(request.slotBytes);
  const own = Math.max(16, Math.min(96, Math.floor(ownSlotBytes / slotBytes)));
  const clock = new RealClock();
  const { shape, holds } = request;
  const devices = new StoreDevices({
    path,
    others: otherPaths(options, label),
    label,
    options,
    write,
    slotBytes,
    ownSlots: own,
    userSlots,
    ...(holds === undefined ? {} : { holds }),
    ...(shape === undefined ? {} : { shape: { spec: shape, clock, seed: random.below(2 ** 32) } }),
    main: {
      ...(request.sizeBytes === 0 ? {} : { sizeBytes: request.sizeBytes }),
      facts: { name: path, deviceClass: request.deviceClass, classReason: request.classReason },
    },
  });
  const { sizeBytes } = devices.main.device.facts;
  const kv =
    label === null
      ? kvOfNewStore(options, sizeBytes, devices.db !== null)
      : { name: options.isSet(kvOption) ? options.text(kvOption) : label.kv, note: null };
  const parts: BlueStoreParts = {
    clock,
    random,
    lane: devices.main.lane,
    labelLanes: devices.labelLanes(),
    kvName: kv.name,
    kvDevices: devices.kvDevices(),
    kvOptions: kvOptionsOf(options),
    openKv: kvOpener(kv.name, path),
    ...hotPathsOf(options),
    memory: processMemory,
    options: blueStoreOptions(options),
  };
  const notes = kv.note === null ? devices.notes : [...devices.notes, kv.note];
  return { clock, devices, parts, notes, firstUserSlot: own };
}

const kvOption = "bluestore_kvbackend";

export function releaseParts({ clock, devices }: OpenedParts): void {
  devices.close();
  clock.close();
}

/**
 * Makes an empty store; what was there is lost. Files for a db and a wal device are made if they are not
 * there. Throws `bad-input`, `unsafe` or `io` with one line, and removes what it made.
 */
export async function makeRealStore(request: RealStoreRequest): Promise<void> {
  const made = makeOtherFiles(request.path, request.options);
  try {
    const opened = openParts(request, null);
    try {
      await makeStore(opened.parts);
    } finally {
      releaseParts(opened);
    }
  } catch (error) {
    for (const path of made) {
      rmSync(path, { force: true });
    }
    throw error;
  }
}

function volumeSection(counters: VolumeCounters): PerfSection {
  const { reads, readBytes, writes, writeBytes, trims, flushes } = counters;
  const of = (value: number, unit: string, description: string) =>
    ({ kind: "counter", unit, description, value }) as const;
  return {
    reads: of(reads, "operations", "reads asked of the volume"),
    read_bytes: of(readBytes, "bytes", "read from the volume"),
    writes: of(writes, "operations", "writes asked of the volume"),
    write_bytes: of(writeBytes, "bytes", "written to the volume"),
    trims: of(trims, "operations", "trims and write-zeroes asked of the volume"),
    flushes: of(flushes, "operations", "flushes asked of the volume"),
  };
}

/** What the shape of the main device did, if it has one. */
function shapeSection(shaped: ShapedDevice | null): PerfCounters {
  if (shaped === null) {
    return {};
  }
  const told = shaped.counters();
  const value = (name: string) => told[`shape.${name}`] ?? 0;
  return {
    shape: {
      operations: {
        kind: "counter",
        unit: "operations",
        description: "operations that the shape held back for their time",
        value: value("operations"),
      },
      host_slower: {
        kind: "counter",
        unit: "operations",
        description: "operations that came more than a tenth later than the shape says",
        value: value("host_slower"),
      },
      host_slower_max_ns: {
        kind: "gauge",
        unit: "ns",
        description: "the latest of them",
        value: value("host_slower_max_ns"),
      },
    },
  };
}

/** A store that is open, with its device. */
export class RealStore {
  readonly store: BlueStore;
  readonly clock: RealClock;
  readonly driver: StoreDriver;
  readonly deviceFacts: DeviceFacts;
  readonly firstUserSlot: number;
  /** What is to be known of it, one line each. */
  readonly notes: readonly string[];
  /** Of the volumes on it. */
  readonly volumeCounters: VolumeCounters = volumeCounters();
  readonly #opened: OpenedParts;

  /** `made`: just now. Throws `bad-input` or `io` with one line. */
  static async open(request: RealStoreRequest, made = false): Promise<RealStore> {
    const { options, path } = request;
    const opened = openParts(request, labelOf(path));
    try {
      const store = await BlueStore.mount(opened.parts);
      if (options.flag(made ? "bluestore_fsck_on_mkfs" : "bluestore_fsck_on_mount")) {
        const [problem] = store.checkStructure();
        if (problem !== undefined) {
          store.abandon();
          throw new OsdynoError("io", `${path}: ${problem.kind}: ${problem.message}`);
        }
      }
      return new RealStore(opened, store);
    } catch (error) {
      releaseParts(opened);
      throw error;
    }
  }

  private constructor(opened: OpenedParts, store: BlueStore) {
    const { mux, device } = opened.devices.main;
    this.#opened = opened;
    this.store = store;
    this.clock = opened.clock;
    this.deviceFacts = device.facts;
    this.firstUserSlot = opened.firstUserSlot;
    this.notes = [...opened.notes, ...store.opened.notes];
    this.driver = {
      cork: (writes) => store.cork(writes),
      uncork: () => store.uncork(),
      poll: () => {
        mux.poll();
      },
      wait: () => mux.wait(),
    };
  }

  /**
   * Nothing but its making has touched it: it has neither a collection nor a record of an object. Where the making
   * was cut off before the volume, that may be made now.
   */
  get untouched(): boolean {
    const { collections, kv } = this.store.state;
    const objects = kv.scan(prefixes.onodes, new Uint8Array(0), undefined, 1);
    return collections.size === 0 && objects.length === 0;
  }

  /** A picture of all that is counted; not for every operation. */
  perfCounters(): PerfCounters {
    return {
      ...this.store.perfCounters(),
      volume: volumeSection(this.volumeCounters),
      ...shapeSection(this.#opened.devices.main.shaped),
    };
  }

  /** Ends cleanly; throws `io` when the store could not. */
  async close(): Promise<void> {
    const result = await new Promise<number>((resolve) => this.store.unmount(resolve));
    const { name } = this.deviceFacts;
    releaseParts(this.#opened);
    if (result < 0) {
      throw new OsdynoError("io", `${name}: the store did not end cleanly, errno ${-result}`);
    }
  }
}
