/** `io_unit=object` and `object_mix`: how they are read, refused, planned, and what the stream becomes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { ResolvedJob } from "../../workloads/job/model.ts";
import type { PlannedJob } from "../../workloads/plan-model.ts";
import { planRun } from "../../workloads/planner.ts";
import { jobSpec } from "../../workloads/runner/native-plan.ts";
import { jobOf, refusal } from "./job-support.ts";

const none = { get: 0, put: 0, overwrite: 0, delete: 0, omap: 0 };
const directory = mkdtempSync(join(tmpdir(), "osdyno-objects-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function planned(job: ResolvedJob, target: string | null): readonly PlannedJob[] {
  const plan = planRun([job], { target, path: "native", seed: null, directory });
  return plan.phases.flatMap(({ jobs }) => jobs);
}

const object = ["io_unit=object", "size=1m", "bs=64k"];

describe("object_mix", () => {
  it("is shares in percent", () => {
    const job = jobOf(...object, "object_mix=get:60, put:20,overwrite:10,delete:5,omap:5");
    expect(job.objects).toEqual({ get: 60, put: 20, overwrite: 10, delete: 5, omap: 5 });
    expect(jobOf(...object, "object_mix=put:99.5,omap:0.5").objects).toEqual({
      ...none,
      put: 99.5,
      omap: 0.5,
    });
    expect(jobOf("size=1m").objects).toBeNull();
  });

  it.each([
    ["rw=read", { ...none, get: 100 }],
    ["rw=randwrite", { ...none, put: 100 }],
    ["rw=randtrim", { ...none, delete: 100 }],
    ["rw=randrw", { ...none, get: 50, put: 50 }],
  ])("without it %s says what is done", (rw, mix) => {
    expect(jobOf(...object, rw).objects).toEqual(mix);
  });

  it.each([
    ["object_mix=get:60,put:30", /add up to 90 percent, not to 100/],
    ["object_mix=get:50,get:50", /get is given twice/],
    ["object_mix=get", /expected OPERATION:PERCENT.*get, put, overwrite, delete, omap/],
    ["object_mix=read:100", /expected OPERATION:PERCENT/],
    ["object_mix=get:-5,put:105", /expected OPERATION:PERCENT/],
    ["rw=trimwrite", /rw=trimwrite with io_unit=object: say what is done with object_mix=/],
    ["zonemode=strided", /zonemode is about blocks/],
  ])("%s is refused at its line", (line, message) => {
    expect(refusal(() => jobOf(...object, line))).toMatch(message);
    expect(refusal(() => jobOf(...object, line))).toMatch(/^t\.fio:5: /);
  });

  it("needs io_unit=object, which needs a store", () => {
    expect(refusal(() => jobOf("size=1m", "object_mix=get:100"))).toMatch(
      /^t\.fio:3: object_mix needs io_unit=object/,
    );
    for (const target of [null, "null:", `raw:${join(directory, "f")}`]) {
      expect(refusal(() => planned(jobOf(...object), target))).toMatch(
        /io_unit=object works on a target store:PATH, not on .*; give --target store:PATH/,
      );
    }
  });
});

describe("the plan of objects", () => {
  const target = `store:${join(directory, "s.img")}`;

  it("has as many objects as make up the size, or nrfiles", () => {
    const [bySize] = planned(jobOf(...object, "rw=randwrite"), target);
    expect(bySize?.objects).toEqual({
      first: 0,
      count: 16,
      strideBytes: 65536,
      totalBytes: 1 << 20,
    });
    const [byCount] = planned(jobOf("io_unit=object", "bs=10000", "nrfiles=50"), target);
    expect(byCount?.objects).toMatchObject({ count: 50, strideBytes: 10_000, totalBytes: 614_400 });
    const split = jobOf("io_unit=object", "size=10m", "bssplit=4k/50:60k/50");
    expect(planned(split, target)[0]?.objects).toMatchObject({ count: 320, strideBytes: 61_440 });
  });

  it("gives clones objects of their own with offset_increment", () => {
    const clones = planned(jobOf(...object, "numjobs=3", "offset_increment=1m"), target);
    expect(clones.map(({ objects }) => objects?.first)).toEqual([0, 16, 32]);
  });

  it("refuses more objects than a store has room for", () => {
    const small = `store:${join(directory, "t.img")}?size=64m`;
    expect(refusal(() => planned(jobOf("io_unit=object", "size=1g", "bs=1m"), small))).toMatch(
      /1024 objects take 1073741824 bytes, .* has room for \d+; lower nrfiles= or size=/,
    );
    expect(refusal(() => planned(jobOf("io_unit=object", "size=4k", "bs=1m"), small))).toMatch(
      /smaller than one block|not one object of 1048576 bytes/,
    );
  });

  it("draws objects as places, each an operation, and verifies by itself", () => {
    const job = jobOf(
      "io_unit=object",
      "size=10m",
      "bssplit=4k/50:60k/50",
      "rw=randrw",
      "object_mix=get:50,put:20,overwrite:10,delete:15,omap:5",
      "verify=crc32c",
    );
    const [one] = planned(job, target);
    const spec = jobSpec(one as PlannedJob);
    expect(spec.objects).toBe(true);
    expect(spec.maxBlock).toBe(61_440);
    expect(spec.stream).toMatchObject({
      mix: [50, 35, 15],
      blockAlign: [61_440, 61_440, 61_440],
      randomMap: false,
      numberIos: 320,
      data: { verify: null },
    });
    expect(spec.stream.regions).toEqual([{ offset: 0, size: 320 * 61_440 }]);
    expect(one?.writes).toBe(true);
  });
});
