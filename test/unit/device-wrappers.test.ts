import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Fault, FaultDevice } from "../../engine/device/fault.ts";
import { MemoryDevice } from "../../engine/device/memory.ts";
import { SparseMemory } from "../../engine/device/sparse-memory.ts";
import { ThrottleDevice, TokenBucket } from "../../engine/device/throttle.ts";
import { TraceDevice } from "../../engine/device/trace.ts";
import {
  type BlockDevice,
  type BlockOp,
  errnos,
  flagFua,
  type OpKind,
  opKinds,
} from "../../engine/port/block-device.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";

const block = 512;

function memory(clock: VirtualClock, depth = 16): MemoryDevice {
  return new MemoryDevice({ clock, sizeBytes: 64 * block, depth, slotBytes: 8 * block });
}

let tag = 0;

function op(kind: OpKind, at: number, blocks: number, slot = 0): BlockOp {
  tag += 1;
  return { kind, flags: 0, offsetBytes: at * block, lengthBytes: blocks * block, slot, tag };
}

/** Executes one operation in virtual time; `null`: it never completes. */
function execute(device: BlockDevice, clock: VirtualClock, what: BlockOp): number | null {
  expect(device.submit(what)).toBe(true);
  device.commit();
  do {
    if (device.poll(1) === 1) {
      expect(device.completions.tag[0]).toBe(what.tag);
      return device.completions.result[0] as number;
    }
    device.onReady(() => undefined);
  } while (clock.step());
  return null;
}

function slotOf(device: BlockDevice, slot: number): Uint8Array {
  const { bytes, slotBytes } = device.arena;
  return bytes.subarray(slot * slotBytes, (slot + 1) * slotBytes);
}

/** What the blocks 0 ... 3 of the device below hold, as their first bytes. */
function firstBytes(device: BlockDevice, clock: VirtualClock): number[] {
  expect(execute(device, clock, op(opKinds.read, 0, 4, 15))).toBe(4 * block);
  return [0, 1, 2, 3].map((index) => slotOf(device, 15)[index * block] as number);
}

function faulty(...faults: Fault[]) {
  const clock = new VirtualClock();
  const below = memory(clock);
  const device = new FaultDevice(below, faults, clock);
  const write = (at: number, blocks: number, byte: number): number | null => {
    slotOf(device, 0).fill(byte);
    return execute(device, clock, op(opKinds.write, at, blocks));
  };
  return { clock, below, device, write };
}

