/** A draft on its way to a resolved job. */
import type { Draft } from "./draft.ts";
import type { Notes, Place } from "./place.ts";

/** A job's draft with what the parser knows beside it. */
export interface Resolving {
  readonly draft: Draft;
  readonly place: Place;
  readonly given: ReadonlyMap<string, string>;
  readonly notes: Notes;
  /** Keys and engines without behaviour yet are let through (tests and tools). */
  readonly allowPending: boolean;
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
