/** The conformance suite of the key-value stores over a plug-in, on simulated disks. */
import { type KvCheckResult, kvChecks, runKvCheck } from "../../engine/hot/kv/conformance.ts";
import type { KeyValueEngine } from "../../engine/hot/kv/kv.ts";
import { kvEngineOfPlugIn } from "../../engine/hot/kv/plug-in.ts";
import { openKeyValueStore } from "../../engine/hot/kv/registry.ts";
import { simulatedKvSubject } from "../../engine/sim/kv-place.ts";

/** A turn of the event loop. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Runs every check on the module's default export; throws `bad-input` when it is no such plug-in. */
export async function conformKeyValue(
  exported: unknown,
  file: string,
  seed: number,
  onCheck: (done: number, total: number, name: string) => void,
): Promise<{ readonly engine: KeyValueEngine; readonly results: readonly KvCheckResult[] }> {
  const engine = kvEngineOfPlugIn(exported, { open: openKeyValueStore }, file);
  const subject = simulatedKvSubject(engine, {
    name: engine.name,
    separate: false,
    fua: true,
    blockBytes: 4096,
    slotBytes: 16_384,
    options: {},
    settle,
  });
  const results: KvCheckResult[] = [];
  for (const check of kvChecks) {
    onCheck(results.length, kvChecks.length, check.name);
    results.push(await runKvCheck(subject, check, seed));
  }
  return { engine, results };
}
