/** What an interrupted sweep, tuning or test leaves, and how to go on with it. */
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";

/** `record`: the file whose being there says that the directory can be resumed. */
function keptLine(directory: string, record: string, why: string): string {
  if (!existsSync(join(directory, record))) {
    return "nothing was measured, so nothing is kept; the same command begins again";
  }
  const near = relative(process.cwd(), directory);
  const shown = near.startsWith("..") ? directory : near || ".";
  // The budget counts over resumes: the same command would end at once.
  const more = /^endurance: /.test(why) ? " and a higher --endurance most=" : "";
  return `${shown} keeps what was measured; the same command with --resume ${shown}${more} goes on`;
}

/** Does the work; of an interruption it says what is kept before it passes it on. */
export async function tellingKept<T>(
  directory: string,
  record: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof OsdynoError && error.code === "interrupted") {
      process.stderr.write(`${keptLine(directory, record, error.message)}\n`);
    }
    throw error;
  }
}
