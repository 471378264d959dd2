/** Devices as the fingerprint drives them: in real time, polled without pause, or in virtual time. */
import { randomFillSync } from "node:crypto";
import { NativeBlockDevice } from "../../engine/hot/ioengine/native-device.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import type { Clock } from "../../engine/port/clock.ts";
import type { VirtualClock } from "../../engine/sim/clock.ts";
import type { Stand } from "./load.ts";

/** Of the arena that loads of up to 4 MiB work with. */
export const standSlotBytes = 4 << 20;
export const standSlots = 16;
export const standDepth = 256;

/** A wait in the kernel ends by itself after this, ns. */
const waitNs = 5e6;

const nothing = (): void => undefined;

/** Data that no device can make smaller. */
function fill(device: BlockDevice): void {
  randomFillSync(device.arena.bytes.subarray(0, Math.min(device.arena.bytes.length, 1 << 26)));
}

/** In real time. Devices of the native side are waited for in the kernel, others are asked again. */
export function realStand(device: BlockDevice, clock: Clock, regionBytes: number): Stand {
  fill(device);
  if (!(device instanceof NativeBlockDevice)) {
    return { device, regionBytes, nowNs: () => clock.nowNs(), pass: nothing, work: nothing };
  }
  return { ...waiting(device, regionBytes), nowNs: () => clock.nowNs() };
}

/** Waits in the kernel as an application does; what the wait found is handed out by the next poll. */
function waiting(native: NativeBlockDevice, regionBytes: number): Omit<Stand, "nowNs"> {
  let found = 0;
  const device: BlockDevice = {
    facts: native.facts,
    supports: native.supports,
    arena: native.arena,
    completions: native.completions,
    submit: (op) => native.submit(op),
    commit: () => native.commit(),
    poll: (max) => {
      const count = found > 0 ? found : native.poll(max);
      found = 0;
      return count;
    },
    onReady: (callback) => native.onReady(callback),
    close: () => native.close(),
  };
  const pass = () => {
    found = native.pollWithin(standDepth, waitNs);
  };
  return { device, regionBytes, pass, work: nothing };
}

/** In virtual time, in which each operation costs the generator `hostNs`. */
export function virtualStand(
  device: BlockDevice,
  clock: VirtualClock,
  regionBytes: number,
  hostNs: number,
): Stand {
  const pass = () => {
    device.onReady(nothing);
    clock.step();
  };
  const work = () => {
    if (hostNs > 0) {
      clock.advance(hostNs);
    }
  };
  return { device, regionBytes, nowNs: () => clock.nowNs(), pass, work };
}
