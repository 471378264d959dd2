/**
 * Truth tests of shapes in real time, on a quiet machine and in minutes: a device shaped from a fingerprint of
 * this machine's disk gives the disk's own response curve, and built-in shapes over memory give the figures of
 * their profiles, as far as the host is fast enough for them.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { deviations } from "../../results/fingerprint/fit.ts";
import { type Profile, readProfile } from "../../results/fingerprint/profile.ts";
import { readShape } from "../../workloads/shape-profile.ts";
import { Workplace } from "./command.ts";

const campaign = process.env["OSDYNO_CAMPAIGN"] !== undefined;
const minutes = 60_000;

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

function fingerprint(device: string, out: string, ...args: readonly string[]): Profile {
  const done = place.run(["fingerprint", device, "--out", out, ...args]);
  expect(done, done.err).toMatchObject({ code: 0 });
  return readProfile(place.path(out));
}

/** The response curve: 4 KiB at random by operations outstanding, reads and writes. */
function curveOf({ figures }: Profile): Profile["figures"] {
  return figures.filter(
    ({ group, id }) => group === "depth" || /^(read|write)\.random\.4096\.1$/.test(id),
  );
}

function far(wanted: Profile["figures"], found: Profile, tolerance: number) {
  const all = deviations(wanted, found.figures);
  const shown = all.map(({ id, ratio }) => `${id} ${ratio.toFixed(3)}`).join(", ");
  process.stderr.write(`${found.name}: ${shown}\n`);
  return all.filter(({ ratio }) => Math.abs(ratio - 1) > tolerance);
}

describe.runIf(campaign)("in real time", () => {
  test(
    "a shape from a fingerprint of this disk gives its response curve to within a tenth",
    () => {
      const sample = ["--size", "1g", "--sample", "150"];
      const disk = fingerprint(".", "disk.yaml", ...sample, "--budget", "6g");
      const shaped = ["--shape", "disk.yaml", "--clock", "real"];
      const model = fingerprint("null:", "model.yaml", ...sample, ...shaped);
      const curve = curveOf(disk);
      expect(curve.length).toBe(18);
      expect(far(curve, model, 0.1)).toEqual([]);
      // It could fail: a shape of another device does not give this curve.
      const other = ["--shape", "sata-ssd", "--clock", "real", "--rounds", "1"];
      expect(far(curve, fingerprint("null:", "other.yaml", ...sample, ...other), 0.1)).not.toEqual(
        [],
      );
    },
    10 * minutes,
  );

  test.each([
    ["sata-ssd", 0.1],
    ["nvme", 0.1],
    // Few operations a sample scatter there.
    ["hdd-7200", 0.2],
  ] as const)(
    "%s over memory fingerprints to its profile",
    (name, tolerance) => {
      const wanted = readProfile(readShape(name, "/").file).figures;
      const args = ["--shape", name, "--clock", "real", "--size", "1g", "--sample", "100"];
      const found = fingerprint("null:", "found.yaml", ...args, "--rounds", "1");
      // A smaller region has other distances; the host's own limits are not the shape's.
      const slow = wanted.filter(
        ({ iops, group, order }) =>
          iops.median < 100_000 &&
          group !== "mix" &&
          (name !== "hdd-7200" || order === "sequential"),
      );
      expect(slow.length).toBeGreaterThan(4);
      expect(far(slow, found, tolerance)).toEqual([]);
    },
    10 * minutes,
  );
});
