/** The scenarios that `osdyno simulate` knows. */
import { OsdynoError } from "../base/error.ts";
import { opKinds } from "../port/block-device.ts";
import type { CrashScenario } from "./crashes.ts";
import { waltreeScenario } from "./scenario-waltree.ts";
import { writeLogScenarios } from "./scenario-writelog.ts";

const usual = {
  canary: false,
  commits: 160,
  sizeBytes: 4 << 20,
  separate: false,
  fua: true,
  slotBytes: 16_384,
  faults: [],
};

const builtIn: readonly CrashScenario[] = [
  waltreeScenario({
    ...usual,
    name: "waltree",
    describe: "waltree on one disk in scattered space, with writes that are durable by themselves",
  }),
  waltreeScenario({
    ...usual,
    name: "waltree-flush",
    describe: "waltree on one disk that knows flushes only, a block at a time",
    fua: false,
    slotBytes: 4096,
  }),
  waltreeScenario({
    ...usual,
    name: "waltree-separate",
    describe: "waltree with its log and its checkpoints on disks of their own",
    separate: true,
  }),
  waltreeScenario({
    ...usual,
    name: "waltree-full",
    describe: "waltree on a disk that gets full",
    sizeBytes: 448 << 10,
  }),
  waltreeScenario({
    ...usual,
    name: "waltree-canary",
    describe: "a planted bug that MUST be found: every seventh flush is missing",
    canary: true,
    fua: false,
    faults: Array.from({ length: 40 }, (_, index) => ({
      effect: "lost" as const,
      kinds: [opKinds.flush],
      nth: 7 * (index + 1),
    })),
  }),
];

const scenarios = new Map(
  [...builtIn, ...writeLogScenarios].map((scenario) => [scenario.name, scenario]),
);

/** Adds a scenario; refuses a name that is taken. */
export function registerScenario(scenario: CrashScenario): void {
  if (scenarios.has(scenario.name)) {
    throw new OsdynoError("bad-input", `there is a scenario named ${scenario.name} already`);
  }
  scenarios.set(scenario.name, scenario);
}

export function crashScenarios(): readonly CrashScenario[] {
  return [...scenarios.values()];
}

export function crashScenario(name: string): CrashScenario | undefined {
  return scenarios.get(name);
}
