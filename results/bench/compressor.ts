/** The bench of the compressors, on made data of which half repeats. */
import { SeededRandom } from "../../engine/base/random.ts";
import type { Compressor } from "../../engine/hot/compressor/compressor.ts";
import { compressorKinds } from "../../engine/hot/compressor/registry.ts";
import { sampleData } from "../../engine/hot/compressor/sample-data.ts";
import type { MicroCell, MicroPlan, MicroSubject } from "./micro.ts";

const blobSizes = [4096, 65_536] as const;
const blobs = 16;

interface Work {
  readonly raw: Uint8Array;
  readonly small: Uint8Array;
}

function workOf(compressor: Compressor, seed: number, blobBytes: number): Work[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: blobs }, () => {
    const raw = sampleData(random, blobBytes, 0.5, 64);
    const out = new Uint8Array(2 * blobBytes + 1024);
    return { raw, small: out.slice(0, compressor.compress(raw, out)) };
  });
}

function subjectOf(
  works: readonly Work[],
  room: Uint8Array,
  run: (work: Work) => void,
): MicroSubject {
  const raw = works.reduce((sum, work) => sum + work.raw.length, 0);
  const small = works.reduce((sum, work) => sum + work.small.length, 0);
  return {
    operations: works.length,
    run: () => {
      for (const work of works) {
        run(work);
      }
    },
    facts: { ratio: small / raw },
    result: () => room,
    close: () => {},
  };
}

function cellsOf(compressor: Compressor, seed: number, blobBytes: number): MicroCell[] {
  const workload = (what: string) => `${what}, ${blobBytes / 1024} KiB`;
  const common = { implementation: compressor.name, operationBytes: blobBytes };
  return [
    {
      ...common,
      workload: workload("compress"),
      prepare: () => {
        const out = new Uint8Array(2 * blobBytes + 1024);
        const works = workOf(compressor, seed, blobBytes);
        return subjectOf(works, out, ({ raw }) => compressor.compress(raw, out));
      },
    },
    {
      ...common,
      workload: workload("decompress"),
      prepare: () => {
        const out = new Uint8Array(blobBytes);
        const works = workOf(compressor, seed, blobBytes);
        return subjectOf(works, out, ({ small }) => compressor.decompress(small, out, blobBytes));
      },
    },
  ];
}

/** `only`: one compressor; `null`: all that compress. */
export function compressorBench(seed: number, only: string | null): MicroPlan {
  const cells = compressorKinds()
    .filter(({ name }) => name !== "none" && (only === null || only === name))
    .flatMap((kind) => {
      const compressor = kind.create({});
      return blobSizes.flatMap((size) => cellsOf(compressor, seed, size));
    });
  const notes = [
    "data: pieces of 8 to 71 bytes, half of them copies of what came before, half noise of 64 symbols",
  ];
  return { hotPath: "compressor", cells, notes };
}
