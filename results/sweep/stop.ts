/** When a sweep with a stop rule ends: at looks that are fixed beforehand, so that peeking stays honest. */
import { type Look, planLooks } from "../stats/looks.ts";
import { leastRuns } from "../stats/verdict.ts";
import type { SweepSpec } from "./spec.ts";

/** All looks together are wrong no more often than this. */
const level = 0.05;

/** After how many blocks a sweep may end, and the level of its p values there; none without a stop rule. */
export function looksOf({ repeat, until }: SweepSpec): readonly Look[] {
  return until === null ? [] : planLooks(until.maxRepeat, level, Math.max(repeat, leastRuns));
}

/**
 * The level that p values must reach after so many blocks. Where no look was planned, as when the time is up,
 * it is that of the one that was due next: the clock knows nothing of the figures.
 */
export function levelAt(looks: readonly Look[], blocks: number): number {
  return (looks.find(({ runs }) => runs >= blocks) ?? looks.at(-1))?.level ?? level;
}
