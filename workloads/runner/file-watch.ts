/**
 * Sees that the files of a run are still there. Open files outlive their names, so no operation would
 * ever fail, and the figures would be of something that nobody can look at afterwards.
 */
import { type BigIntStats, statSync } from "node:fs";
import { OsdynoError } from "../../engine/base/error.ts";

/** How often the files are looked at, ms: a stat each. */
const lookEveryMs = 500;

function identity(path: string): string | null {
  const found: BigIntStats | undefined = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : `${found.dev}:${found.ino}`;
}

export class FileWatch {
  readonly #files: ReadonlyMap<string, string>;
  #lookedMs = Date.now();

  /** @param paths files and devices that are there now; what is not is not watched */
  constructor(paths: readonly string[]) {
    this.#files = new Map(
      paths.flatMap((path) => {
        const id = identity(path);
        return id === null ? [] : [[path, id] as const];
      }),
    );
  }

  /** What happened to a file, as an `io` error; null when all are there or it is not time to look. */
  check(now = false): OsdynoError | null {
    if (!now && Date.now() - this.#lookedMs < lookEveryMs) {
      return null;
    }
    this.#lookedMs = Date.now();
    for (const [path, id] of this.#files) {
      const found = identity(path);
      if (found !== id) {
        const what = found === null ? "removed" : "replaced by another file";
        return new OsdynoError("io", `${path} was ${what} while the run used it`);
      }
    }
    return null;
  }
}
