/** What is full where a store has no space: itself, or the file system that its files lie on. */
import { statSync } from "node:fs";
import { constants } from "node:os";
import { OsdynoError } from "../../engine/base/error.ts";
import type { RealStore } from "../../engine/store/real-store.ts";
import { fileSystemOf } from "../file-system.ts";
import { type PlannedStore, pathsOfStore } from "../store-plan.ts";

/** With less than that a commit may fail already. */
const fullBelowBytes = 1 << 20;

/** A line for each full file system that a file of the store lies on. */
function fullFileSystems(planned: PlannedStore): readonly string[] {
  const lines = new Map<number, string>();
  for (const path of pathsOfStore(planned)) {
    const file = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
    const system = file ? fileSystemOf(path) : null;
    if (system !== null && system.totalBytes > 0 && system.freeBytes < fullBelowBytes) {
      const { id, freeBytes } = system;
      lines.set(
        id,
        `the file system of ${path} is full (${freeBytes} bytes free): make room there`,
      );
    }
  }
  return [...lines.values()];
}

/**
 * What is full where jobs failed with these errors, one line each; of a store with a db device both parts, of which
 * either may be. RocksDB makes EIO of ENOSPC.
 */
export function roomOf(
  planned: PlannedStore,
  real: RealStore,
  failed: readonly (number | undefined)[],
): readonly string[] {
  const { ENOSPC, EIO } = constants.errno;
  const noSpace = failed.includes(ENOSPC);
  const host = noSpace || failed.includes(EIO) ? fullFileSystems(planned) : [];
  if (host.length > 0 || !noSpace) {
    return host;
  }
  const { freeBytes, totalBytes } = real.store.usage();
  const own = `${planned.path} has ${freeBytes} of ${totalBytes} bytes free`;
  const others = pathsOfStore(planned).slice(1);
  const used = real.perfCounters()["bluefs"]?.["db_used_bytes"];
  return others.length === 0 || used?.kind !== "gauge"
    ? [own]
    : [`${own}, its key-value store has ${used.value} bytes of ${others.join(" and ")}`];
}

/** The error of a store, with the file system that is full where one is. */
export function withFullFileSystems(planned: PlannedStore, error: unknown): unknown {
  const host = fullFileSystems(planned);
  return host.length === 0 || !(error instanceof OsdynoError) || error.code !== "io"
    ? error
    : new OsdynoError("io", [error.message, ...host].join("; "), error.context, error);
}
