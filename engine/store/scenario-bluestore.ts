/** BlueStore over waltree under random transactions on simulated disks: crashed at every write. */
import type { CrashScenario } from "../sim/crashes.ts";
import { waltreeWriteClass } from "../sim/scenario-waltree.ts";
import type { VolatileWrite } from "../sim/volatile-writes.ts";
import type { World } from "../sim/world.ts";
import { labelBytes } from "./bluestore/label.ts";
import { RandomStoreRun } from "./conformance-random.ts";
import { type BlueStoreScenarioOptions, Life } from "./scenario-life.ts";
import { covered, type Mark } from "./scenario-marks.ts";
import { checkAfterCrash, isReported, sessionOf } from "./scenario-recovery.ts";

async function run(world: World, options: BlueStoreScenarioOptions): Promise<void> {
  const life = new Life(world, options, true);
  try {
    await life.make();
    await life.mount();
    const session = sessionOf(life, world.random.fork("data").below(2 ** 40));
    const { objects } = options;
    const each = new RandomStoreRun(session, { steps: 0, remountEvery: 0, objects });
    const half = Math.floor(options.transactions / 2);
    await life.drive(each, 1, half, "first");
    // After a disk that lies a store may not mount again, or with less than it had.
    if (!(await life.unmount()) || world.profile?.lies === true) {
      return;
    }
    await life.mount();
    await life.drive(each, half + 1, options.transactions - half, "second");
    await life.unmount();
  } catch (error) {
    // On a disk that fails, making or mounting may fail: the history ends there.
    if (world.profile === null || !isReported(error)) {
      throw error;
    }
  }
}

async function recover(
  world: World,
  options: BlueStoreScenarioOptions,
  marks: readonly Mark[],
): Promise<readonly string[]> {
  const life = new Life(world, options, false);
  try {
    return await checkAfterCrash(life, marks, world.profile?.lies === true);
  } catch (error) {
    if (world.profile?.lies === true && isReported(error)) {
      return ["then: damage is reported"];
    }
    throw error;
  }
}

export function blueStoreScenario(options: BlueStoreScenarioOptions): CrashScenario {
  return {
    name: options.name,
    describe: options.describe,
    canary: options.canary,
    run: (world) => run(world, options),
    recover: (world, marks) => recover(world, options, marks as readonly Mark[]),
    classify: classOf,
    cover: (marks) => covered(marks as readonly Mark[]),
  };
}

function classOf(write: VolatileWrite): string {
  if (write.offsetBytes < labelBytes) {
    return "label";
  }
  return write.data === null ? "trim" : waltreeWriteClass(write, "data");
}
