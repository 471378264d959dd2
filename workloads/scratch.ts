/** Scratch places: where jobs may write without being asked twice. */
import { mkdirSync, readlinkSync, realpathSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";

export interface ScratchPlace {
  /** As given; `resolve`d, links kept. */
  readonly path: string;
  readonly why: "OSDYNO_SCRATCH" | "temporary directory" | "run directory";
}

export interface ScratchSpace extends ScratchPlace {
  readonly exists: boolean;
  readonly freeBytes: number | null;
  readonly totalBytes: number | null;
}

/**
 * The scratch places of this process: `OSDYNO_SCRATCH`, the system's temporary directory and the run's
 * own directory if there is one. Throws `bad-input` when one is the root directory, which would make
 * every file a scratch file.
 */
export function scratchPlaces(
  runDirectory?: string,
  environment: NodeJS.ProcessEnv = process.env,
): ScratchPlace[] {
  const own = environment["OSDYNO_SCRATCH"];
  const places: ScratchPlace[] = [];
  if (own !== undefined && own !== "") {
    places.push({ path: resolve(own), why: "OSDYNO_SCRATCH" });
  }
  places.push({ path: resolve(environment["TMPDIR"] || tmpdir()), why: "temporary directory" });
  if (runDirectory !== undefined) {
    places.push({ path: resolve(runDirectory), why: "run directory" });
  }
  for (const place of places) {
    if (resolveExisting(place.path) === "/") {
      const message = `${place.why} is /, which would make every file a scratch file`;
      throw new OsdynoError("bad-input", `${message}; name a directory below it`);
    }
  }
  return places;
}

/** Where files of a job without a directory may go: the first scratch place, made if absent. */
export function scratchDirectory(): string {
  const place = scratchPlaces()[0]?.path ?? tmpdir();
  mkdirSync(place, { recursive: true });
  return place;
}

/** As many links as the kernel follows before it gives up (path_resolution(7)). */
const maxLinks = 40;

/**
 * The path with all links resolved. Of a path that does not exist yet, its deepest existing part is
 * resolved and the rest appended; a link that leads nowhere counts as what it points to.
 */
export function resolveExisting(path: string, linksLeft = maxLinks): string {
  const absolute = isAbsolute(path) ? path : join(process.cwd(), path);
  try {
    // The native form resolves `..` as the kernel does, after links; the other one before.
    return realpathSync.native(absolute);
  } catch {
    const parent = dirname(absolute);
    if (parent === absolute || linksLeft === 0) {
      return absolute;
    }
    const directory = resolveExisting(parent, linksLeft - 1);
    const here = join(directory, basename(absolute));
    const target = linkTarget(here);
    return target === null ? here : resolveExisting(resolve(directory, target), linksLeft - 1);
  }
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** The places with their free space. */
export function scratchSpace(places: readonly ScratchPlace[]): ScratchSpace[] {
  return places.map((place) => {
    try {
      const { bavail, blocks, bsize } = statfsSync(place.path);
      return { ...place, exists: true, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    } catch {
      return { ...place, exists: false, freeBytes: null, totalBytes: null };
    }
  });
}
