/** A BlueStore on a file or device of this machine, its parts as the options say. */
import { OsdynoError } from "../base/error.ts";
import { DeviceMux } from "../device/mux.ts";
import { createAllocator } from "../hot/allocator/registry.ts";
import { openCache } from "../hot/cache/registry.ts";
import { openChecksum } from "../hot/checksum/registry.ts";
import { openCompressor } from "../hot/compressor/registry.ts";
import { blockEngine, type OpenOptions, openBlockDevice } from "../hot/ioengine/registry.ts";
import { openKeyValueStore } from "../hot/kv/registry.ts";
import type { OptionSet } from "../options/option-set.ts";
import { RealClock } from "../os/clock.ts";
import type { BlockDevice, DeviceClass, DeviceFacts } from "../port/block-device.ts";
import type { Random } from "../port/random.ts";
import { type BlueStoreParts, makeStore, readLabel } from "./bluestore/mount.ts";
import { blueStoreOptions } from "./bluestore/options.ts";
import { BlueStore } from "./bluestore/store.ts";
import type { StoreDriver } from "./volume.ts";

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
}

/** Operations on the device at once. */
const deviceDepth = 128;
const kvDepth = 32;
/** Memory that the store's own slots may take, unless they are too few then. */
const ownSlotBytes = 16 * 2 ** 20;
/** Smaller slots would cut the store's own transfers. */
const leastSlotBytes = 65536;

interface Opened {
  readonly clock: RealClock;
  readonly device: BlockDevice;
  readonly mux: DeviceMux;
  readonly firstUserSlot: number;
  readonly parts: BlueStoreParts;
  readonly notes: readonly string[];
}

function openDevice(path: string, options: OptionSet, open: OpenOptions) {
  const engine = options.text("bdev_ioengine");
  const direct = engine !== "pmem";
  const how = { ...open, path, write: true, direct };
  try {
    return { device: openBlockDevice(engine, how), notes: [] };
  } catch (error) {
    if (!direct) {
      throw error;
    }
    // Some file systems know no direct I/O; whether that was the reason shows the second try.
    const device = openBlockDevice(engine, { ...how, direct: false });
    return {
      device,
      notes: [`${path} takes no direct I/O: the store goes through the page cache`],
    };
  }
}

/** The key-value store: as set, else what the store on the device has, else what is there. */
function kvNameOf(options: OptionSet, onDevice: string | null): string {
  if (options.isSet("bluestore_kvbackend")) {
    return options.text("bluestore_kvbackend");
  }
  return onDevice ?? "waltree";
}

function open(request: RealStoreRequest): Opened {
  const { path, options, random, userSlots } = request;
  const clock = new RealClock();
  const slotBytes = Math.max(leastSlotBytes, Math.ceil(request.slotBytes / 4096) * 4096);
  const own = Math.max(16, Math.min(96, Math.floor(ownSlotBytes / slotBytes)));
  const kvSlots = Math.max(4, Math.floor(own / 6));
  const synchronous = blockEngine(options.text("bdev_ioengine"))?.synchronous === true;
  const { device, notes } = openDevice(path, options, {
    depth: synchronous ? 1 : deviceDepth,
    slotBytes,
    slotCount: own + userSlots,
    ...(request.sizeBytes === 0 ? {} : { sizeBytes: request.sizeBytes }),
    facts: { name: path, deviceClass: request.deviceClass, classReason: request.classReason },
  });
  const mux = new DeviceMux(device, { capacity: deviceDepth, selfDriven: true });
  const kvLane = mux.lane({ depth: kvDepth, slots: kvSlots });
  const lane = mux.lane({ depth: deviceDepth - kvDepth, slots: own - kvSlots });
  const { sizeBytes, blockBytes } = device.facts;
  const parts: BlueStoreParts = {
    clock,
    random,
    lane,
    kvName: "waltree",
    kvDevices: {
      main: { path, lane: kvLane, sizeBytes, blockBytes: Math.max(4096, blockBytes) },
      db: null,
      wal: null,
    },
    kvOptions: {},
    openKv: (context) => openKeyValueStore("waltree", context),
    allocator: (how) => createAllocator(options.text("bluestore_allocator"), how),
    checksum: openChecksum,
    compressor: openCompressor,
    cache: openCache,
    options: blueStoreOptions(options),
  };
  return { clock, device, mux, parts, notes, firstUserSlot: own };
}

function withKv(parts: BlueStoreParts, kvName: string): BlueStoreParts {
  return { ...parts, kvName, openKv: (context) => openKeyValueStore(kvName, context) };
}

function release({ clock, device, mux }: Opened): void {
  mux.close();
  device.close();
  clock.close();
}

/** Makes an empty store; what was there is lost. Throws `bad-input` or `io` with one line. */
export async function makeRealStore(request: RealStoreRequest): Promise<void> {
  const opened = open(request);
  try {
    await makeStore(withKv(opened.parts, kvNameOf(request.options, null)));
  } finally {
    release(opened);
  }
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
  readonly #opened: Opened;

  /** Throws `bad-input` or `io` with one line. */
  static async open(request: RealStoreRequest): Promise<RealStore> {
    const opened = open(request);
    try {
      const label = await readLabel(opened.parts.lane);
      const parts = withKv(opened.parts, kvNameOf(request.options, label.kv));
      return new RealStore(opened, await BlueStore.mount(parts));
    } catch (error) {
      release(opened);
      throw error;
    }
  }

  private constructor(opened: Opened, store: BlueStore) {
    const { mux } = opened;
    this.#opened = opened;
    this.store = store;
    this.clock = opened.clock;
    this.deviceFacts = opened.device.facts;
    this.firstUserSlot = opened.firstUserSlot;
    this.notes = opened.notes;
    this.driver = {
      cork: () => store.cork(),
      uncork: () => store.uncork(),
      poll: () => {
        mux.poll();
      },
      wait: () => mux.wait(),
    };
  }

  /** Ends cleanly; throws `io` when the store could not. */
  async close(): Promise<void> {
    const result = await new Promise<number>((resolve) => this.store.unmount(resolve));
    const { name } = this.#opened.device.facts;
    release(this.#opened);
    if (result < 0) {
      throw new OsdynoError("io", `${name}: the store did not end cleanly, errno ${-result}`);
    }
  }
}
