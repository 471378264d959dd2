/** An allocator of somebody else's: a module whose default export is an `AllocatorPlugIn`. */
import { OsdynoError } from "../../base/error.ts";
import type { Allocator, AllocatorOptions } from "./allocator.ts";
import type { AllocatorKind } from "./registry.ts";

/** What a plug-in gets of the house. */
export interface AllocatorContext {
  /** Makes one of the allocators that are registered, to build upon. */
  readonly create: (name: string, options: AllocatorOptions) => Allocator;
}

/** The shape of every plug-in, with what an allocator is made of. */
export interface AllocatorPlugIn {
  readonly hotPath: "allocator";
  readonly name: string;
  readonly describe: string;
  /** All space MUST be in use at first. */
  create(context: AllocatorContext, options: AllocatorOptions): Allocator;
}

/** The allocator that a module's default export is; throws `bad-input` with what it lacks. */
export function allocatorOfPlugIn(
  exported: unknown,
  context: AllocatorContext,
  file: string,
): AllocatorKind {
  const given = (typeof exported === "object" && exported !== null ? exported : {}) as Readonly<
    Record<string, unknown>
  >;
  const refuse = (what: string): never => {
    throw new OsdynoError(
      "bad-input",
      `${what}; a plug-in's default export is {hotPath, name, describe, create(context, options)}`,
      { file },
    );
  };
  if (given["hotPath"] !== "allocator") {
    refuse(`hotPath is ${JSON.stringify(given["hotPath"])}, not "allocator"`);
  }
  for (const name of ["name", "describe"] as const) {
    if (typeof given[name] !== "string" || given[name] === "") {
      refuse(`${name} is no text`);
    }
  }
  if (typeof given["create"] !== "function") {
    refuse("create is no function");
  }
  const plugIn = exported as AllocatorPlugIn;
  return {
    hotPath: "allocator",
    name: plugIn.name,
    describe: plugIn.describe,
    create: (options) => plugIn.create(context, options),
  };
}
