/** What a test runs on, and in which ways that is not what the standard asks for. */
import { OsdynoError } from "../../engine/base/error.ts";
import type { JobEnvironment } from "../../workloads/job/environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { planRun } from "../../workloads/planner.ts";
import { formatBytes } from "../units.ts";
import type { SniaSizes } from "./procedures.ts";
import type { SniaSpec } from "./spec.ts";

export interface SniaDevice {
  readonly target: string;
  /** `block`, `file`, `synthetic`, `store`, ... */
  readonly kind: string;
  readonly sizeBytes: number;
}

const block = 1 << 20;
/** Below this the zones of the composite workload hold no block of 64 KiB. */
const leastBytes = 16 * block;

/** Null where a target has no size before somebody says one. */
function itsOwn<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (error instanceof OsdynoError && error.code === "bad-input") {
      return null;
    }
    throw error;
  }
}

/** Finds out what the target is and how large. Throws `bad-input`; opens nothing for writing. */
export function deviceOf(
  spec: SniaSpec,
  target: string,
  environment: JobEnvironment,
  workingDirectory: string,
): SniaDevice {
  const look = (size: number | null) => {
    const keys = size === null ? "" : `size=${size}\n`;
    const text = `[look]\nrw=read\nbs=4k\n${keys}`;
    const parsed = parseJobs([{ kind: "file", name: spec.file, text }], environment, {
      sections: [],
      target,
    });
    const options = { target, path: "engine" as const, seed: 1, directory: workingDirectory };
    return planRun(parsed.jobs, options).phases[0]?.jobs[0]?.files[0];
  };
  const own = itsOwn(() => look(null));
  // size: is of files; what has a size of its own keeps it.
  const found = own === null || own?.kind === "file" ? look(spec.sizeBytes) : own;
  if (found === undefined) {
    throw new OsdynoError("bad-input", `${target}: nothing to test there`, { file: spec.file });
  }
  const { sizeBytes } = found;
  if (sizeBytes < leastBytes) {
    const why = `${target} has ${formatBytes(sizeBytes)}; a test needs ${formatBytes(leastBytes)} (size: for a file)`;
    throw new OsdynoError("bad-input", why, { file: spec.file });
  }
  return { target, kind: found.kind, sizeBytes };
}

/** Capacity and active range as they are taken. */
export function sizesOf(spec: SniaSpec, device: SniaDevice): SniaSizes {
  const asked = Math.min(spec.scale.capacityBytes ?? device.sizeBytes, device.sizeBytes);
  const capacityBytes = Math.floor(asked / block) * block;
  const activeBytes = Math.floor((capacityBytes * spec.activeRange) / block) * block;
  if (activeBytes < leastBytes) {
    const why = `scale: an active range of ${formatBytes(activeBytes)} is too small; give ${formatBytes(leastBytes)} or more`;
    throw new OsdynoError("bad-input", why, { file: spec.file });
  }
  return { capacityBytes, activeBytes };
}

/** What the purge was, in a sentence; `trimmed`: null before or without a trim, else whether it worked. */
export function purgeStatement(
  { purge }: SniaSpec,
  { kind }: SniaDevice,
  trimmed: boolean | null,
): string {
  if (purge === "none") {
    const why: Readonly<Record<string, string>> = {
      file: "a file has none",
      synthetic: "the model has none",
      store: "an object store has none",
    };
    return `No purge was made (${why[kind] ?? "purge: none was asked for"}).`;
  }
  if (purge === "trim") {
    return trimmed === false
      ? "No purge was made: the target refused to be trimmed, and no other purge can be sent from here."
      : "Purged by trimming all of the capacity that is taken.";
  }
  return `Purged before the test, by hand: ${purge}.`;
}

/** Everything that is not as the standard says; empty: conformant as far as can be told from here. */
export function deviationsOf(
  spec: SniaSpec,
  device: SniaDevice,
  sizes: SniaSizes,
  more: {
    readonly sections: number;
    readonly trimmed: boolean | null;
    readonly overrides: readonly string[];
    readonly virtual: boolean;
    readonly interruptions: number;
  },
): readonly string[] {
  const { scale, test, purge } = spec;
  const { minuteSeconds, cycles } = scale;
  const found: string[] = [];
  if (sizes.capacityBytes < Math.floor(device.sizeBytes / block) * block) {
    const of = formatBytes(device.sizeBytes);
    found.push(`capacity scaled: ${formatBytes(sizes.capacityBytes)} of ${of} are taken`);
  }
  if (minuteSeconds !== 60) {
    found.push(`time scaled: ${Number(minuteSeconds.toPrecision(6))} s stand for a minute`);
  }
  if (test === "host-idle" && cycles !== 360) {
    found.push(`repetition scaled: ${cycles} bursts of each idle state instead of 360`);
  }
  if (purge === "none" || more.trimmed === false) {
    found.push("no purge");
  } else if (purge !== "trim" && more.sections > 1) {
    found.push("one purge for all block sizes instead of one for each");
  }
  if (device.kind === "synthetic") {
    found.push("the target is a model, no device");
  } else if (device.kind !== "block") {
    found.push("the target is no whole device: a file system or a store is measured with it");
  }
  if (more.virtual) {
    found.push("time is virtual");
  }
  if (more.overrides.length > 0) {
    found.push(`job keys from the command line: ${more.overrides.join(" ")}`);
  }
  if (more.interruptions > 0) {
    const times = more.interruptions === 1 ? "once" : `${more.interruptions} times`;
    found.push(`interrupted ${times}: the target was idle in between`);
  }
  return found;
}
