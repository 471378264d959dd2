/** The QoS layer: rates, bursts, six buckets, in virtual time. */
import { expect, test } from "vitest";
import { QosDevice, type QosDeviceOptions } from "../../engine/device/qos.ts";
import { qosOptionsOf } from "../../engine/device/qos-options.ts";
import { SyntheticDevice } from "../../engine/device/synthetic.ts";
import { syntheticDefaults } from "../../engine/device/synthetic-spec.ts";
import { OptionSet } from "../../engine/options/option-set.ts";
import { opKinds } from "../../engine/port/block-device.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";

const mib = 2 ** 20;

/** Operations completed in each second by a user with `depth` under way, reads and writes in turn. */
function perSecond(
  options: QosDeviceOptions,
  seconds: number,
  depth = 16,
  lengthBytes = 4096,
): { readonly reads: number[]; readonly writes: number[] } {
  const clock = new VirtualClock(1e9);
  const spec = { ...syntheticDefaults, size: 64 * mib, serviceNs: 50_000 };
  const inner = new SyntheticDevice({ spec, clock, depth, slotBytes: 65_536, blockBytes: 4096 });
  const device = new QosDevice(inner, clock, options);
  const reads = new Array<number>(seconds).fill(0);
  const writes = new Array<number>(seconds).fill(0);
  const send = (tag: number) => {
    const kind = tag % 2 === 0 ? opKinds.read : opKinds.write;
    expect(device.submit({ kind, flags: 0, offsetBytes: 0, lengthBytes, slot: tag, tag })).toBe(
      true,
    );
  };
  for (let tag = 0; tag < depth; tag += 1) {
    send(tag);
  }
  device.commit();
  const endNs = (1 + seconds) * 1e9;
  while (clock.nowNs() < endNs) {
    const count = device.poll(depth);
    if (count === 0) {
      device.onReady(() => undefined);
      expect(clock.step()).toBe(true);
      continue;
    }
    for (let place = 0; place < count; place += 1) {
      const tag = device.completions.tag[place] as number;
      const second = Math.floor((device.completions.completedNs[place] as number) / 1e9) - 1;
      const row = tag % 2 === 0 ? reads : writes;
      if (second < seconds) {
        row[second] = (row[second] ?? 0) + 1;
      }
      send(tag);
    }
    device.commit();
  }
  return { reads, writes };
}

const plain = (limit: number) => ({ limit, burst: 0, burstSeconds: 1 });
const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0);

test("operations a second are the limit within 2 percent, from 100 to 10,000", () => {
  for (const limit of [100, 333, 1000, 10_000]) {
    const { reads, writes } = perSecond({ limits: { iops: plain(limit) }, tickMinMs: 50 }, 10, 64);
    const rate = (sum(reads) + sum(writes)) / 10;
    expect(Math.abs(rate / limit - 1), `${rate} instead of ${limit}`).toBeLessThan(0.02);
  }
});

test("bytes a second, also with operations larger than a tick's tokens", () => {
  for (const lengthBytes of [4096, 65_536]) {
    const limits = { bps: plain(mib) };
    const { reads, writes } = perSecond({ limits, tickMinMs: 50 }, 20, 16, lengthBytes);
    const rate = ((sum(reads) + sum(writes)) * lengthBytes) / 20;
    expect(Math.abs(rate / mib - 1), `${rate} with ${lengthBytes}`).toBeLessThan(0.02);
  }
});

test("a burst lasts as long as what was saved, then the limit holds", () => {
  // 2,000 for 5 seconds saved up: at 2,000 a second 1,000 are used up each second, so it lasts 10.
  const limits = { iops: { limit: 1000, burst: 2000, burstSeconds: 5 } };
  const { reads, writes } = perSecond({ limits, tickMinMs: 50 }, 14, 64);
  const rates = reads.map((each, second) => each + (writes[second] ?? 0));
  for (const rate of rates.slice(1, 8)) {
    expect(Math.abs(rate / 2000 - 1), rates.join()).toBeLessThan(0.05);
  }
  for (const rate of rates.slice(11)) {
    expect(Math.abs(rate / 1000 - 1), rates.join()).toBeLessThan(0.05);
  }
});

test("reads and writes have buckets of their own; the narrowest decides; what is excluded passes", () => {
  // In one queue, in order: reads wait behind the writes and come at their rate.
  const writes = perSecond({ limits: { write_iops: plain(200) }, tickMinMs: 50 }, 10);
  expect(Math.abs(sum(writes.writes) / 2000 - 1)).toBeLessThan(0.02);
  const both = perSecond(
    { limits: { write_iops: plain(2000), iops: plain(500) }, tickMinMs: 50 },
    10,
  );
  expect(Math.abs((sum(both.reads) + sum(both.writes)) / 5000 - 1)).toBeLessThan(0.02);
  const free = perSecond(
    { limits: { iops: plain(100) }, tickMinMs: 50, exclude: ["read", "write"] },
    1,
  );
  expect(sum(free.reads)).toBeGreaterThan(10_000);
});

test("options: a burst below its limit and unknown operations are refused", () => {
  const options = (settings: Readonly<Record<string, string>>) =>
    qosOptionsOf(
      new OptionSet({
        layers: new Set(["qos"]),
        kind: "ssd",
        settings: Object.entries(settings).map(([name, value]) => ({
          name,
          value,
          origin: "test",
        })),
      }),
    );
  expect(options({ rbd_qos_iops_limit: "100", rbd_qos_iops_burst: "200" }).limits).toEqual({
    iops: { limit: 100, burst: 200, burstSeconds: 1 },
  });
  expect(() => options({ rbd_qos_bps_limit: "2M", rbd_qos_bps_burst: "1M" })).toThrow(
    "rbd_qos_bps_burst=1048576: must not be less than rbd_qos_bps_limit=2097152",
  );
  expect(options({ rbd_qos_exclude_ops: "read,discard" }).exclude).toEqual(["read", "discard"]);
  expect(() => options({ rbd_qos_exclude_ops: "raed" })).toThrow("did you mean read?");
});
