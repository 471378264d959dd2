/** A client cache of somebody else's: a module whose default export is a `ClientCachePlugIn`. */
import { type PlugIn, plugInOf } from "../plug-in.ts";
import type { ClientCacheKind, OpenClientCacheOptions, OpenedClientCache } from "./registry.ts";

/** What a plug-in gets of the house. */
export interface ClientCachePlugInContext {
  /** The kinds that are registered, to build upon. */
  readonly kind: (name: string) => ClientCacheKind;
}

export interface ClientCachePlugIn
  extends PlugIn<
    ClientCachePlugInContext,
    OpenClientCacheOptions,
    OpenedClientCache | Promise<OpenedClientCache>
  > {
  readonly hotPath: "clientcache";
}

/** The kind that a module's default export is; throws `bad-input` with what it lacks. */
export function clientCacheOfPlugIn(
  exported: unknown,
  context: ClientCachePlugInContext,
  file: string,
): ClientCacheKind {
  const plugIn = plugInOf(exported, "clientcache", file) as ClientCachePlugIn;
  return {
    name: plugIn.name,
    describe: plugIn.describe,
    open: async (options) => await plugIn.create(context, options),
  };
}
