/** A store's file has holes: the file system below it may be full before the store is. */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keyValueEngines } from "../../engine/hot/kv/registry.ts";
import { Workplace } from "./command.ts";

let place: Workplace;
let mounted = false;
const small = () => place.path("small");

beforeEach(() => {
  place = new Workplace();
  mkdirSync(small());
  const options = ["-t", "tmpfs", "-o", "size=100m", "tmpfs", small()];
  mounted = spawnSync("mount", options).status === 0;
});
afterEach(() => {
  if (mounted) {
    // What a ring of the ended process still holds goes with it.
    spawnSync("umount", ["-l", small()]);
  }
  place.remove();
});

const engines = keyValueEngines().filter(
  ({ name, unavailable }) => name !== "memory" && unavailable === null,
);
const common = ["run", "--no-report", "--no-progress", "--out=r", "--name=a", "--bs=64k"];

describe("a full file system below a store", () => {
  test("a store larger than all of it is refused, and not made", (context) => {
    context.skip(!mounted, "only root may mount");
    for (const more of [[], ["--dry-run"]]) {
      const target = `--target=store:${small()}/s.img?size=600m`;
      const { code, err } = place.run([...common, ...more, target, "--rw=write", "--size=30m"]);
      expect(code).toBe(2);
      expect(err).toMatch(
        /s\.img would be 629145600 bytes long, the whole file system has 104857600; give it a size=/,
      );
      expect(place.exists("small", "s.img")).toBe(false);
    }
  });

  test.for(engines.map(({ name }) => name))(
    "on %s ends with what is full, and what was measured is kept",
    (kv, context) => {
      context.skip(!mounted, "only root may mount");
      place.write("small/other", new Uint8Array(40 << 20));
      const target = `--target=store:${small()}/s.img?size=96m&bluestore_kvbackend=${kv}`;
      const { code, out, err } = place.run([...common, target, "--rw=write", "--size=70m"]);
      expect(out).toMatch(/s\.img may grow by \d+ bytes, their file system has \d+ free/);
      expect(code).toBe(1);
      expect(err).toMatch(
        /osdyno: job a: .*the file system of .*s\.img is full \(\d+ bytes free\)/,
      );
      const record = place.record("r");
      expect(record.state).toBe("partial");
      expect(record.osdyno.totals.write?.ios).toBeGreaterThan(100);
      expect(record.osdyno.counters?.["volume.writes"]).toBeGreaterThan(100);
    },
  );
});

test("a store that is full itself is named with what it has free", () => {
  const target = "--target=store:s.img?size=64m&bluestore_kvbackend=waltree";
  const unit = "--set=bluestore_min_alloc_size=64k";
  const job = ["--rw=write", "--io_unit=object", "--bs=4k", "--size=8m"];
  const { code, err } = place.run([...common, target, unit, ...job]);
  expect(code).toBe(1);
  expect(err).toMatch(/ENOSPC\); .*s\.img has \d+ of 67108864 bytes free/);
});
