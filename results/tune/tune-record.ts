/** The shape of `tune.json`: what was searched, every run of it, what was found and how sure that is. */
import type { FileRecord } from "../sweep/file-record.ts";
import type { Given } from "../sweep/given.ts";
import type { Rule } from "../sweep/values.ts";
import type { OwnFile, SweepComparison } from "../sweep-record.ts";
import type { Goal, Why } from "./problem.ts";

export interface TuneInterval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** A configuration that was measured. */
export interface TuneTrial {
  /** `default`, or `c001`, `c002`, ... in the order in which they came up. */
  readonly id: string;
  /** Of each parameter the name of its value; `-` where it does not act. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Place of each value in the space; null for the default, which sets none of it. */
  readonly choice: readonly number[] | null;
  /** Why it could not run. */
  readonly failed?: string;
}

/** One run, in the order of the search. */
export interface TuneStep {
  readonly trial: string;
  /** Relative to the tuning's directory; `points/<id>/<number>`. */
  readonly run: string;
  readonly why: Why | "reference";
  /** Figures by metric; null: the run is not there, or has no such figure. */
  readonly figures: Readonly<Record<string, number | null>> | null;
}

/** What the model believes of a configuration that ran. */
export interface TuneBelief {
  readonly trial: string;
  readonly runs: number;
  /** Medians of its runs, by metric. */
  readonly figures: Readonly<Record<string, number | null>>;
  /** Goals in their own units, with the 95% interval of the model. */
  readonly expected: Readonly<Record<string, TuneInterval>>;
  /** Keeps the limits in the median of its runs. */
  readonly keeps: boolean;
}

export interface TuneImportance {
  readonly metric: string;
  readonly parameter: string;
  /** Of the differences between runs, 0 to 1. */
  readonly share: TuneInterval;
  /** How many times better the best value is than the worst, on average over the rest. */
  readonly effect: TuneInterval;
  readonly best: string;
  /** Probability that it is the best value, 0 to 1. */
  readonly chance: number;
}

/** A limit in the fresh runs of one side of the confirmation. */
export interface TuneKept {
  readonly configuration: string;
  readonly limit: string;
  readonly median: number | null;
  readonly kept: number;
  readonly runs: number;
}

export interface TuneConfirmed {
  readonly configuration: string;
  readonly trial: string;
  readonly verdict: "better" | "worse" | "same" | "unclear";
}

/** The winner as others can use it. */
export interface TunedSettings {
  readonly trial: string;
  /** Everything that it sets: options, job keys, `host.KNOB`. */
  readonly settings: Readonly<Record<string, string>>;
  /** The sweep file that measures it against the default. */
  readonly profile: Readonly<Record<string, unknown>>;
}

/** Which choices of the space may be measured. */
export interface TuneRules {
  readonly when: Readonly<Record<string, Rule>>;
  readonly exclude: readonly Rule[];
}

export interface TuneRecord {
  readonly schema: "osdyno-tune-1";
  readonly state: "complete" | "partial";
  readonly reason?: string;
  readonly name: string;
  readonly question: string;
  /** The tune file as it was read: what was asked is held to it. Absent in records of older versions. */
  readonly file?: FileRecord;
  /** What its runs were made with beside it; a resumed tuning has the same. Absent in older records. */
  readonly given?: Given;
  readonly command: readonly string[];
  readonly seed: number;
  readonly method: string;
  /** Runs of each configuration, as far as the method leaves that to the file; absent in older records. */
  readonly repeat?: number;
  readonly goals: readonly Goal[];
  readonly limits: readonly string[];
  readonly metrics: readonly string[];
  /** Parameters with their values; `ordered`: numbers on a line. */
  readonly space: Readonly<
    Record<string, { readonly values: readonly string[]; readonly ordered: boolean }>
  >;
  readonly choices: number;
  /** The file's `when:` and `exclude:`; absent without any. */
  readonly rules?: TuneRules;
  /** Runs are too short for verdicts: the confirmation gives none. Absent in records of older versions. */
  readonly preview?: true;
  /** What it does beside what its file says, one line each. */
  readonly notes?: readonly string[];
  /** What the default sets beyond nothing. */
  readonly baseline: Readonly<Record<string, string>>;
  /** What options have in the default where nothing sets them, as its first run found them. */
  readonly standard: Readonly<Record<string, string>>;
  /** The default as a choice of the space; absent where it lies beside it, and in earlier records. */
  readonly default_choice?: readonly number[];
  /** Runs of the search with those of the default, and pairs of the confirmation. */
  readonly planned: { readonly runs: number | null; readonly pairs: number };
  readonly budget: { readonly runs: number | null; readonly seconds: number | null };
  readonly spent_seconds: number;
  readonly trials: readonly TuneTrial[];
  readonly steps: readonly TuneStep[];
  readonly beliefs: readonly TuneBelief[];
  /** Of two goals: the trials that no other beats in both. */
  readonly front: readonly string[];
  readonly importance: readonly TuneImportance[];
  /** Standard deviation of a run around its configuration's mean, by goal, as a share. */
  readonly noise: Readonly<Record<string, number>>;
  /** The best by what is known, the best first. */
  readonly leading: readonly string[];
  /** Trials that are confirmed, the best first; fixed once the search has ended. */
  readonly chosen: readonly string[];
  /** Empty until there are fresh runs. `base` and `candidate` are `default`, `tuned`, `tuned-2`, ... */
  readonly comparisons: readonly SweepComparison[];
  readonly kept: readonly TuneKept[];
  readonly confirmed: readonly TuneConfirmed[];
  /** What `answer/` is made of, of the first winner; absent without one, and in older records. */
  readonly tuned?: TunedSettings;
  /** The first sentence stands alone. */
  readonly answer: readonly string[];
  /** Of every file of the host that was changed what it held before. */
  readonly host_before?: Readonly<Record<string, string>>;
  readonly files?: readonly OwnFile[];
  readonly stores?: readonly OwnFile[];
}
