/**
 * The class that `osd_op_queue=mclock_scheduler` selects, in virtual time: the scenarios of the dmClock
 * project, and shares of the profiles beside an independent calculation.
 */
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { mclockProfiles, type QosShares, qosPlanOf } from "../../engine/hot/scheduler/qos.ts";
import { openScheduler } from "../../engine/hot/scheduler/registry.ts";
import {
  blankSchedulerOp,
  cutOffs,
  type OpClass,
  opClasses,
} from "../../engine/hot/scheduler/scheduler.ts";
import { type ClientGroup, MclockWorld, type Scenario } from "./mclock-world.ts";

const seed = 20_261_121;

function near(rate: number, wanted: number, what: string): void {
  const off = Math.abs(rate / wanted - 1);
  expect(off, `${what}: ${rate.toFixed(1)}, wanted ${wanted} (seed ${seed})`).toBeLessThan(0.05);
}

const qos = (reservation: number, weight: number, limit: number) => ({
  reservation,
  weight,
  limit,
});

describe("scenarios of the dmClock project", () => {
  test("one server of 160 a second, hard limits", () => {
    const group = (startS: number, of: ClientGroup["qos"], cost = 1): ClientGroup => ({
      count: 1,
      startS,
      ops: 2000,
      iopsGoal: 200,
      window: 32,
      qos: of,
      cost,
    });
    const world = new MclockWorld({
      servers: 1,
      serverIops: 160,
      atLimit: "wait",
      seconds: 40,
      seed,
      clients: [
        group(0, qos(0, 1, 0)),
        group(5, qos(0, 1, 40)),
        group(10, qos(0, 2, 50)),
        group(10, qos(0, 2, 50), 3),
      ],
    }).run();
    near(world.rate(0, 1, 5), 160, "client 0 alone");
    near(world.rate(0, 6, 10), 120, "client 0 beside client 1");
    near(world.rate(1, 6, 10), 40, "client 1");
    near(world.rate(0, 12, 19), 53.3, "client 0 beside all");
    near(world.rate(1, 12, 19), 40, "client 1 beside all");
    near(world.rate(2, 12, 19), 50, "client 2");
    near(world.rate(3, 12, 19), 50 / 3, "client 3, whose requests cost three");
    // Client 0 has sent its 2,000: what it leaves is not used, for limits are hard.
    const doneS = (world.completed[0] ?? []).findLastIndex((each) => each > 0) + 1;
    expect(doneS).toBeLessThan(34);
    near(world.rate(1, doneS + 1, 39), 40, "client 1 after client 0");
    near(world.rate(2, doneS + 1, 39), 50, "client 2 after client 0");
    near(world.rate(3, doneS + 1, 39), 50 / 3, "client 3 after client 0");
    expect(world.counts.limitBreaks).toBe(0);
  });

  test("the hundredth client comes late and has its share at once", () => {
    const clients = { iopsGoal: 50, window: 100, servers: 10, qos: qos(20, 1, 60) } as const;
    const world = new MclockWorld({
      servers: 100,
      serverIops: 40,
      atLimit: "allow",
      seconds: 20,
      seed,
      clients: [
        { ...clients, count: 99 },
        { ...clients, count: 1, startS: 10 },
      ],
    }).run();
    const others = Array.from({ length: 99 }, (_, id) => world.rate(id, 11, 20));
    const mean = others.reduce((sum, each) => sum + each, 0) / 99;
    near(mean, 40, "the mean of the others: 4,000 a second by 100 clients");
    expect(world.rate(99, 11, 20), `the late client (seed ${seed})`).toBeGreaterThan(0.95 * mean);
    expect(world.rate(99, 10, 11)).toBeGreaterThan(0.75 * mean);
  });

  test("8 servers, 6 clients in three groups, soft limits: goals are reached", () => {
    const clients = { count: 2, iopsGoal: 200, window: 32, servers: 8 } as const;
    const world = new MclockWorld({
      servers: 8,
      serverIops: 160,
      atLimit: "allow",
      seconds: 16,
      seed,
      clients: [
        { ...clients, qos: qos(0, 1, 0) },
        { ...clients, startS: 5, qos: qos(20, 1, 40) },
        { ...clients, startS: 10, qos: qos(0, 2, 50) },
      ],
    }).run();
    // 1,200 wanted of 1,280: nobody is held back although limits say 40 and 50.
    for (let id = 0; id < 6; id += 1) {
      near(world.rate(id, 11, 16), 200, `client ${id}`);
    }
    expect(world.counts.limitBreaks).toBeGreaterThan(0);
  });

  test("100 servers, 100 clients with a reservation of 100: capacity shared evenly", () => {
    const clients = { iopsGoal: 200, window: 32, servers: 100, qos: qos(100, 1, 0) } as const;
    const scenario: Scenario = {
      servers: 100,
      serverIops: 160,
      atLimit: "allow",
      seconds: 8,
      seed,
      clients: [
        { ...clients, count: 99 },
        { ...clients, count: 1, startS: 4 },
      ],
    };
    const world = new MclockWorld(scenario).run();
    const others = Array.from({ length: 99 }, (_, id) => world.rate(id, 5, 8));
    const mean = others.reduce((sum, each) => sum + each, 0) / 99;
    near(mean, 160, "the mean of the others: 16,000 a second by 100 clients");
    expect(Math.min(...others), `the least of all (seed ${seed})`).toBeGreaterThan(140);
    // It starts at the smallest weight tag of each server, so it has more than its share for a while.
    expect(world.rate(99, 5, 8), `the late client (seed ${seed})`).toBeGreaterThan(0.95 * mean);
  });
});

