/** Directories that are made for results. */
import { existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";

/**
 * Makes a directory and what is missing above it; answers the outermost one made, undefined when all
 * was there. Node's own `recursive` goes round for ever where a directory exists and takes no
 * entries, as /proc does. Throws `bad-input` there, and what the system says elsewhere.
 */
export function makeFolders(path: string): string | undefined {
  const missing: string[] = [];
  let at = resolve(path);
  for (; !existsSync(at); at = dirname(at)) {
    missing.unshift(at);
  }
  for (const each of missing) {
    try {
      mkdirSync(each);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") {
        throw new OsdynoError("bad-input", `${path}: nothing can be made in ${dirname(each)}`);
      }
      // Somebody else made it in the meantime.
      if (code !== "EEXIST") {
        throw error;
      }
    }
  }
  // One that is a file: the system's own words for it.
  mkdirSync(resolve(path), { recursive: true });
  return missing[0];
}
