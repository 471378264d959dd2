/** The bench of the cache policies: hit ratio and time for each access on seeded traces, from cold. */
import { SeededRandom } from "../../engine/base/random.ts";
import { type CacheKind, cacheKinds } from "../../engine/hot/cache/registry.ts";
import type { MicroCell, MicroPlan, MicroSubject } from "./micro.ts";

const accesses = 200_000;
const keys = 40_000;
const entryBytes = 4096;
/** A tenth of the keys. */
const cacheBytes = (keys / 10) * entryBytes;

/** Ranks 0 to `count` - 1, rank k drawn in proportion to 1 / (k + 1)^0.9; ranks are spread over keys. */
class Zipf {
  readonly #sums: Float64Array;
  readonly #random: SeededRandom;

  constructor(count: number, random: SeededRandom) {
    this.#random = random;
    this.#sums = new Float64Array(count);
    let sum = 0;
    for (let rank = 0; rank < count; rank += 1) {
      sum += (rank + 1) ** -0.9;
      this.#sums[rank] = sum;
    }
  }

  draw(): number {
    const sums = this.#sums;
    const wanted = this.#random.unit() * (sums[sums.length - 1] as number);
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] as number) < wanted) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    // 7,919 is prime to the number of keys: neighbours in rank are not neighbours in key.
    return (low * 7919) % sums.length;
  }
}

/** Keys below `keys` are asked for again; the others come once, from scans. */
function traces(seed: number): Readonly<Record<string, Int32Array>> {
  const random = new SeededRandom(seed);
  const zipf = new Zipf(keys, random);
  const plain = Int32Array.from({ length: accesses }, () => zipf.draw());
  let fresh = keys;
  // In every 10,000 accesses, 4,000 of a scan.
  const mixed = Int32Array.from({ length: accesses }, (_, at) => {
    if (at % 10_000 < 6000) {
      return zipf.draw();
    }
    fresh += 1;
    return fresh;
  });
  const around = Math.floor((cacheBytes / entryBytes) * 1.2);
  return {
    zipf: plain,
    "zipf and scans": mixed,
    scan: Int32Array.from({ length: accesses }, (_, at) => keys + at),
    loop: Int32Array.from({ length: accesses }, (_, at) => at % around),
  };
}

function subjectOf(kind: CacheKind, trace: Int32Array): MicroSubject {
  const highest = trace.reduce((most, key) => Math.max(most, key), 0);
  const slots = new Int32Array(highest + 1);
  let hits = 0;
  const gone = (key: number | string) => {
    slots[key as number] = -1;
  };
  const run = () => {
    const policy = kind.create({});
    slots.fill(-1);
    for (let at = 0; at < trace.length; at += 1) {
      const key = trace[at] as number;
      const slot = slots[key] as number;
      if (slot >= 0) {
        policy.hit(slot);
      } else {
        policy.miss();
        slots[key] = policy.insert(key, entryBytes);
        policy.trimTo(cacheBytes, gone);
      }
    }
    hits = policy.stats.hits;
  };
  run();
  return {
    operations: trace.length,
    run,
    facts: { hit_ratio: hits / trace.length },
    // Which keys are held in the end.
    result: () => Uint8Array.from(slots, (slot) => (slot < 0 ? 0 : 1)),
    close: () => {},
  };
}

/** `only`: one policy; `null`: all. */
export function cacheBench(seed: number, only: string | null): MicroPlan {
  const made = traces(seed);
  const cells: MicroCell[] = cacheKinds()
    .filter(({ name }) => only === null || only === name)
    .flatMap((kind) =>
      Object.entries(made).map(([workload, trace]) => ({
        implementation: kind.name,
        workload,
        operationBytes: 0,
        prepare: () => subjectOf(kind, trace),
      })),
    );
  const notes = [
    `${accesses} accesses from cold; room for ${cacheBytes / entryBytes} entries of ${keys} keys; zipf exponent 0.9`,
  ];
  return { hotPath: "cache", cells, notes };
}
