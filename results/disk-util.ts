/** What the kernel counted for a disk over the run, in the shape of fio's `disk_util`. */

import type { DiskCounters, DiskUse } from "../workloads/runner/device-stats.ts";

/** One entry of `disk_util`, fio's names and order; sectors are newer than fio 3.33. */
export interface DiskUtilRecord {
  readonly name: string;
  readonly read_ios: number;
  readonly write_ios: number;
  readonly read_sectors: number;
  readonly write_sectors: number;
  readonly read_merges: number;
  readonly write_merges: number;
  readonly read_ticks: number;
  readonly write_ticks: number;
  readonly in_queue: number;
  readonly util: number;
  readonly [aggregate: `aggr_${string}`]: number;
}

/** Share of the time in which the disk was busy, percent. */
export function diskUtilPercent(use: DiskUse): number {
  if (use.elapsedMs <= 0) {
    return 0;
  }
  return Math.min(100, (100 * (use.after.ioTicksMs - use.before.ioTicksMs)) / use.elapsedMs);
}

function grown(use: DiskUse, key: keyof DiskCounters): number {
  // A counter that went back (a device replaced under us) counts as no activity, not as a negative
  // one.
  return Math.max(0, use.after[key] - use.before[key]);
}

/** fio's aggregate over the members: the mean of each counter, the largest utilisation. */
function aggregates(members: readonly DiskUse[]): Record<`aggr_${string}`, number> {
  const mean = (key: keyof DiskCounters) =>
    Math.floor(members.reduce((sum, member) => sum + grown(member, key), 0) / members.length);
  return {
    aggr_read_ios: mean("readIos"),
    aggr_write_ios: mean("writeIos"),
    aggr_read_merges: mean("readMerges"),
    // fio spells this one without the s.
    aggr_write_merge: mean("writeMerges"),
    aggr_read_ticks: mean("readTicksMs"),
    aggr_write_ticks: mean("writeTicksMs"),
    aggr_in_queue: mean("inQueueMs"),
    aggr_util: Math.max(...members.map(diskUtilPercent)),
  };
}

export function diskUtilRecord(use: DiskUse): DiskUtilRecord {
  const members = use.members ?? [];
  return {
    name: use.name,
    read_ios: grown(use, "readIos"),
    write_ios: grown(use, "writeIos"),
    read_sectors: grown(use, "readSectors"),
    write_sectors: grown(use, "writeSectors"),
    read_merges: grown(use, "readMerges"),
    write_merges: grown(use, "writeMerges"),
    read_ticks: grown(use, "readTicksMs"),
    write_ticks: grown(use, "writeTicksMs"),
    in_queue: grown(use, "inQueueMs"),
    util: diskUtilPercent(use),
    ...(members.length > 0 ? aggregates(members) : {}),
  };
}