/** Operations always waiting of each class, on a device of one shard; what is served a second. */
function served(
  profile: keyof typeof mclockProfiles | QosShares,
  classes: readonly OpClass[],
  deviceIops: number,
): readonly [client: number, recovery: number, bestEffort: number] {
  const shares = typeof profile === "string" ? mclockProfiles[profile] : profile;
  const queue = openScheduler("mclock_scheduler", {
    random: new SeededRandom(seed),
    cutOff: cutOffs.high,
    plan: qosPlanOf(shares, { ...capacity, shards: 1 }),
  });
  const counts: [number, number, number] = [0, 0, 0];
  const op = { ...blankSchedulerOp(), costBytes: 4096 };
  const add = (item: number, nowNs: number) => {
    op.opClass = classes[item % classes.length] as OpClass;
    queue.enqueue(item, op, nowNs);
  };
  const seconds = 30;
  for (let item = 0; item < 8 * classes.length; item += 1) {
    add(item, 0);
  }
  for (let nowNs = 0; nowNs < seconds * 1e9; ) {
    const item = queue.dequeue(nowNs);
    if (item < 0) {
      nowNs = queue.wakeNs;
      continue;
    }
    const opClass = classes[item % classes.length] as 0 | 1 | 2;
    counts[opClass] += 1 / seconds;
    nowNs += 1e9 / deviceIops;
    add(item, nowNs);
  }
  return counts;
}

const capacity = { iops: 1000, bandwidth: 100e6 };
const { client, recovery, bestEffort } = opClasses;
const profiles = Object.keys(mclockProfiles) as (keyof typeof mclockProfiles)[];

/**
 * What each class should have of a device of `iops`: shares in proportion to the weights, but none below
 * its reservation or above its limit; found by halving, without tags.
 */
function fairShares(shares: QosShares, iops: number): number[] {
  const rows = [shares.client, shares.recovery, shares.bestEffort].map((row) => ({
    low: row.reservation * capacity.iops,
    high: row.limit === 0 ? Number.POSITIVE_INFINITY : row.limit * capacity.iops,
    weight: row.weight,
  }));
  const at = (level: number) =>
    rows.map(({ low, high, weight }) => Math.min(Math.max(level * weight, low), high));
  let [below, above] = [0, 10 * iops];
  for (let step = 0; step < 60; step += 1) {
    const level = (below + above) / 2;
    if (at(level).reduce((sum, each) => sum + each, 0) > iops) {
      above = level;
    } else {
      below = level;
    }
  }
  return at(below);
}

