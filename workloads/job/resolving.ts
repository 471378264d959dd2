/** A draft on its way to a resolved job. */
import type { Draft } from "./draft.ts";
import type { Notes, Place } from "./place.ts";

/** A job's draft with what the parser knows beside it. */
export interface Resolving {
  readonly draft: Draft;
  readonly place: Place;
  readonly given: ReadonlyMap<string, string>;
  readonly notes: Notes;
  /** Where the job runs: what replaces every job's `target`, else its own. */
  readonly target: string | null;
}

/** Where the first of these keys was set, else where the job begins. */
export function placeOf(resolving: Resolving, ...keys: readonly string[]): Place {
  for (const key of keys) {
    const place = resolving.draft.places.get(key);
    if (place !== undefined) {
      return place;
    }
  }
  return resolving.place;
}
