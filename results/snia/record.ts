/** What `sweep.json` says of a test of the SNIA PTS, under `snia`. Times are ns unless a name says otherwise. */
import type { Followed } from "./procedures.ts";
import type { WindowVerdict } from "./steady-rule.ts";

/** Figures of one cell of one run. */
export interface CellFigures {
  readonly cell: string;
  readonly ios: number;
  readonly iops: number;
  readonly bw_bytes: number;
  readonly latency_mean_ns: number;
  readonly latency_max_ns: number;
  /** Keys with six decimals; a percentile with fewer than ten samples beyond it is left out. */
  readonly percentile: Readonly<Record<string, number>>;
}

/** One run of the procedure. */
export interface SniaRun {
  readonly id: string;
  readonly section: string;
  readonly step: string;
  readonly kind: "purge" | "fill" | "rounds" | "saturate" | "drive" | "histograms";
  /** Of rounds, from 1; else 0. */
  readonly round: number;
  /** Its directory, relative to the sweep's. */
  readonly run: string;
  /** Counts up with each interruption: runs of one part followed each other at once. */
  readonly part: number;
  readonly started: string;
  readonly seconds: number;
  readonly written_bytes: number;
  readonly cells: readonly CellFigures[];
}

export interface SniaVerdict {
  readonly section: string;
  readonly step: string;
  /** What each verdict is of. */
  readonly followed: readonly Followed[];
  readonly rounds: number;
  readonly most_rounds: number;
  readonly steady: boolean;
  /** The window that was judged last, from its first round; null before there was one. */
  readonly window: { readonly first: number; readonly last: number } | null;
  readonly verdicts: readonly WindowVerdict[];
  /** Why no more rounds were made. */
  readonly ended: "steady" | "rounds" | "bytes" | "time" | "open";
}

export interface SniaRecord {
  readonly schema: "osdyno-snia-1";
  readonly test: string;
  readonly edition: string;
  readonly class: "enterprise" | "client";
  /** Empty: as the standard says. Else what was otherwise, one line each. */
  readonly deviations: readonly string[];
  readonly target: string;
  readonly target_kind: string;
  readonly capacity_bytes: number;
  readonly active_bytes: number;
  readonly minute_seconds: number;
  readonly cycles: number;
  readonly threads: number;
  readonly depth: number;
  readonly purge: string;
  readonly purge_statement: string;
  readonly people: Readonly<Record<string, string>>;
  readonly endurance: {
    readonly written_bytes: number;
    /** Of these, by runs that were cut short and do not count. */
    readonly lost_bytes: number;
    readonly rated_bytes: number | null;
    /** The device profile that states it. */
    readonly rated_from?: string;
    readonly most_bytes: number | null;
  };
  readonly verdicts: readonly SniaVerdict[];
  readonly runs: readonly SniaRun[];
}