describe("FaultDevice", () => {
  it("fails the nth of the operations that match, so many times", () => {
    const { device, clock, write } = faulty({
      effect: "error",
      errno: errnos.ENOSPC,
      kinds: [opKinds.write],
      range: { offsetBytes: 2 * block, lengthBytes: block },
      nth: 2,
      times: 2,
    });
    const results = [
      write(2, 1, 1),
      write(0, 2, 1),
      write(1, 2, 1),
      write(2, 1, 1),
      write(2, 1, 1),
    ];
    expect(results).toEqual([block, 2 * block, -errnos.ENOSPC, -errnos.ENOSPC, block]);
    expect(execute(device, clock, op(opKinds.read, 2, 1))).toBe(block);
    expect(device.hitCount).toBe(2);
  });

  it("loses, tears and misdirects writes behind a success", () => {
    const { below, clock, write } = faulty(
      { effect: "lost", kinds: [opKinds.write], nth: 2 },
      { effect: "torn", bytes: block, kinds: [opKinds.write], nth: 3 },
      { effect: "misdirected", offsetBytes: 0, kinds: [opKinds.write], nth: 4 },
    );
    expect(write(0, 4, 1)).toBe(4 * block);
    expect(write(0, 4, 2)).toBe(4 * block);
    expect(firstBytes(below, clock)).toEqual([1, 1, 1, 1]);
    expect(write(1, 2, 3)).toBe(2 * block);
    expect(firstBytes(below, clock)).toEqual([1, 3, 1, 1]);
    expect(write(3, 1, 4)).toBe(block);
    expect(firstBytes(below, clock)).toEqual([4, 3, 1, 1]);
  });

  it("cuts transfers short and says so, down to nothing", () => {
    const { below, clock, write } = faulty(
      { effect: "short", bytes: block, kinds: [opKinds.write] },
      { effect: "short", bytes: 0, kinds: [opKinds.write], nth: 2 },
    );
    expect(write(0, 4, 1)).toBe(block);
    expect(write(0, 4, 2)).toBe(0);
    expect(firstBytes(below, clock)).toEqual([1, 0, 0, 0]);
  });

  it("turns bits of a read over", () => {
    const { device, clock, write } = faulty({
      effect: "flip",
      byte: block,
      mask: 0x81,
      kinds: [opKinds.read],
    });
    write(0, 4, 1);
    expect(firstBytes(device, clock)).toEqual([1, 0x80, 1, 1]);
    expect(firstBytes(device, clock)).toEqual([1, 1, 1, 1]);
  });

  it("latent: a write succeeds, its blocks cannot be read until they are written again", () => {
    const { device, clock, write } = faulty({ effect: "latent", kinds: [opKinds.write] });
    expect(write(0, 2, 1)).toBe(2 * block);
    expect(execute(device, clock, op(opKinds.read, 1, 2))).toBe(-errnos.EIO);
    expect(execute(device, clock, op(opKinds.read, 2, 2))).toBe(2 * block);
    expect(write(1, 1, 2)).toBe(block);
    expect(execute(device, clock, op(opKinds.read, 1, 1))).toBe(block);
    expect(slotOf(device, 0)[0]).toBe(2);
    expect(execute(device, clock, op(opKinds.read, 0, 1))).toBe(-errnos.EIO);
  });

  it("slow: an operation starts so much later, and its service time says so", () => {
    const { device, clock, write } = faulty({
      effect: "slow",
      delayNs: 5_000,
      kinds: [opKinds.write],
    });
    const before = clock.nowNs();
    expect(write(0, 1, 1)).toBe(block);
    expect(clock.nowNs() - before).toBe(5_000);
    const { submittedNs, completedNs } = device.completions;
    expect((completedNs[0] as number) - (submittedNs[0] as number)).toBe(5_000);
  });

  it("holds stuck operations until they are released, and the wait counts", () => {
    const { device, clock } = faulty({ effect: "stuck", kinds: [opKinds.flush] });
    const flush = op(opKinds.flush, 0, 0);
    expect(execute(device, clock, flush)).toBeNull();
    expect(execute(device, clock, op(opKinds.read, 0, 1))).toBe(block);
    expect(device.stuckCount).toBe(1);
    clock.advance(5e6);
    device.release();
    expect(device.poll(8)).toBe(1);
    const { completions } = device;
    expect([completions.tag[0], completions.result[0]]).toEqual([flush.tag, 0]);
    const service = (completions.completedNs[0] ?? 0) - (completions.submittedNs[0] ?? 0);
    expect(service).toBe(5e6);
  });

  it("is full when stuck operations take every place, and recovers", () => {
    const { device } = faulty({ effect: "stuck", kinds: [opKinds.read], times: null });
    for (let index = 0; index < 16; index += 1) {
      expect(device.submit(op(opKinds.read, index, 1, index))).toBe(true);
    }
    expect(device.submit(op(opKinds.flush, 0, 0))).toBe(false);
    device.commit();
    device.release();
    expect(device.poll(99)).toBe(16);
    expect(device.submit(op(opKinds.flush, 0, 0))).toBe(true);
  });
});

describe("TraceDevice", () => {
  it("records what passes, in order, and prints it", () => {
    const clock = new VirtualClock(70);
    const device = new TraceDevice(memory(clock), clock);
    const write = { ...op(opKinds.write, 1, 2, 3), flags: flagFua, tag: 9 };
    const refused = { ...op(opKinds.trim, 99, 1), tag: 8 };
    device.submit(write);
    device.submit(refused);
    device.commit();
    clock.advance(5);
    expect(device.poll(8)).toBe(2);
    expect(device.text()).toBe(
      "70 submit tag=9 write+fua offset=512 length=1024 slot=3\n" +
        "70 submit tag=8 trim offset=50688 length=512 slot=0\n" +
        "70 complete tag=9 result=1024\n" +
        "70 complete tag=8 result=-22\n",
    );
    expect(device.event(2)).toMatchObject({ phase: "complete", tag: 9, result: 1024, kind: null });
    device.clear();
    expect(device.text()).toBe("");
  });

  it("grows to its limit, then counts what it drops", () => {
    const clock = new VirtualClock();
    const device = new TraceDevice(memory(clock), clock, 3000);
    for (let turn = 0; turn < 2000; turn += 1) {
      execute(device, clock, op(opKinds.flush, 0, 0));
    }
    expect([device.eventCount, device.droppedCount]).toEqual([3000, 1000]);
    expect(device.text()).toContain("# 1000 more events were not kept");
  });

  it("does not record what the device did not take", () => {
    const clock = new VirtualClock();
    const device = new TraceDevice(memory(clock, 4), clock);
    for (let index = 0; index < 6; index += 1) {
      device.submit(op(opKinds.flush, 0, 0));
    }
    expect(device.eventCount).toBe(4);
  });
});

