/** Sets of choices to begin with: at random, evenly, all. */
import type { SeededRandom } from "../../engine/base/random.ts";
import type { Problem } from "./problem.ts";
import { type Choice, choiceAt, type Dimension, keyOf, sizeOf } from "./space.ts";

export function shuffled<T>(list: readonly T[], random: SeededRandom): T[] {
  const order = [...list];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = random.below(last + 1);
    [order[last], order[other]] = [order[other] as T, order[last] as T];
  }
  return order;
}

/** How often a draw is tried again when it is excluded or taken. */
const patience = 200;

/** Different choices at random. */
export function randomChoices(problem: Problem, count: number, random: SeededRandom): Choice[] {
  const { space, allowed } = problem;
  const found = new Map<string, Choice>();
  for (let tries = 0; found.size < count && tries < count * patience; tries += 1) {
    const choice = space.map(({ values }) => random.below(values.length));
    if (allowed(choice)) {
      found.set(keyOf(choice), choice);
    }
  }
  return [...found.values()];
}

/** Each dimension's values as evenly as they can be over `count` choices, in an order of their own. */
function hypercube(space: readonly Dimension[], count: number, random: SeededRandom): Choice[] {
  const columns = space.map(({ values }) => {
    const even = Array.from({ length: count }, (_, place) => {
      // The cells of a Latin hypercube, which values share out among them.
      const cell = (place + random.unit()) / count;
      return Math.min(values.length - 1, Math.floor(cell * values.length));
    });
    return shuffled(even, random);
  });
  return Array.from({ length: count }, (_, place) => columns.map((column) => column[place] ?? 0));
}

/** A Latin hypercube; what is excluded or twice there makes room for choices at random. */
export function latinChoices(problem: Problem, count: number, random: SeededRandom): Choice[] {
  const cube = hypercube(problem.space, count, random).filter(problem.allowed);
  const found = new Map(cube.map((choice) => [keyOf(choice), choice]));
  for (const choice of randomChoices(problem, count, random)) {
    if (found.size < count && !found.has(keyOf(choice))) {
      found.set(keyOf(choice), choice);
    }
  }
  return [...found.values()];
}

/** Every choice that is allowed. */
export function allChoices({ space, allowed }: Problem): Choice[] {
  return Array.from({ length: sizeOf(space) }, (_, number) => choiceAt(space, number)).filter(
    allowed,
  );
}
