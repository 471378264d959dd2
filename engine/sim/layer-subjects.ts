/** Write logs and client caches over simulated disks, as subjects of the block device suite. */
import type { ClientCacheKind } from "../hot/clientcache/registry.ts";
import { type ClientCacheTuning, clientCacheDefaults } from "../hot/clientcache/tuning.ts";
import type { ConformanceSubject, OpenedDevice } from "../hot/ioengine/conformance.ts";
import type { WriteLogTuning } from "../hot/writelog/log-state.ts";
import type { WriteLogKind } from "../hot/writelog/registry.ts";
import { World } from "./world.ts";

export interface LayerShape {
  /** The disk below can write durably; else it knows flushes only. */
  readonly fua: boolean;
  readonly seed: number;
  readonly settle: () => Promise<void>;
}

const imageBytes = 512 << 10;
const slotBytes = 8192;

function imageOf(world: World, fua: boolean) {
  const shape = { sizeBytes: imageBytes, depth: 24, slotBytes, blockBytes: 512, fua };
  return world.disk({ name: "image", ...shape }).device;
}

function openedIn(world: World, device: OpenedDevice["device"], settle: LayerShape["settle"]) {
  const pass = async () => {
    world.clock.step();
    await settle();
  };
  return { device, pass, below: null };
}

/** A log of 600 KiB before an image of 512 KiB: it is full again and again. */
export function writeLogSubject(
  kind: WriteLogKind,
  shape: LayerShape,
  tuning: Partial<WriteLogTuning> = {},
): ConformanceSubject {
  const { fua, seed, settle } = shape;
  const open = async (): Promise<OpenedDevice> => {
    const world = new World({ seed, settle });
    const log = world.disk({
      name: "log",
      sizeBytes: 600 << 10,
      fua,
      depth: 16,
      slotBytes,
      blockBytes: kind.largestBlockBytes,
    });
    const device = await world.run(
      kind.open({
        image: imageOf(world, true),
        log: log.device,
        clock: world.clock,
        create: true,
        imageId: "image",
        imageUri: "sim:image",
        logId: world.random.below(2 ** 32),
        tuning: { writeBackDepth: 8, recordBytes: 32_768, ...tuning },
      }),
    );
    return openedIn(world, device, settle);
  };
  return { name: kind.name, open, openFailing: null, openShort: null };
}

/** A cache of some size before an image of 512 KiB. */
export function clientCacheSubject(
  kind: ClientCacheKind,
  shape: LayerShape,
  tuning: Partial<ClientCacheTuning>,
): ConformanceSubject {
  const { fua, seed, settle } = shape;
  const open = async (): Promise<OpenedDevice> => {
    const world = new World({ seed, settle });
    const device = await kind.open({
      image: imageOf(world, fua),
      clock: world.clock,
      tuning: { ...clientCacheDefaults, maxDirtyAgeNs: 2e6, ...tuning },
    });
    return openedIn(world, device, settle);
  };
  return { name: kind.name, open, openFailing: null, openShort: null };
}
