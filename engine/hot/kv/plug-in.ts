/** A key-value store of somebody else's: a module whose default export is a `KvPlugIn`. */
import { OsdynoError } from "../../base/error.ts";
import { type PlugIn, plugInOf } from "../plug-in.ts";
import type { KeyValueEngine, KeyValueStore, KvOpenContext } from "./kv.ts";

/** What a plug-in gets of the house. */
export interface KvPlugInContext {
  /** Opens one of the stores that are registered, to build upon. */
  readonly open: (name: string, context: KvOpenContext) => Promise<KeyValueStore>;
}

/** The shape of every plug-in; the store is opened or made as `KvOpenContext` says. */
export interface KvPlugIn
  extends PlugIn<KvPlugInContext, KvOpenContext, KeyValueStore | Promise<KeyValueStore>> {
  readonly hotPath: "kv";
  /** Default: `lanes`. */
  readonly uses?: KeyValueEngine["uses"];
}

/** The engine that a module's default export is; throws `bad-input` with what it lacks. */
export function kvEngineOfPlugIn(
  exported: unknown,
  context: KvPlugInContext,
  file: string,
): KeyValueEngine {
  const plugIn = plugInOf(exported, "kv", file) as KvPlugIn;
  const uses = plugIn.uses ?? "lanes";
  if (!["lanes", "native", "none"].includes(uses)) {
    throw new OsdynoError(
      "bad-input",
      `uses is ${JSON.stringify(uses)}; give lanes, native or none`,
      {
        file,
      },
    );
  }
  return {
    hotPath: "kv",
    name: plugIn.name,
    describe: plugIn.describe,
    unavailable: null,
    uses,
    open: async (options) => await plugIn.create(context, options),
  };
}
