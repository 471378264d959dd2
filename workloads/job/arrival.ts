/** Schedules of arrival from `rate`, `rate_iops`, `rate_process` and `arrival`. */
import type { ArrivalChoice, Draft } from "./draft.ts";
import type { ArrivalRule, PerDirection } from "./model.ts";
import { objectShares } from "./object-rules.ts";
import { badInput } from "./place.ts";
import { placeOf, type Resolving } from "./resolving.ts";

type Direction = 0 | 1 | 2;

/** A schedule for each direction that the job uses; `null` where it is a closed loop. */
export function resolveArrival(
  resolving: Resolving,
  uses: readonly Direction[],
): PerDirection<ArrivalRule | null> {
  const { draft } = resolving;
  const byBytes = uses.some((index) => draft.rate[index] > 0);
  const byCount = uses.some((index) => draft.rateIops[index] > 0);
  if (draft.rate.some((rate) => rate > 0) && draft.rateIops.some((rate) => rate > 0)) {
    throw badInput(
      placeOf(resolving, "rate_iops", "rate"),
      "rate and rate_iops exclude each other: keep one",
    );
  }
  checkChoice(resolving, byBytes, byCount);
  const rates = byBytes ? draft.rate : draft.rateIops;
  const of = (index: Direction): ArrivalRule | null =>
    uses.includes(index) ? ruleOf(draft, index, uses, rates[index], byBytes) : null;
  return [of(0), of(1), of(2)];
}

function checkChoice(resolving: Resolving, byBytes: boolean, byCount: boolean): void {
  const { draft } = resolving;
  const choice = draft.arrival;
  if (choice === null) {
    return;
  }
  const wrong = (message: string) =>
    badInput(placeOf(resolving, "arrival"), `arrival=${choice.kind} ${message}`);
  const rated = byBytes || byCount;
  if (choice.kind === "closed" && rated) {
    throw wrong("contradicts the rate: a rate is a schedule; remove one of them");
  }
  if ((choice.kind === "constant" || choice.kind === "poisson") && !rated) {
    throw wrong("needs rate_iops= (or rate=) for the directions of this job");
  }
  if (choice.kind === "constant" && draft.rateProcess === "poisson") {
    throw wrong("contradicts rate_process=poisson; remove one of them");
  }
  if (choice.kind === "burst" && !byCount) {
    throw wrong("needs rate_iops=: the rate within a burst");
  }
  if (choice.kind === "profile" && rated) {
    throw wrong("brings its own rates; remove rate and rate_iops");
  }
}

function ruleOf(
  draft: Draft,
  index: Direction,
  uses: readonly Direction[],
  rate: number,
  byBytes: boolean,
): ArrivalRule | null {
  const choice: ArrivalChoice | null = draft.arrival;
  const poisson = choice?.kind === "poisson" || draft.rateProcess === "poisson";
  if (choice?.kind === "profile") {
    const share = shareOf(draft, index, uses);
    const points = choice.points.map(([at, whole]) => [at, whole * share] as const);
    return { kind: "profile", points, poisson, repeat: choice.repeat };
  }
  if (rate === 0) {
    return null;
  }
  if (choice?.kind === "burst") {
    return { kind: "burst", rate, onNs: choice.onNs, offNs: choice.offNs, poisson };
  }
  return { kind: poisson ? "poisson" : "constant", rate, byBytes };
}

/** A profile is the rate of the whole job; a mixed job shares it out by its mix. */
function shareOf(draft: Draft, index: Direction, uses: readonly Direction[]): number {
  if (uses.length === 1) {
    return 1;
  }
  const shares = objectShares(draft);
  if (shares !== null) {
    return shares[index] / 100;
  }
  if (!uses.includes(0)) {
    return 1 / uses.length;
  }
  return (index === 0 ? draft.rwmixread : 100 - draft.rwmixread) / 100;
}
