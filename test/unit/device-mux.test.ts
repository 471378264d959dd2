import { expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { MemoryDevice } from "../../engine/device/memory.ts";
import { DeviceMux } from "../../engine/device/mux.ts";
import { SyntheticDevice } from "../../engine/device/synthetic.ts";
import { syntheticDefaults } from "../../engine/device/synthetic-spec.ts";
import { RealClock } from "../../engine/os/clock.ts";
import { type BlockOp, opKinds } from "../../engine/port/block-device.ts";
import type { DeviceLane } from "../../engine/port/device-lane.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";

function write(lane: DeviceLane, offsetBytes: number, tag: number, fill: number): BlockOp {
  const slot = lane.takeSlot();
  lane.arena.bytes.fill(fill, slot * lane.arena.slotBytes, (slot + 1) * lane.arena.slotBytes);
  return { kind: opKinds.write, flags: 0, offsetBytes, lengthBytes: 512, slot, tag };
}

function synthetic(clock: VirtualClock, depth: number) {
  const spec = { ...syntheticDefaults, serviceNs: 20_000, jitter: "exp" as const, size: 1 << 20 };
  return new SyntheticDevice({ spec, clock, depth, slotBytes: 512, slotCount: 32, data: true });
}

it("each lane is told of its own operations, although the device is shallower than they are", () => {
  const seed = 5;
  const clock = new VirtualClock();
  const mux = new DeviceMux(synthetic(clock, 4), { capacity: 24, selfDriven: true });
  const lanes = [mux.lane({ depth: 16, slots: 16 }), mux.lane({ depth: 8, slots: 16 })];
  const told: number[][] = [[], []];
  const slots = lanes.map(() => new Map<number, number>());
  for (const [which, lane] of lanes.entries()) {
    lane.onCompletion((tag, result) => {
      expect(result).toBe(512);
      told[which]?.push(tag);
      lane.giveSlot(slots[which]?.get(tag) ?? -1);
    });
  }
  const random = new SeededRandom(seed);
  const sent = [0, 0];
  for (let step = 0; step < 2_000; step += 1) {
    const which = random.below(2);
    const lane = lanes[which] as DeviceLane;
    if (random.below(3) === 0) {
      clock.step();
    } else if (lane.pending < lane.depth) {
      const tag = sent[which] as number;
      const op = write(lane, 512 * random.below(2048), tag, tag % 251);
      slots[which]?.set(tag, op.slot);
      expect(lane.submit(op)).toBe(true);
      sent[which] = tag + 1;
      lane.commit();
    } else {
      expect(lane.submit({ ...write(lane, 0, 0, 0), slot: 0 })).toBe(false);
      break;
    }
  }
  clock.runUntilIdle();
  expect(mux.pending).toBe(0);
  for (const [which, tags] of told.entries()) {
    expect(tags.length).toBe(sent[which]);
    expect(new Set(tags).size).toBe(tags.length);
  }
});

it("a lane that submits from within a completion goes on, and poll from within one does nothing", () => {
  const clock = new VirtualClock();
  const mux = new DeviceMux(synthetic(clock, 2), { capacity: 4, selfDriven: true });
  const lane = mux.lane({ depth: 4, slots: 4 });
  let count = 0;
  const next = () => {
    const op = write(lane, 512 * count, count, 1);
    slot = op.slot;
    lane.submit(op);
    lane.commit();
  };
  let slot = 0;
  lane.onCompletion(() => {
    expect(mux.poll()).toBe(0);
    lane.giveSlot(slot);
    count += 1;
    if (count < 100) {
      next();
    }
  });
  next();
  clock.runUntilIdle();
  expect(count).toBe(100);
});

it("without driving itself it waits to be polled, or wakes once when asked to", () => {
  const clock = new VirtualClock();
  const mux = new DeviceMux(synthetic(clock, 4), { capacity: 4, selfDriven: false });
  const lane = mux.lane({ depth: 4, slots: 4 });
  let count = 0;
  lane.onCompletion(() => {
    count += 1;
  });
  lane.submit(write(lane, 0, 1, 1));
  lane.submit(write(lane, 512, 2, 1));
  lane.commit();
  clock.advance(1e9);
  expect(count).toBe(0);
  expect(mux.poll()).toBe(2);
  lane.submit(write(lane, 0, 3, 1));
  lane.commit();
  mux.wait();
  clock.runUntilIdle();
  expect(count).toBe(3);
});

it("works in real time", async () => {
  const clock = new RealClock();
  const device = new MemoryDevice({ clock, sizeBytes: 1 << 20, depth: 8, slotBytes: 512 });
  const mux = new DeviceMux(device, { capacity: 8, selfDriven: true });
  const lane = mux.lane({ depth: 8, slots: 8 });
  await new Promise<void>((resolve) => {
    let count = 0;
    lane.onCompletion((_tag, result) => {
      expect(result).toBe(512);
      count += 1;
      if (count === 8) {
        resolve();
      }
    });
    for (let each = 0; each < 8; each += 1) {
      lane.submit(write(lane, 512 * each, each, each));
    }
    lane.commit();
  });
  clock.close();
});

it("slots are given out once, and lanes beyond what there is are refused", () => {
  const clock = new VirtualClock();
  const mux = new DeviceMux(synthetic(clock, 4), { capacity: 4, selfDriven: true });
  const a = mux.lane({ depth: 2, slots: 3 });
  const b = mux.lane({ depth: 2, slots: 29 });
  const slots = [a, b].flatMap((lane) => {
    const taken: number[] = [];
    for (let slot = lane.takeSlot(); slot >= 0; slot = lane.takeSlot()) {
      taken.push(slot);
    }
    return taken;
  });
  expect(slots.sort((x, y) => x - y)).toEqual(Array.from({ length: 32 }, (_, at) => at));
  a.giveSlot(0);
  expect(() => a.giveSlot(0)).toThrow("not taken");
  expect(() => mux.lane({ depth: 0, slots: 1 })).toThrow("slots");
  expect(() => mux.lane({ depth: 1, slots: 0 })).toThrow("capacity");
});
