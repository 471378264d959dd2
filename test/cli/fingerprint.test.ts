/** `osdyno fingerprint`: what a synthetic device is known to do must stand in its profile. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Profile, readProfile } from "../../results/fingerprint/profile.ts";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

function figure(profile: Profile, id: string) {
  const found = profile.figures.find((one) => one.id === id);
  expect(found, id).toBeDefined();
  return found as NonNullable<typeof found>;
}

/** Within a thousandth: the loads end in the middle of what is under way. */
function near(found: number, expected: number): void {
  expect(Math.abs(found / expected - 1)).toBeLessThan(0.001);
}

describe("fingerprint", () => {
  test("of a synthetic device gives the device's own figures, a profile and a portrait", () => {
    const target = "null:?service=50us&channels=8&bw=2g&size=8g";
    const done = place.run(["fingerprint", target, "--out", "p/own.yaml"]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const profile = readProfile(place.path("p/own.yaml"));
    // 50 us each, eight at once, 2 GiB a second.
    near(figure(profile, "read.random.4096.1").iops.median, 20_000);
    near(figure(profile, "write.random.4096.4").iops.median, 80_000);
    near(figure(profile, "read.random.4096.64").iops.median, 160_000);
    near(figure(profile, "read.random.4096.64").latency_ns.mean.median, 400_000);
    near(figure(profile, "read.random.4194304.1").bytes_per_second.median, 2 ** 31);
    expect(profile).toMatchObject({ name: "own", measured: { clock: "virtual" } });
    expect(profile.linux?.io_cost_model).toContain("rrandiops=160000 ");
    expect(done.out).toContain("8.0 times as many");
    const portrait = /portrait: (.*report\.html)/.exec(done.err)?.[1] ?? "";
    const page = readFileSync(place.path(portrait), "utf8");
    expect(page).toContain("modelled");
    expect(page).toContain("160k");
    expect(existsSync(place.path(portrait.replace("report.html", "charts/parallelism.png")))).toBe(
      true,
    );
  });

  test("refuses what has no figures, a file that is not scratch, a budget too small", () => {
    const outcome = (...args: readonly string[]) => {
      const { code, err } = place.run(["fingerprint", ...args]);
      return { code, line: err.trim().split("\n").at(-1) ?? "" };
    };
    expect(outcome("null:")).toMatchObject({
      code: 2,
      line: expect.stringContaining("no figures"),
    });
    expect(outcome("/dev/null")).toMatchObject({ code: 2 });
    expect(outcome("null:?service=1us", "--out", "a.json")).toMatchObject({ code: 2 });
    writeFileSync(place.path("small"), "x");
    expect(outcome("./small")).toMatchObject({ code: 2, line: expect.stringContaining("1 MiB") });
    expect(outcome("./new", "--budget", "1m")).toMatchObject({
      code: 2,
      line: expect.stringContaining("--budget"),
    });
    expect(existsSync(place.path("new"))).toBe(false);
  });
});
