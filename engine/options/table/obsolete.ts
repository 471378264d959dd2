/** What older versions had: accepted with a warning. */
import type { OptionEntry } from "../option.ts";

export const obsoleteOptions: readonly OptionEntry[] = [
  {
    name: "osd_disk_threads",
    type: "int",
    default: 1,
    change: "startup",
    layer: "osd",
    obsolete: "these run in the op scheduler",
    summary: "threads of trims and scrubs",
  },
  {
    name: "osd_recovery_threads",
    type: "int",
    default: 1,
    change: "startup",
    layer: "osd",
    obsolete: "recovery runs in the op scheduler",
    summary: "threads of recovery",
  },
  {
    name: "osd_scrub_thread_timeout",
    type: "int",
    default: 60,
    change: "startup",
    layer: "osd",
    obsolete: "scrubs run in the op scheduler: osd_op_thread_timeout",
    summary: "seconds after which a scrub thread counted as slow",
  },
  {
    name: "osd_scrub_finalize_thread_timeout",
    type: "int",
    default: 600,
    change: "startup",
    layer: "osd",
    obsolete: "scrubs run in the op scheduler: osd_op_thread_timeout",
    summary: "seconds after which the end of a scrub counted as slow",
  },
];
