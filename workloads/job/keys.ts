/**
 * Every key a job may hold: its type, unit, default and what it does to a draft. `foreign-keys.ts`
 * names those that fio has and this version refuses.
 */
import { blockKeys } from "./block-keys.ts";
import { dataKeys, randomKeys, reportKeys } from "./content-keys.ts";
import { fileKeys } from "./file-keys.ts";
import type { SupportedKey } from "./key.ts";
import { ownKeys } from "./own-keys.ts";
import { engineKeys, paceKeys, runKeys } from "./run-keys.ts";

/** The supported keys, in the order of a help page. */
export const supportedKeys: readonly SupportedKey[] = [
  ...fileKeys,
  ...blockKeys,
  ...engineKeys,
  ...runKeys,
  ...paceKeys,
  ...randomKeys,
  ...dataKeys,
  ...reportKeys,
  ...ownKeys,
];
