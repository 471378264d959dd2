/** `osdyno run` on an object store, as a user types it. */
import { truncateSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const common = ["run", "--no-report", "--no-progress", "--out=r"];
const fill = ["--name=fill", "--rw=randwrite", "--bs=4k", "--size=8m", "--iodepth=16"];

describe("store:PATH", () => {
  test("a job file runs unchanged; a second run finds its data there", () => {
    const target = `--target=store:${place.path("s.img")}?size=256m`;
    const wrote = place.run([...common, target, ...fill, "--verify=crc32c", "--do_verify=0"]);
    expect(wrote.err).not.toContain("osdyno:");
    expect(wrote.code).toBe(0);
    expect(place.record("r").jobs[0]).toMatchObject({ write: { total_ios: 2048 } });
    const check = [...fill, "--verify=crc32c", "--verify_only"];
    const found = place.run([...common, `--target=store:${place.path("s.img")}`, ...check]);
    expect(found.err).not.toContain("osdyno:");
    expect(found.code).toBe(0);
    expect(place.record("r").target).toBe(`store:${place.path("s.img")}`);
  });

  test("without size= it is as large as the job needs, with room for metadata", () => {
    const { code } = place.run([...common, "--target=store:s.img", "--name=a", "--size=96m"]);
    expect(code).toBe(0);
    const more = place.run([...common, "--target=store:s.img", "--name=a", "--size=200m"]);
    expect(more.code).toBe(2);
    expect(more.err).toMatch(/the volume of store:.* has \d+ bytes, the job wants 209715200/);
  });

  test("a file that is something else is refused", () => {
    place.write("s.img", "not a store");
    truncateSync(place.path("s.img"), 1 << 20);
    const { code, err } = place.run([...common, "--target=store:s.img", ...fill]);
    expect(code).toBe(4);
    expect(err).toMatch(/^osdyno: will not write to .*s\.img: /m);
  });

  test.each([
    ["store:", "a path must follow store:"],
    ["store:x?bluestore_alocator=avl", "did you mean bluestore_allocator?"],
    ["store:x?osd_op_queue=wpq", "acts on the op scheduler"],
    ["store:x?size=1k", "size=1k: must be"],
    ["store:x?size", "expected NAME=VALUE"],
  ])("%s is bad input", (target, message) => {
    const { code, err } = place.run([...common, `--target=${target}`, ...fill]);
    expect(err).toContain(message);
    expect(code).toBe(2);
    expect(place.files()).toEqual([]);
  });
});
