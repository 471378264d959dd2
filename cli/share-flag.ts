/** Shares as flags: `2%` or `0.02`. */
import { OsdynoError } from "../engine/base/error.ts";

/** A share as `2%` or `0.02`; throws `bad-input` when it is none, or not below `most`. */
export function shareOf(text: string, flag: string, least: number, most: number): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim());
  const value = match === null ? Number.NaN : Number(match[1]) / (match[2] === "%" ? 100 : 1);
  if (!(value >= least && value < most)) {
    throw new OsdynoError(
      "bad-input",
      `--${flag} ${text}: give a share such as 2% or 0.02, from ${least} to below ${most}`,
    );
  }
  return value;
}
