/** A block I/O engine of somebody else's: a module whose default export is an `IoEnginePlugIn`. */
import { OsdynoError } from "../../base/error.ts";
import type { BlockDevice } from "../../port/block-device.ts";
import type { Clock } from "../../port/clock.ts";
import type { BlockEngine, OpenOptions } from "./registry.ts";

/** What a plug-in gets of the house. */
export interface IoEngineContext {
  /** Completions carry times of this clock. */
  readonly clock: Clock;
  /** Opens one of the engines that are registered, to build upon. */
  readonly open: (name: string, options: OpenOptions) => BlockDevice;
}

/** The shape of every plug-in, with what the engines of this hot path are opened with. */
export interface IoEnginePlugIn {
  readonly hotPath: "ioengine";
  readonly name: string;
  readonly describe: string;
  /** Works on the file or device that `OpenOptions.path` names; default: yes. */
  readonly needsPath?: boolean;
  /** One operation at a time; default: no. */
  readonly synchronous?: boolean;
  create(context: IoEngineContext, options: OpenOptions): BlockDevice;
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** The engine that a module's default export is; throws `bad-input` with what it lacks. */
export function engineOfPlugIn(
  exported: unknown,
  context: IoEngineContext,
  file: string,
): BlockEngine {
  const given = fields(exported);
  const refuse = (what: string): never => {
    throw new OsdynoError(
      "bad-input",
      `${what}; a plug-in's default export is {hotPath, name, describe, create(context, options)}`,
      { file },
    );
  };
  if (given["hotPath"] !== "ioengine") {
    refuse(`hotPath is ${JSON.stringify(given["hotPath"])}, not "ioengine"`);
  }
  for (const name of ["name", "describe"] as const) {
    if (typeof given[name] !== "string" || given[name] === "") {
      refuse(`${name} is no text`);
    }
  }
  if (typeof given["create"] !== "function") {
    refuse("create is no function");
  }
  const plugIn = exported as IoEnginePlugIn;
  return {
    hotPath: "ioengine",
    name: plugIn.name,
    describe: plugIn.describe,
    needsPath: plugIn.needsPath ?? true,
    synchronous: plugIn.synchronous ?? false,
    create: (options) => plugIn.create(context, options),
  };
}
