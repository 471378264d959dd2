/**
 * Every key a job may hold: its type, unit, default and what it does to a draft. `foreign-keys.ts`
 * names those that fio has and this version refuses.
 */

import { blockKeys } from "./block-keys.ts";
import { checkKeys, contentKeys } from "./check-keys.ts";
import { dataKeys, randomKeys, reportKeys } from "./content-keys.ts";
import { fileKeys } from "./file-keys.ts";
import { hostKeys } from "./host-keys.ts";
import { idleKeys } from "./idle-keys.ts";
import type { SupportedKey } from "./key.ts";
import { layoutKeys, orderKeys, zoneKeys } from "./layout-keys.ts";
import { endKeys, latencyTargetKeys, steadyStateKeys, thinkKeys } from "./limit-keys.ts";
import { logKeys, measureKeys } from "./log-keys.ts";
import { ownKeys } from "./own-keys.ts";
import { commandPriorityKeys, engineOptionKeys, queueKeys, syncKeys } from "./queue-keys.ts";
import { replayKeys } from "./replay-keys.ts";
import { engineKeys, paceKeys, runKeys } from "./run-keys.ts";

/** The supported keys, in the order of a help page. */
export const supportedKeys: readonly SupportedKey[] = [
  ...fileKeys,
  ...layoutKeys,
  ...blockKeys,
  ...engineKeys,
  ...queueKeys,
  ...engineOptionKeys,
  ...commandPriorityKeys,
  ...syncKeys,
  ...runKeys,
  ...endKeys,
  ...paceKeys,
  ...thinkKeys,
  ...latencyTargetKeys,
  ...steadyStateKeys,
  ...randomKeys,
  ...orderKeys,
  ...zoneKeys,
  ...dataKeys,
  ...checkKeys,
  ...contentKeys,
  ...replayKeys,
  ...reportKeys,
  ...measureKeys,
  ...logKeys,
  ...hostKeys,
  ...idleKeys,
  ...ownKeys,
];
