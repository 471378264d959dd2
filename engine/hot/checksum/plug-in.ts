/** A checksum of somebody else's: a module whose default export is a `ChecksumPlugIn`. */
import { OsdynoError } from "../../base/error.ts";
import { type PlugIn, plugInOf } from "../plug-in.ts";
import { byViews } from "./by-views.ts";
import type { Checksum, ChecksumFunction } from "./checksum.ts";
import type { ChecksumKind } from "./registry.ts";

/** What a plug-in gets of the house. */
export interface ChecksumContext {
  /** One of the checksums that are registered, to build upon. */
  readonly open: (name: string) => Checksum;
}

/** Options are what the user set for it; there are none of the house's own. */
export type ChecksumOptions = Readonly<Record<string, unknown>>;

export type ChecksumPlugIn = PlugIn<ChecksumContext, ChecksumOptions, ChecksumFunction>;

/** The checksum that a module's default export is; throws `bad-input` with what it lacks. */
export function checksumOfPlugIn(
  exported: unknown,
  context: ChecksumContext,
  options: ChecksumOptions,
  file: string,
): ChecksumKind {
  const plugIn: ChecksumPlugIn = plugInOf(exported, "checksum", file);
  return {
    hotPath: "checksum",
    name: plugIn.name,
    describe: plugIn.describe,
    create: () => {
      const made = plugIn.create(context, options);
      const width = made?.valueBytes;
      if (!Number.isInteger(width) || width < 0 || width > 8) {
        throw new OsdynoError("bad-input", `valueBytes is ${width}, not 0 to 8`, { file });
      }
      return byViews(plugIn.name, made);
    },
  };
}
