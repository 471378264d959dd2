/** The implementations of `BlockDevice` that the conformance suite runs on. */

import { SeededRandom } from "../../engine/base/random.ts";
import { FaultDevice } from "../../engine/device/fault.ts";
import { MemoryDevice } from "../../engine/device/memory.ts";
import { QosDevice } from "../../engine/device/qos.ts";
import { ShapedDevice } from "../../engine/device/shape.ts";
import type { ShapeSpec } from "../../engine/device/shape-spec.ts";
import { DeviceShare } from "../../engine/device/share.ts";
import { SyntheticDevice } from "../../engine/device/synthetic.ts";
import { type SyntheticSpec, syntheticDefaults } from "../../engine/device/synthetic-spec.ts";
import { ThrottleDevice } from "../../engine/device/throttle.ts";
import { TraceDevice } from "../../engine/device/trace.ts";
import type { ConformanceSubject, OpenedDevice } from "../../engine/hot/ioengine/conformance.ts";
import { SchedulerDevice } from "../../engine/hot/scheduler/device.ts";
import { mclockProfiles, qosPlanOf } from "../../engine/hot/scheduler/qos.ts";
import { openScheduler } from "../../engine/hot/scheduler/registry.ts";
import { cutOffs } from "../../engine/hot/scheduler/scheduler.ts";
import { RealClock } from "../../engine/os/clock.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import { errnos, opKinds } from "../../engine/port/block-device.ts";
import type { Clock } from "../../engine/port/clock.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";

export const blockBytes = 512;

/** Lets the event loop turn once: how real devices are waited for. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A clock and how to let its time pass. */
interface Time {
  readonly clock: Clock;
  pass(): Promise<void> | void;
}

function virtual(): Time {
  const clock = new VirtualClock();
  return {
    clock,
    pass: () => {
      clock.step();
    },
  };
}

function real(): Time {
  return { clock: new RealClock(), pass: turn };
}

const geometry = { depth: 16, slotBytes: 16 * blockBytes, blockBytes };

function memory(clock: Clock): BlockDevice {
  return new MemoryDevice({ clock, sizeBytes: 256 * blockBytes, ...geometry });
}

function synthetic(given: Partial<SyntheticSpec>, data: boolean): (clock: Clock) => BlockDevice {
  const spec = { ...syntheticDefaults, size: 256 * blockBytes, ...given };
  return (clock) => new SyntheticDevice({ spec, clock, data, ...geometry });
}

const lively: Partial<SyntheticSpec> = {
  serviceNs: 20_000,
  jitter: "exp",
  stallAtNs: 1_000_000,
  stallForNs: 500_000,
  stallEveryNs: 5_000_000,
  bandwidth: 2 ** 30,
};
const broken = synthetic({ ...lively, errorRate: 1 }, true);

/** Transfers of two blocks at offset 0 end after one. */
function cutShort(inner: BlockDevice, clock: Clock): BlockDevice {
  const range = { offsetBytes: 0, lengthBytes: 1 };
  const kinds = [opKinds.read, opKinds.write];
  return new FaultDevice(
    inner,
    [{ effect: "short", bytes: blockBytes, kinds, range, times: null }],
    clock,
  );
}

function plain(
  name: string,
  time: () => Time,
  make: (clock: Clock) => BlockDevice,
  makeFailing: ((clock: Clock) => BlockDevice) | null,
): ConformanceSubject {
  const opened = (kind: (clock: Clock) => BlockDevice): OpenedDevice => {
    const { clock, pass } = time();
    return { device: kind(clock), pass, below: null };
  };
  return {
    name,
    open: () => opened(make),
    openFailing: makeFailing === null ? null : () => opened(makeFailing),
    openShort: null,
  };
}

/** A wrapper over a device, with a recording in between. */
function wrapped(
  name: string,
  time: () => Time,
  wrap: (inner: BlockDevice, clock: Clock) => BlockDevice,
  inner: (clock: Clock) => BlockDevice = synthetic(lively, true),
): ConformanceSubject {
  const opened = (kind: (clock: Clock) => BlockDevice): OpenedDevice => {
    const { clock, pass } = time();
    const below = new TraceDevice(kind(clock), clock);
    return { device: wrap(below, clock), pass, below };
  };
  return {
    name,
    open: () => opened(inner),
    openFailing: () => opened(broken),
    openShort: () => opened((clock) => cutShort(inner(clock), clock)),
  };
}

function failAll(inner: BlockDevice, clock: Clock): BlockDevice {
  return new FaultDevice(inner, [{ effect: "error", errno: errnos.EIO, times: null }], clock);
}

/** Never reached, so that the wrapper passes everything through. */
const distantFaults = [{ effect: "error", errno: errnos.EIO, nth: 1e9 }] as const;
const wide = { iops: 1e9, bytesPerSecond: 1e12 };
const narrow = { iops: 40_000, bytesPerSecond: 200e6, burstOps: 4 };

/** Two shards that run two operations each; mClock makes some wait, for its device is slow. */
function scheduled(name: string, iops: number): (inner: BlockDevice, clock: Clock) => BlockDevice {
  const plan = qosPlanOf(mclockProfiles.balanced, { iops, bandwidth: iops * 4096, shards: 2 });
  const limited = { ...plan, client: { ...plan.client, limit: plan.client.reservation } };
  return (inner, clock) =>
    new SchedulerDevice(inner, clock, {
      queue: (shard) =>
        openScheduler(name, {
          random: new SeededRandom(shard),
          cutOff: cutOffs.high,
          plan: limited,
        }),
      shards: 2,
      slotsPerShard: 2,
      stripeBytes: 8 * blockBytes,
    });
}

