/** What the table of keys is made of. */
import type { Draft } from "./draft.ts";
import type { GivenValue } from "./given-value.ts";

export type KeyType =
  | "text"
  | "names"
  | "choice"
  | "number"
  | "size"
  | "time"
  | "range"
  | "split"
  | "switch"
  | "word"
  | "list"
  | "pattern";

export interface SupportedKey {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly type: KeyType;
  readonly unit?: string;
  readonly default: string;
  readonly summary: string;
  /** Ours, unknown to fio. */
  readonly own?: boolean;
  /** fio applies keys of a section by priority first; 0 when absent. */
  readonly priority?: number;
  /** Accepted, but nothing follows from it here: why. A note says so wherever the key is used. */
  readonly noEffect?: string;
  readonly apply: (draft: Draft, value: GivenValue) => void;
}

/** More threads than any machine serves; a typing error, not a wish. */
export const mostClones = 4096;
export const deepestQueue = 65_536;
