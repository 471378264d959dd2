/** What a device is rated to bear, as its profile says: `endurance: {rated_bytes: N}`, written there by hand. */
import { existsSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { parse } from "yaml";
import type { OsdynoError } from "../engine/base/error.ts";
import { profileFiles } from "../workloads/shape-profile.ts";

export interface Rating {
  readonly bytes: number;
  /** `profile NAME` */
  readonly from: string;
}

/** By a profile's name, or a file relative to `directory`; throws what `refuse` makes of the reason. */
export function ratingOf(
  text: string,
  directory: string,
  refuse: (why: string) => OsdynoError,
): Rating {
  const named = profileFiles(directory).find((file) => basename(file, ".yaml") === text);
  const file = named ?? resolve(directory, text);
  if (!existsSync(file)) {
    throw refuse("give bytes such as 600TB, or a profile of profiles/devices");
  }
  let raw: { readonly endurance?: { readonly rated_bytes?: unknown } } | null;
  try {
    raw = parse(readFileSync(file, "utf8")) as typeof raw;
  } catch (error) {
    throw refuse(`the profile is not readable: ${(error as Error).message.split("\n")[0]}`);
  }
  const bytes = raw?.endurance?.rated_bytes;
  if (typeof bytes !== "number" || !(bytes > 0)) {
    throw refuse(`${file} has no endurance: {rated_bytes: N}; add what its maker states`);
  }
  return { bytes, from: `profile ${basename(file, ".yaml")}` };
}
