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

/** Throws `unsafe` when somebody else holds it, here or in another process, `io` when it is not there. */
export function holdFile(path: string): Hold {
  const Side = native()["NativeHold"] as new (path: string) => NativeHold;
  let hold: NativeHold;
  try {
    hold = new Side(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OsdynoError("io", reason, {}, error);
  }
  if (!hold.held()) {
    throw new OsdynoError("unsafe", `${path}: is in use by another osdyno; end that first`);
  }
  return hold;
}
