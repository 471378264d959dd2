/**
 * mClock by the path of `osdyno run`, in virtual time: jobs, the scheduler as a layer, its shards, a
 * synthetic device of 8,000 operations a second that three classes saturate. Whatever the layout, each
 * class has what its profile says.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { metric } from "../../results/metrics.ts";
import { performRun } from "../../results/perform.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { plainStack } from "../../workloads/stack.ts";

const root = mkdtempSync(join(tmpdir(), "osdyno-layouts-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const seed = 20_261_121;
const target = "null:?service=100us&iops=8000&size=256m";
const events = { layout() {}, progress() {}, note() {} };
const classes = ["client", "recovery", "best_effort"] as const;

interface Layout {
  readonly shards: number;
  readonly slots: number;
  /** Operations of each class under way. */
  readonly depth: number;
  readonly across?: boolean;
}

/** Shares of client, recovery and best effort. */
async function sharesOf(profile: string, layout: Layout): Promise<number[]> {
  const { shards, slots, depth, across = true } = layout;
  const jobs = classes.map(
    (name) =>
      `[${name}]\nop_class=${name}\nrw=${name === "best_effort" ? "randread" : "randwrite"}`,
  );
  const common = `bs=4k\nsize=256m\nnorandommap\ntime_based\nruntime=3`;
  const text = `[global]\n${common}\niodepth=${depth}\n${jobs.join("\n")}\n`;
  const parsed = parseJobs([{ kind: "file", name: "job", text }], hostEnvironment(), {
    sections: [],
    target,
  });
  const options = {
    osd_op_queue: "mclock_scheduler",
    osd_mclock_profile: profile,
    osd_mclock_max_capacity_iops_ssd: 8000,
    osd_mclock_across_shards: across,
    osd_op_num_shards: shards,
    osd_op_num_threads_per_shard: slots,
  };
  const settings = Object.entries(options).map(([name, value]) => ({
    ...{ name, value: String(value), origin: "test" },
  }));
  const { record, failure } = await performRun({
    parsed,
    directory: join(mkdtempSync(join(root, "run-")), "r"),
    events,
    settings: {
      ...{ command: ["osdyno", "run"], label: "layout", target, path: "engine", clock: "virtual" },
      ...{ seed, destroy: false, live: null, report: false, intervalMs: 1000, thresholds: [] },
      ...{ workingDirectory: root, signal: new AbortController().signal },
      stack: { ...plainStack, settings },
    },
  });
  expect(failure).toBeNull();
  return classes.map((name) => metric(record, `share.${name}`) ?? 0);
}

const off = (found: number | undefined, wanted: number) => Math.abs((found ?? 0) / wanted - 1);

describe("shares of a saturated device, 64 operations of each class under way", () => {
  const profiles = [
    ["high_client_ops", 0.6, 0.4],
    ["balanced", 0.5, 0.5],
    ["high_recovery_ops", 0.3, 0.7],
  ] as const;
  for (const [shards, slots] of [
    [1, 5],
    [5, 1],
    [5, 5],
    [8, 2],
    [16, 2],
  ] as const) {
    test(`${shards} shards, ${slots} operations of each at once`, async () => {
      for (const [profile, client, recovery] of profiles) {
        const found = await sharesOf(profile, { shards, slots, depth: 64 });
        const what = `${profile}: ${found.map((share) => share.toFixed(4))} (seed ${seed})`;
        expect(off(found[0], client), what).toBeLessThan(0.05);
        expect(off(found[1], recovery), what).toBeLessThan(0.05);
        expect(found[2], what).toBeGreaterThan(0);
        expect(found[2], what).toBeLessThan(0.04);
      }
    });
  }

  test("each shard by itself, as in Ceph: what shards do not know of each other costs the client", async () => {
    const apart = { shards: 16, slots: 2, across: false };
    const few = await sharesOf("high_client_ops", { ...apart, depth: 64 });
    expect(few[0], `${few}`).toBeLessThan(0.56);
    const many = await sharesOf("high_client_ops", { ...apart, depth: 256 });
    expect(off(many[0], 0.6), `${many}`).toBeLessThan(0.05);
    expect(off(many[1], 0.4), `${many}`).toBeLessThan(0.05);
  });
});
