import { describe, expect, test } from "vitest";
import { runCheck } from "../../engine/hot/checks.ts";
import { schedulerChecks } from "../../engine/hot/scheduler/conformance.ts";
import { FifoScheduler } from "../../engine/hot/scheduler/fifo.ts";
import { schedulerOfPlugIn } from "../../engine/hot/scheduler/plug-in.ts";
import {
  openScheduler,
  registerScheduler,
  schedulerKinds,
} from "../../engine/hot/scheduler/registry.ts";
import type { OpScheduler, SchedulerOp } from "../../engine/hot/scheduler/scheduler.ts";

/** A new seed every day finds what yesterday's did not; a failure prints it, OSDYNO_SEED repeats it. */
const seeds = [1, Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000))];

for (const kind of schedulerKinds()) {
  describe(kind.name, () => {
    for (const check of schedulerChecks) {
      for (const seed of seeds) {
        test(`${check.name} (seed ${seed})`, () => {
          const { outcome, reason } = runCheck({ create: kind.create }, check, seed);
          expect(outcome, reason).not.toBe("failed");
          expect(outcome === "skipped", reason).toBe(
            kind.name === "fifo" && /immediate|cut-off/.test(check.name),
          );
        });
      }
    }
  });
}

/** Schedulers with one fault each: a suite that lets them pass proves nothing. */
const planted: Readonly<Record<string, () => OpScheduler>> = {
  "last in, first out": () =>
    new (class extends FifoScheduler {
      override enqueue(item: number): boolean {
        this.enqueueFront(item);
        return true;
      }
    })(),
  "loses every hundredth": () =>
    new (class extends FifoScheduler {
      #count = 0;
      override enqueue(item: number, op: SchedulerOp): boolean {
        this.#count += 1;
        return this.#count % 100 === 0 || super.enqueue(item, op);
      }
    })(),
  "puts back at the end": () =>
    new (class extends FifoScheduler {
      override enqueueFront(item: number): void {
        super.enqueue(item, {
          opClass: 0,
          clientId: 9,
          priority: 0,
          costBytes: 0,
          delta: 0,
          rho: 0,
        });
      }
    })(),
};

describe("planted faults", () => {
  for (const [name, create] of Object.entries(planted)) {
    test(name, () => {
      const failed = schedulerChecks.filter(
        (check) => runCheck({ create }, check, 7).outcome === "failed",
      );
      expect(failed.map((check) => check.name)).not.toEqual([]);
    });
  }
});

test("plug-ins: registered by name, refused with what they lack", () => {
  const context = { open: openScheduler };
  const exported = {
    hotPath: "scheduler",
    name: "mine-fifo",
    describe: "in order",
    create: () => new FifoScheduler(),
  };
  registerScheduler(schedulerOfPlugIn(exported, context, "mine.ts"));
  expect(schedulerKinds().map(({ name }) => name)).toContain("mine-fifo");
  expect(() => registerScheduler(schedulerOfPlugIn(exported, context, "mine.ts"))).toThrow(
    "there is a scheduler named mine-fifo already",
  );
  expect(() => schedulerOfPlugIn({ ...exported, create: 1 }, context, "mine.ts")).toThrow(
    "create is no function",
  );
  expect(() => openScheduler("elevator", {} as never)).toThrow("unknown scheduler elevator");
});
