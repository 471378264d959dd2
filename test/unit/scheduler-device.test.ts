/** The scheduler as a layer over a device, in virtual time: places to run, shards, changes at run time. */
import { expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { DeviceShare } from "../../engine/device/share.ts";
import { SyntheticDevice } from "../../engine/device/synthetic.ts";
import { syntheticDefaults } from "../../engine/device/synthetic-spec.ts";
import { openSchedulerDevice } from "../../engine/hot/scheduler/options.ts";
import { OptionSet } from "../../engine/options/option-set.ts";
import { type BlockDevice, type BlockOp, opKinds } from "../../engine/port/block-device.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";

const objectBytes = 4 * 2 ** 20;
const objects = 64;
const depth = 48;

/** Counts what is under way below. */
class Meter {
  most = 0;
  #now = 0;

  over(device: BlockDevice): BlockDevice {
    const submit = device.submit.bind(device);
    const poll = device.poll.bind(device);
    return Object.assign(Object.create(device) as BlockDevice, {
      submit: (op: BlockOp) => {
        const taken = submit(op);
        this.#now += taken ? 1 : 0;
        this.most = Math.max(this.most, this.#now);
        return taken;
      },
      poll: (max: number) => {
        const count = poll(max);
        this.#now -= count;
        return count;
      },
      commit: () => device.commit(),
      onReady: (callback: () => void) => device.onReady(callback),
      close: () => device.close(),
    });
  }
}

function stack(settings: Readonly<Record<string, string>>) {
  const clock = new VirtualClock(1e9);
  const spec = { ...syntheticDefaults, size: objects * objectBytes, serviceNs: 50_000, iops: 8000 };
  const meter = new Meter();
  const bottom = new SyntheticDevice({ spec, clock, depth, slotBytes: 4096, blockBytes: 4096 });
  const options = new OptionSet({
    layers: new Set(["scheduler"]),
    kind: "ssd",
    settings: Object.entries(settings).map(([name, value]) => ({ name, value, origin: "test" })),
  });
  const random = new SeededRandom(7);
  const device = openSchedulerDevice(meter.over(bottom), options, { clock, random, depth });
  return { clock, device, meter, options };
}

/** Two jobs, a client and recovery, always with all they may under way; operations that each completed. */
function drive({ clock, device }: ReturnType<typeof stack>, seconds: number): [number, number] {
  const share = new DeviceShare(device, depth);
  const random = new SeededRandom(11);
  const done: [number, number] = [0, 0];
  const send = (view: BlockDevice, opClass: number, tag: number) => {
    const offsetBytes = random.below((objects * objectBytes) / 4096) * 4096;
    const op = { kind: opKinds.write, flags: 0, offsetBytes, lengthBytes: 4096, slot: tag, tag };
    expect(view.submit({ ...op, opClass, clientId: 1 })).toBe(true);
  };
  const views = [0, 1].map(() => share.view(depth / 2));
  for (const [opClass, view] of views.entries()) {
    for (let tag = 0; tag < depth / 2; tag += 1) {
      send(view, opClass, tag);
    }
    view.commit();
  }
  const endNs = clock.nowNs() + seconds * 1e9;
  while (clock.nowNs() < endNs) {
    let count = 0;
    for (const [opClass, view] of views.entries()) {
      const own = view.poll(depth);
      for (let place = 0; place < own; place += 1) {
        done[opClass as 0 | 1] += 1;
        send(view, opClass, view.completions.tag[place] as number);
      }
      if (own > 0) {
        view.commit();
      }
      count += own;
    }
    if (count === 0) {
      for (const view of views) {
        view.onReady(() => undefined);
      }
      expect(clock.step()).toBe(true);
    }
  }
  return done;
}

test("no more run below than shards times places, and as many when enough wait", () => {
  for (const [shards, slots] of [
    [1, 1],
    [2, 3],
    [8, 2],
  ] as const) {
    const made = stack({
      osd_op_queue: "fifo",
      osd_op_num_shards: String(shards),
      osd_op_num_threads_per_shard: String(slots),
    });
    drive(made, 1);
    expect(made.meter.most).toBe(shards * slots);
  }
});

test("defaults by kind of device: 8 shards of 2 on flash", () => {
  const made = stack({ osd_op_queue: "fifo" });
  drive(made, 1);
  expect(made.meter.most).toBe(16);
});

test("another profile takes effect while operations wait", () => {
  const made = stack({
    osd_op_queue: "mclock_scheduler",
    osd_mclock_profile: "high_client_ops",
    osd_mclock_max_capacity_iops_ssd: "8000",
    osd_op_num_shards: "1",
    osd_op_num_threads_per_shard: "4",
  });
  const share = ([client, recovery]: [number, number]) => client / (client + recovery);
  expect(Math.abs(share(drive(made, 4)) - 0.6)).toBeLessThan(0.03);
  const other = stack({ osd_mclock_max_capacity_iops_ssd: "8000", osd_op_num_shards: "1" });
  other.options.change({ name: "osd_mclock_profile", value: "high_recovery_ops", origin: "test" });
  expect(Math.abs(share(drive(other, 4)) - 0.3)).toBeLessThan(0.03);
  expect(() => made.options.change({ name: "osd_op_queue", value: "wpq", origin: "test" })).toThrow(
    "takes effect at the next start only",
  );
});
