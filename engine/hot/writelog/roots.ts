/** Reads and writes the root of a log, in its two places in turn. */
import type { LaneIo } from "../kv/lane-io.ts";
import {
  decodeRoot,
  encodeRoot,
  type Root,
  type RootFault,
  rootBytes,
  rootOffsets,
} from "./log-format.ts";

/** The newer of the two roots, or why there is none. Throws `io`. */
export async function readRoot(io: LaneIo): Promise<Root | RootFault> {
  const copies = await Promise.all(
    rootOffsets.map(async (offset) => decodeRoot(await io.readRange(offset, rootBytes))),
  );
  let newest: Root | null = null;
  let fault: RootFault = "absent";
  for (const copy of copies) {
    if (typeof copy === "string") {
      fault = fault === "absent" ? copy : fault;
    } else if (newest === null || copy.sequence > newest.sequence) {
      newest = copy;
    }
  }
  return newest ?? fault;
}

/** Writes a root, durably; `done` with 0 or a positive errno. One at a time. */
export function writeRoot(io: LaneIo, root: Root, done: (errno: number) => void): void {
  const { fua } = io.lane.supports;
  io.acquire((slot) => {
    io.bytesOf(slot).set(encodeRoot(root));
    const offset = rootOffsets[root.sequence % rootOffsets.length] as number;
    io.write(slot, offset, rootBytes, fua, (errno) => {
      io.release(slot);
      if (errno !== 0 || fua) {
        done(errno);
      } else {
        io.flush(done);
      }
    });
    io.commit();
  });
}
