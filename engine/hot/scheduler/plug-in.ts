/** A scheduler of somebody else's: a module whose default export is a `SchedulerPlugIn`. */
import { type PlugIn, plugInOf } from "../plug-in.ts";
import type { SchedulerKind } from "./registry.ts";
import type { OpScheduler, SchedulerOptions } from "./scheduler.ts";

/** What a plug-in gets of the house. */
export interface SchedulerContext {
  /** One of the schedulers that are registered, to build upon. */
  readonly open: (name: string, options: SchedulerOptions) => OpScheduler;
}

export type SchedulerPlugIn = PlugIn<SchedulerContext, SchedulerOptions, OpScheduler>;

/** The scheduler that a module's default export is; throws `bad-input` with what it lacks. */
export function schedulerOfPlugIn(
  exported: unknown,
  context: SchedulerContext,
  file: string,
): SchedulerKind {
  const plugIn: SchedulerPlugIn = plugInOf(exported, "scheduler", file);
  return {
    hotPath: "scheduler",
    name: plugIn.name,
    describe: plugIn.describe,
    create: (options) => plugIn.create(context, options),
  };
}
