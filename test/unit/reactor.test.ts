import { describe, expect, it } from "vitest";
import { openBlockDevice } from "../../engine/hot/ioengine/registry.ts";
import { RealClock } from "../../engine/os/clock.ts";
import { Reactor, type ReactorTask } from "../../engine/os/reactor.ts";
import type { BlockDevice, BlockOp } from "../../engine/port/block-device.ts";

const clock = new RealClock();
const read: BlockOp = {
  kind: 0,
  flags: 0,
  offsetBytes: 0,
  lengthBytes: 512,
  slot: 0,
  tag: 0,
};

/** Sends `total` reads, `depth` at a time. */
class Reader implements ReactorTask {
  readonly devices: readonly BlockDevice[];
  readonly nextNs = Number.POSITIVE_INFINITY;
  taken = 0;
  #sent = 0;
  readonly #total: number;

  constructor(device: BlockDevice, total: number) {
    this.devices = [device];
    this.#total = total;
  }

  get done(): boolean {
    return this.taken === this.#total;
  }

  turn(): number {
    const device = this.devices[0] as BlockDevice;
    const count = device.poll(64);
    this.taken += count;
    let sent = 0;
    while (this.#sent < this.#total && device.submit(read)) {
      this.#sent += 1;
      sent += 1;
    }
    device.commit();
    return count + sent;
  }
}

describe("the reactor", () => {
  it("drives several devices to their end, by polling and by parking", async () => {
    for (const pollGapNs of [0, 1e9]) {
      const reactor = new Reactor(clock, { pollGapNs });
      const sizes = { slotBytes: 512, sizeBytes: 4096 };
      const tasks = [1, 2, 7].map(
        (depth) => new Reader(openBlockDevice("memory", { depth, ...sizes }), 500),
      );
      for (const task of tasks) {
        reactor.add(task);
      }
      await reactor.run();
      expect(tasks.map((task) => task.taken)).toEqual([500, 500, 500]);
      for (const task of tasks) {
        task.devices[0]?.close();
      }
    }
  });

  it("gives a turn when the time has come, near or far, and never before", async () => {
    const reactor = new Reactor(clock);
    const late: number[] = [];
    const waits = [10_000, 200_000, 3_000_000, 0];
    const task = {
      devices: [],
      done: false,
      nextNs: clock.nowNs() + 5_000,
      turn(nowNs: number): number {
        if (nowNs < this.nextNs) {
          return 0;
        }
        late.push(nowNs - this.nextNs);
        const wait = waits.shift();
        this.done = wait === undefined;
        this.nextNs = nowNs + (wait ?? 0);
        return 1;
      },
    };
    reactor.add(task);
    await reactor.run();
    expect(late).toHaveLength(5);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  });

  it("ends with the error that a task throws", async () => {
    const reactor = new Reactor(clock);
    reactor.add({
      devices: [],
      done: false,
      nextNs: 0,
      turn: () => {
        throw new Error("broken device");
      },
    });
    await expect(reactor.run()).rejects.toThrow("broken device");
  });

  it("wakes for what no descriptor tells of", async () => {
    const reactor = new Reactor(clock);
    const task = {
      devices: [],
      done: false,
      nextNs: Number.POSITIVE_INFINITY,
      turns: 0,
      turn(): number {
        this.turns += 1;
        return 0;
      },
    };
    reactor.add(task);
    const ended = reactor.run();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const parkedAfter = task.turns;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(task.turns).toBe(parkedAfter);
    task.done = true;
    reactor.wake();
    await ended;
  });
});
