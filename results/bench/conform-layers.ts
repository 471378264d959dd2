/** The block device suite over plug-ins that are layers, write logs and client caches, on simulated disks. */
import { clientCacheOfPlugIn } from "../../engine/hot/clientcache/plug-in.ts";
import { clientCacheKind } from "../../engine/hot/clientcache/registry.ts";
import {
  type ConformanceResult,
  type ConformanceSubject,
  conformanceChecks,
  runCheck,
} from "../../engine/hot/ioengine/conformance.ts";
import { writeLogOfPlugIn } from "../../engine/hot/writelog/plug-in.ts";
import { writeLogKind } from "../../engine/hot/writelog/registry.ts";
import { clientCacheSubject, writeLogSubject } from "../../engine/sim/layer-subjects.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export type LayerHotPath = "writelog" | "clientcache";

interface LayerPlugIn {
  readonly name: string;
  readonly describe: string;
  readonly subject: ConformanceSubject;
}

/** The module's default export as a subject; throws `bad-input` when it is no such plug-in. */
function layerOf(
  hotPath: LayerHotPath,
  exported: unknown,
  file: string,
  seed: number,
): LayerPlugIn {
  const shape = { fua: true, seed, settle };
  if (hotPath === "writelog") {
    const kind = writeLogOfPlugIn(exported, { kind: writeLogKind }, file);
    return { ...kind, subject: writeLogSubject(kind, shape) };
  }
  const kind = clientCacheOfPlugIn(exported, { kind: clientCacheKind }, file);
  const sizes = { sizeBytes: 64 << 10, maxDirtyBytes: 32 << 10, targetDirtyBytes: 16 << 10 };
  return { ...kind, subject: clientCacheSubject(kind, shape, sizes) };
}

/** Runs every check; what a plug-in throws is a failed one. */
export async function conformLayer(
  hotPath: LayerHotPath,
  exported: unknown,
  file: string,
  seed: number,
  onCheck: (done: number, total: number, name: string) => void,
): Promise<LayerPlugIn & { readonly results: readonly ConformanceResult[] }> {
  const layer = layerOf(hotPath, exported, file, seed);
  const results: ConformanceResult[] = [];
  for (const check of conformanceChecks) {
    onCheck(results.length, conformanceChecks.length, check.name);
    try {
      results.push(await runCheck(layer.subject, check, seed));
    } catch (error) {
      const reason = `it threw: ${error instanceof Error ? error.message : String(error)} (seed ${seed})`;
      results.push({ check: check.name, outcome: "failed", reason });
    }
  }
  return { ...layer, results };
}