/** Operations and bytes that pass a throttle in a second of virtual time, at full depth. */
function saturate(limits: ConstructorParameters<typeof ThrottleDevice>[1], blocks: number) {
  const clock = new VirtualClock();
  const device = new ThrottleDevice(memory(clock), limits, clock);
  const starts: number[] = [];
  for (let slot = 0; slot < 16; slot += 1) {
    device.submit({ ...op(opKinds.read, slot, blocks, slot), tag: slot });
  }
  device.commit();
  while (clock.nowNs() <= 1e9) {
    const count = device.poll(16);
    for (let position = 0; position < count; position += 1) {
      starts.push(device.completions.completedNs[position] as number);
      const slot = device.completions.tag[position] as number;
      device.submit({ ...op(opKinds.read, slot, blocks, slot), tag: slot });
    }
    device.commit();
    if (count === 0) {
      device.onReady(() => undefined);
      expect(clock.step()).toBe(true);
    }
  }
  return starts.filter((time) => time <= 1e9);
}

describe("ThrottleDevice", () => {
  it.each([333.3, 7000, 30_000.7])("lets %d operations a second pass", (iops) => {
    const starts = saturate({ iops }, 1);
    expect(Math.abs(starts.length - iops)).toBeLessThanOrEqual(2);
  });

  it("limits bytes, and both limits together hold", () => {
    const bytes = saturate({ bytesPerSecond: 4e6 }, 4).length * 4 * block;
    // At the end one burst (a slot of 4 KiB) may have been saved up.
    expect(Math.abs(bytes - 4e6)).toBeLessThanOrEqual(8 * block);
    expect(saturate({ bytesPerSecond: 4e6, iops: 500 }, 4).length).toBeLessThanOrEqual(501);
  });

  it("spaces operations evenly without a burst and starts a burst at once with one", () => {
    const even = saturate({ iops: 1000 }, 1).slice(0, 4);
    expect(even).toEqual([0, 1e6, 2e6, 3e6]);
    const burst = saturate({ iops: 1000, burstOps: 3 }, 1).slice(0, 5);
    expect(burst).toEqual([0, 0, 0, 1e6, 2e6]);
  });

  it("does not charge refused operations and lets them pass in order", () => {
    const clock = new VirtualClock();
    const device = new ThrottleDevice(memory(clock), { iops: 1 }, clock);
    for (let turn = 0; turn < 50; turn += 1) {
      expect(execute(device, clock, op(opKinds.read, 999, 1))).toBe(-errnos.EINVAL);
    }
    expect(clock.nowNs()).toBe(0);
  });

  it("counts the wait as service", () => {
    const clock = new VirtualClock();
    const device = new ThrottleDevice(memory(clock), { iops: 1000 }, clock);
    execute(device, clock, op(opKinds.read, 0, 1));
    execute(device, clock, op(opKinds.read, 0, 1));
    const { completions } = device;
    expect((completions.completedNs[0] ?? 0) - (completions.submittedNs[0] ?? 0)).toBe(1e6);
  });

  it("never lets more pass in any window than rate and burst allow", () => {
    const demand = fc.array(fc.tuple(fc.nat(3e6), fc.integer({ min: 1, max: 8 })), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(demand, fc.integer({ min: 1, max: 10 }), (steps, burst) => {
        const bucket = new TokenBucket(1000, burst);
        const taken: { time: number; tokens: number }[] = [];
        let now = 0;
        for (const [gap, asked] of steps) {
          const tokens = Math.min(asked, burst);
          now = Math.max(now + gap, bucket.readyAtNs(tokens));
          bucket.take(now, tokens);
          taken.push({ time: now, tokens });
        }
        for (const [first, from] of taken.entries()) {
          let sum = 0;
          for (const { time, tokens } of taken.slice(first)) {
            sum += tokens;
            expect(sum).toBeLessThanOrEqual(burst + (time - from.time) / 1e6 + 1e-6);
          }
        }
      }),
    );
  });
});

describe("SparseMemory", () => {
  it("agrees with a plain array, also across pages", () => {
    const size = 200_000;
    const step = fc.record({
      what: fc.constantFrom("write", "zero"),
      offset: fc.nat(size - 1),
      length: fc.integer({ min: 1, max: 140_000 }),
      byte: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const sparse = new SparseMemory();
        const plain = new Uint8Array(size);
        for (const { what, offset, length: asked, byte } of steps) {
          const length = Math.min(asked, size - offset);
          if (what === "write") {
            sparse.write(offset, new Uint8Array(length).fill(byte));
            plain.fill(byte, offset, offset + length);
          } else {
            sparse.zero(offset, length);
            plain.fill(0, offset, offset + length);
          }
        }
        const read = new Uint8Array(size).fill(7);
        sparse.read(0, read);
        expect(Buffer.compare(read, plain)).toBe(0);
        sparse.zero(0, 4 * 65_536);
        expect(sparse.usedBytes).toBe(0);
      }),
      { numRuns: 40 },
    );
  });
});