const qos = (limit: number) => (inner: BlockDevice, clock: Clock) =>
  new QosDevice(inner, clock, {
    limits: { iops: { limit, burst: 0, burstSeconds: 1 } },
    tickMinMs: 1,
  });

/** Small ones of their kind, whose caches and queues fill up. */
const turning: ShapeSpec = {
  ...{ kind: "disk", deviceClass: "hdd", sizeBytes: 256 * blockBytes, blockBytes, queueDepth: 4 },
  turnsPerMinute: 60_000_000,
  seek: [
    { at: 0, ns: 1000 },
    { at: 1, ns: 20_000 },
  ],
  ...{ outerBytesPerSecond: 1e9, innerBytesPerSecond: 5e8, linkBytesPerSecond: 2e9 },
  ...{ commandNs: 500, readAheadBytes: 4 * blockBytes, cacheBytes: 8192, cacheOperations: 4 },
};
const law = {
  sizes: [{ at: 4096, ns: 2000 }],
  ...{ depths: [], usualBytes: 4096, inOrder: [], controllerNs: 100, bytesPerSecond: 1e9 },
  spread: [
    [0, 0.5],
    [1, 2],
  ] as const,
};
const flash: ShapeSpec = {
  ...{ kind: "solid", deviceClass: "nvme", sizeBytes: 256 * blockBytes, blockBytes },
  ...{ queueDepth: 8, read: law, write: law, trimNs: 700, flushNs: 900, flushes: [], fuaNs: 300 },
  mix: [[0.5, 1.2]],
  cache: { bytes: 8192, drainBytesPerSecond: 5e8 },
  dies: {
    ...{ count: 4, stripeBytes: 1024, pageBytes: 1024, readNs: 3000, programNs: 9000 },
    ...{ programBytes: 4096, suspendNs: 2000 },
  },
  collection: {
    spareShare: 0.2,
    blockBytes: 16_384,
    eraseNs: 9000,
    lowShare: 0.05,
    idleShare: 0.1,
  },
  ...{ lineBytes: 256, partialLineNs: 100 },
};

function shaped(shape: ShapeSpec): (inner: BlockDevice, clock: Clock) => BlockDevice {
  return (below, clock) => new ShapedDevice({ below, shape, clock, seed: 3, earlyNs: 0 });
}

/** A part of a device that nobody else uses at present. */
function shared(inner: BlockDevice): BlockDevice {
  return new DeviceShare(inner, inner.facts.queueDepth).view(inner.facts.queueDepth);
}

/** Devices of TypeScript. */
export const modelSubjects: readonly ConformanceSubject[] = [
  plain("memory, virtual clock", virtual, memory, null),
  plain("memory, real clock", real, memory, null),
  plain("synthetic with data, virtual clock", virtual, synthetic(lively, true), broken),
  plain(
    "synthetic with two channels and an IOPS limit, virtual clock",
    virtual,
    synthetic({ serviceNs: 50_000, jitter: "lognormal", channels: 2, iops: 30_000 }, true),
    broken,
  ),
  plain("synthetic without data, virtual clock", virtual, synthetic({}, false), broken),
  plain("synthetic with data, real clock", real, synthetic({ serviceNs: 5_000 }, true), broken),
  wrapped("trace", virtual, (inner, clock) => new TraceDevice(inner, clock)),
  wrapped(
    "fault, none hit",
    virtual,
    (inner, clock) => new FaultDevice(inner, distantFaults, clock),
  ),
  wrapped(
    "throttle, never reached",
    virtual,
    (inner, clock) => new ThrottleDevice(inner, wide, clock),
  ),
  wrapped("throttle, biting", virtual, (inner, clock) => new ThrottleDevice(inner, narrow, clock)),
  wrapped("scheduler, wpq", virtual, scheduled("wpq", 1e6)),
  wrapped("scheduler, mClock, held back", virtual, scheduled("mclock_scheduler", 5000)),
  wrapped("scheduler, fifo, real clock", real, scheduled("fifo", 1e6), memory),
  wrapped("qos, never reached", virtual, qos(1e9)),
  wrapped("qos, biting", virtual, qos(5000)),
  wrapped("a share", virtual, shared),
  wrapped("a disk that turns, virtual clock", virtual, shaped(turning)),
  wrapped("a flash device, virtual clock", virtual, shaped(flash)),
  wrapped("a flash device over memory, real clock", real, shaped(flash), memory),
  wrapped(
    "throttle over fault over memory, real clock",
    real,
    (inner, clock) => new ThrottleDevice(new FaultDevice(inner, distantFaults, clock), wide, clock),
    memory,
  ),
];

/** Devices that fail by the fault wrapper: what it makes up must look like a device's own errors. */
export const faultSubject: ConformanceSubject = {
  ...plain("fault over memory", virtual, memory, null),
  openShort: () => {
    const { clock, pass } = virtual();
    return { device: cutShort(memory(clock), clock), pass, below: null };
  },
};

/** Exported for subjects that need a failing device above their own. */
export { cutShort, failAll };

/** The implementations in TypeScript; `native-subjects.ts` has the native engines. */
export const subjects: readonly ConformanceSubject[] = [...modelSubjects, faultSubject];
