/** A client cache is a block device: it keeps the contract of one, under every policy. */
import { describe, expect, it } from "vitest";
import { clientCacheKinds } from "../../engine/hot/clientcache/registry.ts";
import { conformanceChecks, runCheck } from "../../engine/hot/ioengine/conformance.ts";
import { clientCacheSubject } from "../../engine/sim/layer-subjects.ts";
import { settle } from "./kv-subjects.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));

const shapes = clientCacheKinds().flatMap((kind) => [
  { kind, fua: true, sizeBytes: 64 << 10 },
  { kind, fua: false, sizeBytes: 1 << 20 },
  { kind, fua: true, sizeBytes: 0 },
]);

describe.each(shapes)("$kind.name, $sizeBytes bytes, fua $fua", ({ kind, fua, sizeBytes }) => {
  const sizes = { sizeBytes, maxDirtyBytes: sizeBytes / 2, targetDirtyBytes: sizeBytes / 4 };
  const subject = clientCacheSubject(kind, { fua, seed, settle }, sizes);
  for (const check of conformanceChecks) {
    it(check.name, async (context) => {
      const result = await runCheck(subject, check, seed);
      if (result.outcome === "skipped") {
        context.skip(result.reason);
      }
      expect(result.outcome, result.reason).toBe("passed");
    });
  }
});
