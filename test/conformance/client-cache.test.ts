/** A client cache is a block device: it keeps the contract of one, under every policy. */
import { clientCacheKinds } from "../../engine/hot/clientcache/registry.ts";
import { clientCacheSubject } from "../../engine/sim/layer-subjects.ts";
import { settle } from "./kv-subjects.ts";
import { checkLayer } from "./layer-checks.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));

const shapes = clientCacheKinds().flatMap((kind) => [
  { kind, fua: true, sizeBytes: 64 << 10 },
  { kind, fua: false, sizeBytes: 1 << 20 },
  { kind, fua: true, sizeBytes: 0 },
]);

for (const { kind, fua, sizeBytes } of shapes) {
  const sizes = { sizeBytes, maxDirtyBytes: sizeBytes / 2, targetDirtyBytes: sizeBytes / 4 };
  const subject = clientCacheSubject(kind, { fua, seed, settle }, sizes);
  checkLayer(`${kind.name}, ${sizeBytes} bytes, fua ${fua}`, subject, seed);
}
