/** Verdicts of a test from its runs: by those who conduct it, and again by those who check it. */
import { join } from "node:path";
import { samplesOf } from "./figures.ts";
import type { Followed, Section, Step } from "./procedures.ts";
import type { SniaRun, SniaVerdict } from "./record.ts";
import { type FollowedValues, firstSteady, judgeLast, windowRounds } from "./steady-rule.ts";

/** The values of a followed figure, round by round. */
export function followedValues(
  { cell, figure, label }: Followed,
  rounds: readonly SniaRun[],
): FollowedValues {
  const values = rounds.map(({ cells }) => cells.find((each) => each.cell === cell)?.[figure] ?? 0);
  return { label, values };
}

/** Of the rounds so far; `otherwise`: why there are no more when they are not steady. */
export function roundsVerdict(
  section: Section,
  step: Extract<Step, { kind: "rounds" }>,
  rounds: readonly SniaRun[],
  otherwise: SniaVerdict["ended"],
): SniaVerdict {
  const followed = step.followed.map((each) => followedValues(each, rounds));
  const part = rounds.at(-1)?.part ?? 0;
  const firstRound = rounds.findIndex((round) => round.part === part) + 1;
  const verdicts = judgeLast(followed, Math.max(1, firstRound));
  const steady = verdicts?.every((verdict) => verdict.steady) ?? false;
  return {
    section: section.id,
    step: step.id,
    followed: step.followed,
    rounds: rounds.length,
    most_rounds: step.most,
    steady,
    window:
      verdicts === null ? null : { first: rounds.length - windowRounds + 1, last: rounds.length },
    verdicts: verdicts ?? [],
    ended: steady ? "steady" : otherwise,
  };
}

/** One run of a saturation. */
export interface SaturationPiece {
  readonly part: number;
  readonly writtenBytes: number;
  /** IOPS of its rounds. */
  readonly iops: readonly number[];
}

export function pieceOf(
  directory: string,
  { run, part, written_bytes: writtenBytes }: SniaRun,
  { roundSeconds, cell }: Extract<Step, { kind: "saturate" }>,
): SaturationPiece {
  const samples = samplesOf(join(directory, run), roundSeconds, cell.id, "apart");
  return { part, writtenBytes, iops: samples.map(({ iops }) => iops) };
}

export const iopsOf = (values: readonly number[]): FollowedValues => ({
  label: "IOPS, R/W 0/100, 4 KiB",
  values,
});

/** The round from which a window may begin: after the last interruption. `part` is that of what comes next. */
export function firstRoundOf(pieces: readonly SaturationPiece[], part: number): number {
  const before = pieces.findLastIndex((piece) => piece.part !== part) + 1;
  return pieces.slice(0, before).reduce((sum, { iops }) => sum + iops.length, 0) + 1;
}

/** Of the runs so far, one at least. */
export function saturationVerdict(
  section: Section,
  step: Extract<Step, { kind: "saturate" }>,
  pieces: readonly SaturationPiece[],
): SniaVerdict {
  const last = pieces.at(-1);
  const values = pieces.flatMap(({ iops }) => iops);
  const firstRound = firstRoundOf(pieces, last?.part ?? 0);
  const written = pieces.reduce((sum, { writtenBytes }) => sum + writtenBytes, 0);
  const steady = firstSteady([iopsOf(values)], firstRound);
  const verdicts = steady?.verdicts ?? judgeLast([iopsOf(values)], firstRound) ?? [];
  const end = steady?.round ?? values.length;
  const over = values.length >= step.mostRounds || last?.iops.length === 0;
  return {
    ...{ section: section.id, step: step.id },
    followed: [{ cell: step.cell.id, figure: "iops", label: iopsOf([]).label }],
    ...{ rounds: values.length, most_rounds: step.mostRounds, steady: steady !== null },
    window: verdicts.length === 0 ? null : { first: end - windowRounds + 1, last: end },
    verdicts,
    ended:
      steady !== null ? "steady" : written >= step.mostBytes ? "bytes" : over ? "time" : "open",
  };
}
