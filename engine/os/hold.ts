/** A file or device for one process at a time. */
import { OsdynoError } from "../base/error.ts";
import { native } from "../base/native.ts";

interface NativeHold {
  held(): boolean;
  close(): void;
}

/** Held until it is let go or the process ends, however it ends. */
export interface Hold {
  close(): void;
}

/** Whoever only looks whether a file is held has it for an instant: so it is asked again after these, ms. */
const askAgainMs = [2, 10, 30];
const never = new Int32Array(new SharedArrayBuffer(4));

/** `null`: somebody else holds it. Throws what the addon does when it cannot be opened. */
function take(path: string): NativeHold | null {
  const Side = native()["NativeHold"] as new (path: string) => NativeHold;
  for (const ms of [0, ...askAgainMs]) {
    Atomics.wait(never, 0, 0, ms);
    const hold = new Side(path);
    if (hold.held()) {
      return hold;
    }
  }
  return null;
}

/** Whether somebody holds a file or device, here or in another process; one that cannot be read is not. */
export function isHeld(path: string): boolean {
  try {
    const hold = take(path);
    hold?.close();
    return hold === null;
  } catch {
    return false;
  }
}

/** Throws `unsafe` when somebody else holds it, here or in another process, `io` when it is not there. */
export function holdFile(path: string): Hold {
  let hold: NativeHold | null;
  try {
    hold = take(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OsdynoError("io", reason, {}, error);
  }
  if (hold === null) {
    throw new OsdynoError("unsafe", `${path}: is in use by another osdyno; end that first`);
  }
  return hold;
}
