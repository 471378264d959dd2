/** The files of a store that is made: all are had, and still what was judged, before the first is changed. */
import { closeSync, ftruncateSync, openSync, readSync, rmSync } from "node:fs";
import { OsdynoError } from "../../engine/base/error.ts";
import type { Holds } from "../../engine/os/hold.ts";
import { otherDevicesMade, type PlannedStore } from "../store-plan.ts";
import { type StorePlace, sameContents, storePlace } from "../store-target.ts";

const blankBytes = 65536;

/** A file of zeroes of that length: its space is set aside already, which to cut it off would undo. */
function isBlank(path: string, sizeBytes: number, place: StorePlace): boolean {
  if (place.kind !== "foreign" || place.sizeBytes !== sizeBytes) {
    return false;
  }
  const head = Buffer.alloc(blankBytes);
  const file = openSync(path, "r");
  try {
    readSync(file, head, 0, blankBytes, 0);
  } finally {
    closeSync(file);
  }
  return head.every((byte) => byte === 0);
}

function cannotMake(path: string, error: unknown): OsdynoError {
  const reason = error instanceof Error ? error.message : String(error);
  return new OsdynoError("bad-input", `cannot make a store at ${path}: ${reason}`, {}, error);
}

function changed(path: string): OsdynoError {
  return new OsdynoError(
    "unsafe",
    `${path}: somebody else has made or changed it since this run looked; start it again`,
  );
}

/** Makes an empty file that was not there; `false`: by now there is one. */
function create(path: string): boolean {
  try {
    closeSync(openSync(path, "wx"));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      return false;
    }
    throw cannotMake(path, error);
  }
}

/** Holds a file or device that the store is made on. Throws `unsafe` if it is not what it was. */
function take(path: string, place: StorePlace, holds: Holds): void {
  if (place.kind === "absent") {
    // Whoever made it is about to hold it, and must not meet somebody who looks.
    if (!create(path)) {
      throw changed(path);
    }
    holds.take(path);
    return;
  }
  holds.take(path);
  if (!sameContents(place, storePlace(path))) {
    throw changed(path);
  }
}

/** A file of that length without contents; a block device has its own. */
function makeFile(path: string, sizeBytes: number, place: StorePlace): void {
  if (place.kind !== "absent" && place.block) {
    return;
  }
  try {
    if (isBlank(path, sizeBytes, place)) {
      return;
    }
    const file = openSync(path, "r+");
    try {
      ftruncateSync(file, 0);
      ftruncateSync(file, sizeBytes);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw cannotMake(path, error);
  }
}

/**
 * Holds the files and devices of a store, and gives the one that is made its length. Throws `unsafe` when
 * somebody else has one, `bad-input` when it cannot be made; nothing was changed then.
 */
export function takeStore(planned: PlannedStore, holds: Holds): void {
  const { path, make, place, otherPlaces } = planned;
  if (make === null) {
    holds.take(path);
    return;
  }
  // Those that are there first: what is made for nothing is removed again.
  for (const other of otherDevicesMade(planned)) {
    const was = otherPlaces.get(other) ?? { kind: "absent" };
    if (was.kind !== "absent") {
      take(other, was, holds);
    }
  }
  take(path, place, holds);
  try {
    makeFile(path, make.sizeBytes, place);
  } catch (error) {
    removeMade(planned);
    throw error;
  }
}

/** A file that was made and came to nothing. */
export function removeMade({ path, make, place }: PlannedStore): void {
  if (make !== null && place.kind === "absent") {
    rmSync(path, { force: true });
  }
}
