/** A write log of somebody else's: a module whose default export is a `WriteLogPlugIn`. */
import { type PlugIn, plugInOf } from "../plug-in.ts";
import type { MakeWriteLogOptions, OpenedWriteLog, WriteLogKind } from "./registry.ts";

/** What a plug-in gets of the house. */
export interface WriteLogPlugInContext {
  /** The kinds that are registered, to build upon. */
  readonly kind: (name: string) => WriteLogKind;
}

export interface WriteLogPlugIn
  extends PlugIn<
    WriteLogPlugInContext,
    MakeWriteLogOptions,
    OpenedWriteLog | Promise<OpenedWriteLog>
  > {
  readonly hotPath: "writelog";
  /** Default: 4096. */
  readonly largestBlockBytes?: number;
}

/** The kind that a module's default export is; throws `bad-input` with what it lacks. */
export function writeLogOfPlugIn(
  exported: unknown,
  context: WriteLogPlugInContext,
  file: string,
): WriteLogKind {
  const plugIn = plugInOf(exported, "writelog", file) as WriteLogPlugIn;
  return {
    name: plugIn.name,
    aliases: [],
    describe: plugIn.describe,
    largestBlockBytes: plugIn.largestBlockBytes ?? 4096,
    open: async (options) => await plugIn.create(context, options),
  };
}
