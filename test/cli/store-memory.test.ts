/**
 * A store whose working set exceeds `osd_memory_target`, in a process of its own: resident memory stays
 * within the target and a quarter. In the campaign; `npm test` checks the caches' own figures
 * (`test/conformance/bluestore-memory.test.ts`).
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Workplace } from "./command.ts";

const campaign = process.env["OSDYNO_CAMPAIGN"] !== undefined;
const launcher = fileURLToPath(new URL("../../cli/osdyno.mjs", import.meta.url));
const gib = 2 ** 30;

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

/** Reads of blocks, and gets, puts and omap of many small objects. */
const workloads: Readonly<Record<string, readonly string[]>> = {
  blocks: ["--rw=randread", "--bs=64k", "--size=2560m", "--random_distribution=zipf:0.5"],
  objects: [
    "--io_unit=object",
    "--rw=randrw",
    "--object_mix=get:60,put:20,omap:20",
    "--bs=8k",
    "--size=1200m",
  ],
};

for (const [name, job] of Object.entries(workloads)) {
  test.runIf(campaign)(
    `${name} beyond the target: resident memory`,
    () => {
      const target = `--target=store:${place.path("m.img")}?size=4g`;
      const memory = ["--set", `osd_memory_target=${gib}`];
      const limit = ["--threshold", `rss_bytes < ${1.25 * gib}`];
      const time = ["--iodepth=16", "--runtime=120", "--time_based"];
      const args = ["run", "--no-report", "--no-progress", "--out=r", target, ...memory, ...limit];
      const { status, stderr } = spawnSync(
        process.execPath,
        [launcher, ...args, `--name=${name}`, ...job, ...time],
        { cwd: place.root, env: place.environment(), encoding: "utf8" },
      );
      expect(stderr).not.toContain("osdyno:");
      expect(status).toBe(0);
      const counters = place.record("r").osdyno.counters as Record<string, number>;
      const evicted = ["bluestore.buffer_evictions", "bluestore.onode_evictions"];
      expect(evicted.reduce((sum, each) => sum + (counters[each] ?? 0), 0)).toBeGreaterThan(1000);
      expect(counters["bluestore-pricache.target_bytes"]).toBe(gib);
    },
    1_200_000,
  );
}
