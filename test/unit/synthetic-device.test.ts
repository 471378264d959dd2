import { describe, expect, it } from "vitest";
import { SyntheticDevice, SyntheticModel } from "../../engine/device/synthetic.ts";
import { parseNullTarget, syntheticDefaults } from "../../engine/device/synthetic-spec.ts";
import { RealClock } from "../../engine/os/clock.ts";
import { type BlockOp, errnos, opKinds } from "../../engine/port/block-device.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";

const geometry = { depth: 32, slotBytes: 4096 };

function read(tag: number): BlockOp {
  return {
    kind: opKinds.read,
    flags: 0,
    offsetBytes: 4096 * tag,
    lengthBytes: 4096,
    slot: tag,
    tag,
  };
}

describe("SyntheticDevice", () => {
  it("gives the same service times on the real and on the virtual clock", async () => {
    const spec = {
      ...syntheticDefaults,
      serviceNs: 200_000,
      jitter: "exp" as const,
      channels: 4,
      iops: 40_000,
      seed: 5,
    };
    const clock = new RealClock();
    const real = new SyntheticDevice({ spec, clock, ...geometry });
    const service = new Map<number, number>();
    const arrivals: { tag: number; atNs: number }[] = [];
    for (let tag = 0; tag < 24; tag += 1) {
      expect(real.submit(read(tag))).toBe(true);
      if (tag % 3 === 2) {
        real.commit();
        await new Promise<void>((resolve) => real.onReady(resolve));
      }
    }
    while (service.size < 24) {
      const count = real.poll(64);
      const { tag, submittedNs, completedNs } = real.completions;
      for (let position = 0; position < count; position += 1) {
        const atNs = submittedNs[position] as number;
        service.set(tag[position] as number, (completedNs[position] as number) - atNs);
        arrivals.push({ tag: tag[position] as number, atNs });
      }
      if (service.size < 24 && count === 0) {
        await new Promise<void>((resolve) => real.onReady(resolve));
      }
    }
    expect(clock.nowNs()).toBeGreaterThan(0);

    const virtualClock = new VirtualClock();
    const virtual = new SyntheticDevice({ spec, clock: virtualClock, ...geometry });
    arrivals.sort((a, b) => a.tag - b.tag);
    const startNs = arrivals[0]?.atNs ?? 0;
    for (const { tag, atNs } of arrivals) {
      virtualClock.advanceTo(atNs - startNs);
      virtual.submit(read(tag));
      virtual.commit();
    }
    virtualClock.advance(1e9);
    expect(virtual.poll(64)).toBe(24);
    for (let position = 0; position < 24; position += 1) {
      const { tag, submittedNs, completedNs } = virtual.completions;
      const took = (completedNs[position] as number) - (submittedNs[position] as number);
      expect(took).toBe(service.get(tag[position] as number));
    }
  });

  it("shows a stall to those who ask for response times", () => {
    const spec = parseNullTarget("null:?service=13us&stall_at=3s&stall_for=1s");
    const clock = new VirtualClock();
    const device = new SyntheticDevice({
      spec: spec ?? syntheticDefaults,
      clock,
      depth: 2000,
      slotBytes: 512,
      slotCount: 4,
    });
    const responses: number[] = [];
    const drain = (): void => {
      const count = device.poll(2000);
      for (let position = 0; position < count; position += 1) {
        const intendedNs = (device.completions.tag[position] as number) * 1e6;
        responses.push((device.completions.completedNs[position] as number) - intendedNs);
      }
    };
    for (let turn = 0; turn < 8000; turn += 1) {
      clock.advanceTo(turn * 1e6);
      drain();
      expect(device.submit({ ...read(0), tag: turn, lengthBytes: 512 })).toBe(true);
      device.commit();
    }
    clock.advance(2e9);
    drain();
    responses.sort((a, b) => a - b);
    expect(responses).toHaveLength(8000);
    const percentile = (share: number): number => responses[Math.ceil(share * 8000) - 1] as number;
    expect(Math.abs(percentile(0.99) / 922e6 - 1)).toBeLessThan(0.02);
    expect(Math.abs(percentile(0.999) / 993e6 - 1)).toBeLessThan(0.02);
    const mean = responses.reduce((sum, value) => sum + value, 0) / 8000;
    expect(Math.abs(mean / 63e6 - 1)).toBeLessThan(0.02);
  });

  it("fails operations at its error rate without touching the data", () => {
    const clock = new VirtualClock();
    const spec = { ...syntheticDefaults, errorRate: 0.5, seed: 3 };
    const device = new SyntheticDevice({ spec, clock, data: true, ...geometry });
    const held = new Map<number, number>();
    for (let round = 1; round < 200; round += 1) {
      device.arena.bytes.fill(round);
      device.submit({ ...read(round % 4), kind: opKinds.write, slot: 0 });
      device.commit();
      device.poll(1);
      const result = device.completions.result[0] as number;
      expect([4096, -errnos.EIO]).toContain(result);
      if (result > 0) {
        held.set(round % 4, round);
      }
    }
    expect(held.size).toBe(4);
    for (const [block, byte] of held) {
      let result = -1;
      while (result < 0) {
        device.submit({ ...read(block), slot: 1 });
        device.commit();
        device.poll(1);
        result = device.completions.result[0] as number;
      }
      expect(device.arena.bytes[4096]).toBe(byte);
    }
  });

  it("refuses a specification that describes no device", () => {
    const endless = { ...syntheticDefaults, stallAtNs: 0, stallForNs: 5, stallEveryNs: 5 };
    expect(() => new SyntheticModel(endless)).toThrow("never works again");
    expect(() => new SyntheticModel({ ...syntheticDefaults, iops: 0 })).toThrow("above 0");
    const model = new SyntheticModel(syntheticDefaults);
    expect(() => model.admit(new Float64Array(5), 2)).toThrow("do not fit");
  });
});