describe("shares of a saturated device", () => {
  for (const profile of profiles) {
    for (const deviceIops of [1000, 1300, 2000]) {
      test(`${profile}, capacity 1000, device ${deviceIops}`, () => {
        const found = served(profile, [client, recovery, bestEffort], deviceIops);
        const wanted = fairShares(mclockProfiles[profile], deviceIops);
        for (const opClass of [client, recovery, bestEffort] as const) {
          const off = Math.abs((found[opClass] as number) - (wanted[opClass] as number));
          expect(off / deviceIops, `${opClass}: ${found} instead of ${wanted}`).toBeLessThan(0.05);
          expect(found[opClass], `${opClass} starves`).toBeGreaterThan(0);
        }
      });
    }
  }

  test("a device slower than its capacity says: reservations shrink in proportion", () => {
    const found = served("high_client_ops", [client, recovery, bestEffort], 500);
    near(found[client], 300, "client");
    near(found[recovery], 200, "recovery");
    expect(found[bestEffort]).toBeGreaterThan(0);
  });

  test("clients keep their reservation; another profile shifts the shares: 60, 50, 30 percent", () => {
    const shares = profiles.map((profile) => served(profile, [client, recovery], 1000)[client]);
    expect(shares.map((share) => Math.round(share / 10))).toEqual([60, 50, 30]);
  });

  test("recovery alone has all of the device; best effort alone what its limit says", () => {
    for (const profile of profiles) {
      near(served(profile, [recovery], 1000)[recovery], 1000, "recovery alone");
    }
    const alone = profiles.map((profile) => served(profile, [bestEffort], 1000)[bestEffort]);
    near(alone[0] ?? 0, 700, "best effort alone, high_client_ops");
    near(alone[1] ?? 0, 900, "best effort alone, balanced");
    near(alone[2] ?? 0, 1000, "best effort alone, high_recovery_ops");
  });

  test("work conserving unless a limit binds", () => {
    for (const profile of profiles) {
      for (const classes of [[client], [recovery], [client, bestEffort], [recovery, bestEffort]]) {
        const all = served(profile, classes, 1000).reduce((sum, each) => sum + each, 0);
        near(all, 1000, `${profile}, classes ${classes}`);
      }
    }
  });

  test("random shares, weights and limits, beside the calculation", () => {
    const random = new SeededRandom(seed);
    for (let turn = 0; turn < 40; turn += 1) {
      const reservations = [random.unit(), random.unit(), random.unit()].map((each) => each / 3);
      const row = (place: number) => ({
        reservation: reservations[place] as number,
        weight: 1 + random.below(4),
        limit: random.below(2) === 0 ? 0 : Math.min(1, (reservations[place] as number) + 0.3),
      });
      const shares = { client: row(0), recovery: row(1), bestEffort: row(2) };
      const found = served(shares, [client, recovery, bestEffort], 1000);
      for (const [place, wanted] of fairShares(shares, 1000).entries()) {
        const off = Math.abs((found[place] as number) - wanted) / 1000;
        const what = `turn ${turn}, seed ${seed}: ${found} for ${JSON.stringify(shares)}`;
        expect(off, what).toBeLessThan(0.05);
      }
    }
  });

  test("large operations are charged by size, small ones as one random operation", () => {
    const plan = qosPlanOf(mclockProfiles.balanced, { iops: 1000, bandwidth: 100e6, shards: 4 });
    expect(plan.costPerIo).toBe(100_000);
    expect(plan.client.reservation).toBe(12.5e6);
    expect(plan.bestEffort.limit).toBe(22.5e6);
    expect(plan.recovery.limit).toBe(0);
    // Ceph's figures: 499,322 bytes for disks, 58,525 for flash.
    const costOf = (iops: number, mib: number) =>
      qosPlanOf(mclockProfiles.balanced, { iops, bandwidth: mib * 2 ** 20, shards: 1 }).costPerIo;
    expect(Math.floor(costOf(315, 150))).toBe(499_321);
    expect(Math.floor(costOf(21_500, 1200))).toBe(58_525);
  });
});
