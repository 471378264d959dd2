/** What others than this process had of the machine during a run, and when that is worth a word. */
import type { OthersUse } from "../workloads/runner/device-stats.ts";
import { formatBytes, formatPercent } from "./units.ts";

/** As it stands in `run.json`; what the kernel does not tell is absent. */
export interface OthersRecord {
  /** Of all CPUs, 0 to 1; kernel threads count too. */
  readonly cpu_share?: number;
  /** Of the disks under the jobs: other programs, and the file system's journal. */
  readonly disk?: {
    readonly names: readonly string[];
    readonly read_bytes: number;
    readonly written_bytes: number;
    /** By anybody. */
    readonly moved_bytes: number;
    readonly elapsed_ms: number;
  };
}

/** From here on a thread that is woken often finds no CPU free. */
const cpuShareWorth = 0.3;
/** Of what the disks moved, the share that is worth a word, and the rate, bytes a second. */
const diskShareWorth = 0.25;
const diskRateWorth = 2 ** 22;

export function othersRecord({ cpuShare, disks }: OthersUse): OthersRecord {
  const disk =
    disks === null
      ? null
      : {
          names: disks.names,
          read_bytes: disks.readBytes,
          written_bytes: disks.writtenBytes,
          moved_bytes: disks.movedBytes,
          elapsed_ms: disks.elapsedMs,
        };
  return {
    ...(cpuShare === null ? {} : { cpu_share: cpuShare }),
    ...(disk === null ? {} : { disk }),
  };
}

function diskNotes(disk: NonNullable<OthersRecord["disk"]>): readonly string[] {
  const theirs = disk.read_bytes + disk.written_bytes;
  if (
    theirs <= diskShareWorth * disk.moved_bytes ||
    theirs <= (diskRateWorth * disk.elapsed_ms) / 1000
  ) {
    return [];
  }
  return [
    `others used ${disk.names.join(", ")} meanwhile (other programs, or the file system's journal): ` +
      `${formatBytes(disk.read_bytes)} read and ${formatBytes(disk.written_bytes)} written of ` +
      formatBytes(disk.moved_bytes),
  ];
}

/**
 * A machine that is not the run's alone is the usual reason why figures do not repeat: on CPUs that others
 * keep busy a durable write of 25 us takes 2 ms, since what completes it waits for its turn.
 */
export function othersNotes({ cpu_share: share, disk }: OthersRecord): readonly string[] {
  const busy =
    share === undefined || share <= cpuShareWorth
      ? []
      : [
          `others had ${formatPercent(100 * share)} of the CPUs meanwhile: flushes and wake-ups wait for ` +
            "them, and latencies are not the target's alone",
        ];
  return [...busy, ...(disk === undefined ? [] : diskNotes(disk))];
}
