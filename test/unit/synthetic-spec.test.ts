import { describe, expect, it } from "vitest";
import { OsdynoError } from "../../engine/base/error.ts";
import { parseNullTarget, syntheticDefaults } from "../../engine/device/synthetic-spec.ts";

function refusal(text: string): string {
  try {
    parseNullTarget(text);
  } catch (error) {
    expect(error).toBeInstanceOf(OsdynoError);
    expect((error as OsdynoError).code).toBe("bad-input");
    return (error as OsdynoError).message;
  }
  throw new Error(`${text} was accepted`);
}

describe("parseNullTarget", () => {
  it("reads every parameter", () => {
    const text =
      "null:?service=50us&jitter=exp&stall_at=3s&stall_for=1s&stall_every=10s&error_rate=0.001" +
      "&iops=20000&bw=500m&channels=8&size=1g&seed=42";
    expect(parseNullTarget(text)).toEqual({
      serviceNs: 50_000,
      jitter: "exp",
      stallAtNs: 3e9,
      stallForNs: 1e9,
      stallEveryNs: 10e9,
      errorRate: 0.001,
      iops: 20_000,
      bandwidth: 500 * 2 ** 20,
      channels: 8,
      size: 2 ** 30,
      seed: 42,
    });
  });

  it("gives the null engine for the bare scheme and defaults for what is left out", () => {
    expect(parseNullTarget("null:")).toBeNull();
    expect(parseNullTarget("null:?service=1.5ms")).toEqual({
      ...syntheticDefaults,
      serviceNs: 1_500_000,
    });
    expect(parseNullTarget("null:?error_rate=0.1%")?.errorRate).toBeCloseTo(0.001, 12);
    expect(parseNullTarget("null:?iops=20k")?.iops).toBe(20_000);
  });

  it.each([
    ["null:?servise=50us", "did you mean service?"],
    ["null:?service=50", "not a time with its unit"],
    ["null:?service=-5us", "not a time"],
    ["null:?service=1e999s", "not a time"],
    ["null:?service", "needs a value"],
    ["null:?", "expected name=value"],
    ["null:?service=5us&", "expected name=value"],
    ["null:?jitter=gauss", "is not none, exp, uniform, lognormal"],
    ["null:?error_rate=1.5", "from 0 to 1"],
    ["null:?error_rate=x", "from 0 to 1"],
    ["null:?iops=0", "from 1"],
    ["null:?channels=1.5", "whole number"],
    ["null:?channels=2000000", "whole number"],
    ["null:?size=1q", "is not bytes"],
    ["null:?seed=-1", "whole number"],
    ["null:?service=5us&service=6us", "given twice"],
    ["null:?stall_for=1s", "need stall_at"],
    ["null:?stall_at=1s", "needs stall_for"],
    ["null:?stall_at=1s&stall_for=2s&stall_every=2s", "longer than stall_for"],
    ["null:service=5us", "a null target is"],
  ])("refuses %s: %s", (text, reason) => {
    const message = refusal(text);
    expect(message).toContain(text);
    expect(message).toContain(reason);
    expect(message).not.toContain("\n");
  });
});
