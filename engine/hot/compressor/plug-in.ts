/** A compressor of somebody else's: a module whose default export is a `CompressorPlugIn`. */
import { type PlugIn, plugInOf } from "../plug-in.ts";
import type { Compressor, CompressorOptions } from "./compressor.ts";
import type { CompressorKind } from "./registry.ts";

/** What a plug-in gets of the house. */
export interface CompressorContext {
  /** One of the compressors that are registered, to build upon. */
  readonly open: (name: string, options: CompressorOptions) => Compressor;
}

/** What a plug-in makes; its name is the plug-in's. */
export type CompressorFunctions = Omit<Compressor, "name">;
export type CompressorPlugIn = PlugIn<CompressorContext, CompressorOptions, CompressorFunctions>;

/** The compressor that a module's default export is; throws `bad-input` with what it lacks. */
export function compressorOfPlugIn(
  exported: unknown,
  context: CompressorContext,
  file: string,
): CompressorKind {
  const plugIn: CompressorPlugIn = plugInOf(exported, "compressor", file);
  return {
    hotPath: "compressor",
    name: plugIn.name,
    describe: plugIn.describe,
    create: (options) => {
      const made = plugIn.create(context, options);
      return {
        name: plugIn.name,
        compress: (bytes, out) => made.compress(bytes, out),
        decompress: (bytes, out, expectedBytes) => made.decompress(bytes, out, expectedBytes),
      };
    },
  };
}
