/** What mattered, of a device whose truth is known, in virtual time: the default is one of the choices. */
import { afterEach, expect, test } from "vitest";
import type { TuneRecord } from "../../results/tune/tune-record.ts";
import { Workplace } from "../cli/command.ts";
import { say } from "./machine.ts";

const place = new Workplace();
afterEach(() => place.remove());

test("best against worst holds the default's own depth, which the file does not name", () => {
  const lines = [
    ...["name: t", "job: |", "  [j]", "  rw=randread", "  size=64m", "  time_based", "  runtime=1"],
    "targets: ['null:?service=1ms&jitter=exp&iops=5000&channels=64']",
    "space: {iodepth: {from: 1, to: 64, factor: 2}, bs: [4k, 8k, 16k]}",
    ...["objective: {maximise: bw}", "budget: {runs: 50}"],
  ];
  place.write("t.yaml", `${lines.join("\n")}\n`);
  place.run(["tune", "t.yaml", "--clock=virtual", "--out=a", "--no-report", "--no-progress"]);
  const { importance, default_choice: choice } = JSON.parse(
    place.read("a", "tune.json"),
  ) as TuneRecord;
  // fio's default is one operation of 4 KiB.
  expect(choice).toEqual([0, 0]);
  // One operation at a time makes 1,000 a second, eight and more make 5,000; 16k are four times 4k.
  for (const [parameter, truth] of [
    ["iodepth", 5],
    ["bs", 4],
  ] as const) {
    const effect = importance.find((each) => each.parameter === parameter)?.effect;
    const { value = 0, low = 0, high = 0 } = effect ?? {};
    const text = `${value.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}), truth ${truth}`;
    say(`what ${parameter} mattered: ${text}`);
    expect(low, text).toBeLessThanOrEqual(truth);
    expect(high, text).toBeGreaterThanOrEqual(truth);
    expect(Math.abs(value / truth - 1), text).toBeLessThan(0.2);
  }
  const checked = place.run(["results", "verify", "a"]);
  expect(checked.code, checked.out).toBe(0);
});
