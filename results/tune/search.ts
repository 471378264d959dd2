/**
 * The searches: what to measure next, as a pure function of what was measured so far and a seed. The same
 * history gives the same proposal, so that a tuning that was interrupted goes on as if it had not been.
 */
import { SeededRandom } from "../../engine/base/random.ts";
import { allChoices, latinChoices, randomChoices, shuffled } from "./designs.ts";
import { halving } from "./halving.ts";
import { modelSearch } from "./model-search.ts";
import type { Proposal, SearchState } from "./problem.ts";
import type { Choice } from "./space.ts";

export const methods = ["model", "grid", "random", "lhs", "halving"] as const;
export type Method = (typeof methods)[number];

export type Search = (state: SearchState) => Proposal | null;

/** Choices of a list one after the other, `repeat` times over, each round in an order of its own. */
function rounds(
  { history, repeat, runs, seed }: SearchState,
  list: readonly Choice[],
): Proposal | null {
  const at = history.length;
  const round = Math.floor(at / Math.max(1, list.length));
  if (round >= repeat || at >= runs) {
    return null;
  }
  const order = shuffled(list, new SeededRandom(seed).fork(`round ${round}`));
  const choice = order[at % list.length];
  return choice === undefined ? null : { choice, why: round === 0 ? "design" : "repeat" };
}

/** Choices that the runs suffice for. */
const affordable = ({ runs, repeat }: SearchState) => Math.max(1, Math.floor(runs / repeat));

export const searches: Readonly<Record<Method, Search>> = {
  grid: (state) => rounds(state, allChoices(state.problem)),
  random: (state) => {
    const random = new SeededRandom(state.seed).fork("random");
    return rounds(state, randomChoices(state.problem, affordable(state), random));
  },
  lhs: (state) => {
    const random = new SeededRandom(state.seed).fork("lhs");
    return rounds(state, latinChoices(state.problem, affordable(state), random));
  },
  halving,
  model: modelSearch,
};
