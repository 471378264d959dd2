/**
 * What a search runs next, as a pure function of what it ran: the default at its turns, and otherwise what the
 * method proposes. A tuning goes by it, and whoever checks one goes through it again.
 */
import { historyOf } from "./conclude.ts";
import type { Problem } from "./problem.ts";
import { type Method, searches } from "./search.ts";
import { type Choice, keyOf } from "./space.ts";
import { defaultId } from "./trials.ts";
import type { TuneRecord, TuneStep } from "./tune-record.ts";

/** So many runs of the search after which the default runs again. */
const referenceEvery = 10;
/** Runs of the default to begin with. */
export const firstReferences = 2;
/** A search of fewer runs is none. */
export const leastSearch = 4;

/** Runs of the search itself out of all that come before the confirmation. */
export function searchRuns(planned: number): number {
  const left = planned - firstReferences;
  return left - Math.floor(left / (referenceEvery + 1));
}

export interface NextStep {
  readonly trial: string;
  /** Null: the default. */
  readonly choice: Choice | null;
  readonly why: TuneStep["why"];
}

/** Null when the search has ended; its budget of time is the caller's to look after. */
export function nextStep(
  problem: Problem,
  record: TuneRecord,
  method: Method,
  repeat: number,
): NextStep | null {
  const { steps, planned, trials, seed } = record;
  const references = steps.filter(({ why }) => why === "reference").length;
  const due = firstReferences + Math.floor((steps.length - references) / referenceEvery);
  if (planned.runs !== null && steps.length >= planned.runs) {
    return null;
  }
  if (references < due) {
    return { trial: defaultId, choice: null, why: "reference" };
  }
  const proposal = searches[method]({
    problem,
    history: historyOf(record),
    seed,
    runs: planned.runs === null ? leastSearch : searchRuns(planned.runs),
    repeat,
  });
  if (proposal === null) {
    return null;
  }
  const { choice, why } = proposal;
  const others = trials.filter((each) => each.choice !== null);
  const known = others.find((each) => keyOf(each.choice ?? []) === keyOf(choice));
  return { trial: known?.id ?? trialName(others.length + 1), choice, why };
}

/** `c001`: choices by the order in which they came up. */
const trialName = (number: number) => `c${String(number).padStart(3, "0")}`;
