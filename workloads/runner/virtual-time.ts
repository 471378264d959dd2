/**
 * Runs in virtual time: jobs of the engine path over synthetic devices, whose time stands still while
 * something is done and jumps to the next event when nothing is left to do. The native job loop reads
 * the same time (`native/crates/device/src/clock.rs`), so a day passes in minutes, with the code of a real run.
 */
import { OsdynoError } from "../../engine/base/error.ts";
import { native } from "../../engine/base/native.ts";
import type { ReactorTask, TaskLoop } from "../../engine/os/reactor.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";
import { badInput } from "../job/place.ts";
import type { RunPlan } from "../plan-model.ts";

/** Turns between two breaths of the event loop, through which others see what was measured. */
const turnsAtOnce = 512;
/** So many turns in which time did not move, and it never will. */
const standstillTurns = 10_000_000;

export interface VirtualTime {
  readonly clock: VirtualClock;
  /** A loop for the tasks of one run. */
  loop(): TaskLoop;
  /** Lets time pass until a flow that waits for devices has ended. */
  drive<T>(flow: Promise<T>): Promise<T>;
}

const nothing = (): void => undefined;

class VirtualLoop implements TaskLoop {
  readonly spunNs = 0;
  readonly #clock: VirtualClock;
  readonly #tasks: ReactorTask[] = [];
  #still = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  add(task: ReactorTask): void {
    this.#tasks.push(task);
  }

  /** Does nothing: a loop in virtual time never rests. */
  wake(): void {}

  async run(): Promise<void> {
    for (;;) {
      for (let turn = 0; turn < turnsAtOnce; turn += 1) {
        if (!this.#turn()) {
          return;
        }
      }
      await new Promise((breathe) => setImmediate(breathe));
    }
  }

  /** One turn of every task; `false` when all are done. */
  #turn(): boolean {
    const nowNs = this.#clock.nowNs();
    let [work, open, nextNs] = [0, 0, Number.POSITIVE_INFINITY];
    for (const task of this.#tasks) {
      if (!task.done) {
        work += task.turn(nowNs);
      }
      if (!task.done) {
        open += 1;
        nextNs = Math.min(nextNs, task.nextNs);
      }
    }
    if (open > 0 && work === 0) {
      this.#jump(nowNs, nextNs);
    }
    this.#still = this.#clock.nowNs() > nowNs ? 0 : this.#still + 1;
    if (this.#still > standstillTurns) {
      throw new OsdynoError(
        "bad-input",
        "virtual time stands still: operations take no time; give the target a service= or the job a rate",
      );
    }
    return open > 0;
  }

  /** To the next completion or the next time that a task asked for, by a nanosecond at least. */
  #jump(nowNs: number, nextNs: number): void {
    for (const task of this.#tasks) {
      if (!task.done) {
        for (const device of task.devices) {
          device.onReady(nothing);
        }
      }
    }
    const eventNs = Math.min(nextNs, this.#clock.nextNs() ?? Number.POSITIVE_INFINITY);
    if (Number.isFinite(eventNs)) {
      this.#clock.advanceTo(Math.max(Math.ceil(eventNs), nowNs + 1));
      native().standAt(this.#clock.nowNs());
    }
  }
}

async function drive<T>(clock: VirtualClock, flow: Promise<T>): Promise<T> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  flow.then(end, end);
  while (!ended) {
    // What is due at this time comes first.
    await new Promise((breathe) => setImmediate(breathe));
    if (!ended && clock.step()) {
      native().standAt(clock.nowNs());
    }
  }
  return await flow;
}

let only: VirtualTime | null = null;

/** The virtual time of this process; throws `bad-input` when real time was read already. */
export function virtualTime(): VirtualTime {
  if (only === null) {
    // Not 0, which means never in places.
    const startNs = 1e9;
    if (!native().standAt(startNs)) {
      throw new OsdynoError(
        "bad-input",
        "time cannot become virtual: this process has read the real one; use a process of its own",
      );
    }
    const clock = new VirtualClock(startNs);
    only = {
      clock,
      loop: () => new VirtualLoop(clock),
      drive: (flow) => drive(clock, flow),
    };
  }
  return only;
}

/** Refuses, by job, what real time is needed for. Throws `bad-input`. */
export function checkVirtual(plan: RunPlan): void {
  if (plan.path !== "engine") {
    throw new OsdynoError("bad-input", "--clock virtual needs --path engine");
  }
  for (const job of plan.phases.flatMap((phase) => phase.jobs)) {
    const { name, place } = job.resolved;
    if (job.trace !== undefined) {
      throw badInput(place, `job ${name}: --clock virtual does not replay traces; leave it out`);
    }
    const real = job.files.find((file) => file.kind !== "synthetic");
    if (real !== undefined || job.files.length === 0) {
      throw badInput(
        place,
        `job ${name}: --clock virtual works on synthetic devices only, not on ${real?.path ?? "nothing"}; give --target 'null:?service=50us'`,
      );
    }
  }
}
