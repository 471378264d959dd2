/** The op schedulers by name, as `osd_op_queue` selects them. */
import { OsdynoError } from "../../base/error.ts";
import { FifoScheduler } from "./fifo.ts";
import { MclockScheduler } from "./mclock.ts";
import type { OpScheduler, SchedulerOptions } from "./scheduler.ts";
import { WpqScheduler } from "./wpq.ts";

/** One scheduler. */
export interface SchedulerKind {
  readonly hotPath: "scheduler";
  readonly name: string;
  readonly describe: string;
  /** An empty queue: one shard's. */
  create(options: SchedulerOptions): OpScheduler;
}

function kind(
  name: string,
  describe: string,
  create: (options: SchedulerOptions) => OpScheduler,
): SchedulerKind {
  return { hotPath: "scheduler", name, describe, create };
}

const builtIn: readonly SchedulerKind[] = [
  kind("fifo", "in order of arrival, whatever the class: the baseline", () => new FifoScheduler()),
  kind(
    "wpq",
    "weighted priority queue: drawn by priority, cheap operations preferred, clients in turn",
    (options) => new WpqScheduler(options),
  ),
  kind(
    "mclock_scheduler",
    "dmClock: reservation, weight and limit of clients, recovery and best effort",
    (options) => new MclockScheduler(options),
  ),
  kind("debug_random", "wpq or mclock_scheduler, drawn anew for every queue", (options) =>
    options.random.below(2) === 0 ? new WpqScheduler(options) : new MclockScheduler(options),
  ),
];

const kinds = new Map(builtIn.map((each) => [each.name, each]));

/** Adds a scheduler; refuses a name that is taken. */
export function registerScheduler(added: SchedulerKind): void {
  if (kinds.has(added.name)) {
    throw new OsdynoError("bad-input", `there is a scheduler named ${added.name} already`);
  }
  kinds.set(added.name, added);
}

/** All schedulers, in the order they were registered. */
export function schedulerKinds(): readonly SchedulerKind[] {
  return [...kinds.values()];
}

/** An empty queue of that name; throws `bad-input` with the names there are. */
export function openScheduler(name: string, options: SchedulerOptions): OpScheduler {
  const found = kinds.get(name);
  if (found === undefined) {
    const known = [...kinds.keys()].join(", ");
    throw new OsdynoError("bad-input", `unknown scheduler ${name}; there are: ${known}`);
  }
  return found.create(options);
}
