/** A cache policy of somebody else's: a module whose default export is a `CachePlugIn`. */
import { type PlugIn, plugInOf } from "../plug-in.ts";
import type { CacheOptions, CachePolicy } from "./cache.ts";
import type { CacheKind } from "./registry.ts";

/** What a plug-in gets of the house. */
export interface CacheContext {
  /** One of the policies that are registered, to build upon. */
  readonly open: (name: string, options: CacheOptions) => CachePolicy;
}

export type CachePlugIn = PlugIn<CacheContext, CacheOptions, CachePolicy>;

/** The policy that a module's default export is; throws `bad-input` with what it lacks. */
export function cacheOfPlugIn(exported: unknown, context: CacheContext, file: string): CacheKind {
  const plugIn: CachePlugIn = plugInOf(exported, "cache", file);
  return {
    hotPath: "cache",
    name: plugIn.name,
    describe: plugIn.describe,
    create: (options) => plugIn.create(context, options),
  };
}
