/** The bench of the checksums: blobs as the store has them, and ISA-L beside them when it is installed. */
import { SeededRandom } from "../../engine/base/random.ts";
import type { Checksum } from "../../engine/hot/checksum/checksum.ts";
import { nativeChecksum, nativeChecksums, nativeKinds } from "../../engine/hot/checksum/native.ts";
import { checksumKinds } from "../../engine/hot/checksum/registry.ts";
import type { MicroCell, MicroPlan, MicroSubject } from "./micro.ts";

const chunkBytes = 4096;
/** Fits the second cache level of every processor of the last ten years. */
const memoryBytes = 256 * 1024;
const batch = 512;
const blobSizes = [4096, 65_536] as const;
/** Chunks that the native kernels alone are measured on: from a sector to the largest blob. */
const kernelChunks = [512, 4096, 16_384, 65_536] as const;

const kib = (bytes: number) => (bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`);

/** As the store calls it: over a registered arena. */
function overArena(sums: Checksum, data: Uint8Array, blobBytes: number): MicroSubject {
  const memory = sums.over(data);
  const values = new Uint8Array((blobBytes / chunkBytes) * sums.valueBytes);
  const places = data.length / blobBytes;
  return {
    operations: batch,
    run: () => {
      for (let index = 0; index < batch; index += 1) {
        memory.checksum((index % places) * blobBytes, blobBytes, chunkBytes, values, 0);
      }
    },
    facts: {},
    result: () => values,
    close: () => memory.close(),
  };
}

/** With a view made for every blob. */
function byView(sums: Checksum, data: Uint8Array, blobBytes: number): MicroSubject {
  const values = new Uint8Array((blobBytes / chunkBytes) * sums.valueBytes);
  const places = data.length / blobBytes;
  return {
    operations: batch,
    run: () => {
      for (let index = 0; index < batch; index += 1) {
        const at = (index % places) * blobBytes;
        sums.checksum(data.subarray(at, at + blobBytes), chunkBytes, values);
      }
    },
    facts: {},
    result: () => values,
    close: () => {},
  };
}

/** The native kernel alone, without any crossing. */
function kernel(sums: Checksum, kind: number, data: Uint8Array, chunk: number): MicroSubject {
  const blob = data.subarray(0, chunk);
  const values = new Uint8Array(sums.valueBytes);
  const { checksumKernelNs } = nativeChecksums();
  return {
    operations: batch,
    run: () => {
      checksumKernelNs(kind, blob, chunk, batch);
    },
    facts: {},
    result: () => {
      sums.checksum(blob, chunk, values);
      return values;
    },
    close: () => {},
  };
}

/** `kind`: of the native kernel; `null`: it has none. */
function cellsOf(name: string, sums: Checksum, kind: number | null, data: Uint8Array): MicroCell[] {
  const cell = (operationBytes: number, how: string, prepare: () => MicroSubject): MicroCell => ({
    implementation: name,
    workload: `${kib(operationBytes)}, ${how}`,
    operationBytes,
    prepare,
  });
  const calls = blobSizes.flatMap((size) => [
    cell(size, "registered memory", () => overArena(sums, data, size)),
    cell(size, "a view each", () => byView(sums, data, size)),
  ]);
  const kernels = kernelChunks.map((size) =>
    cell(size, "kernel alone", () => kernel(sums, kind ?? 0, data, size)),
  );
  return kind === null ? calls : [...calls, ...kernels];
}

/** Name of ISA-L's row. */
export const peerName = "isa-l crc32_iscsi";

/** `only`: one checksum and the peer; `null`: all that have values. */
export function checksumBench(seed: number, only: string | null): MicroPlan {
  const random = new SeededRandom(seed);
  const data = new Uint8Array(memoryBytes);
  for (let at = 0; at < data.length; at += 1) {
    data[at] = random.bits32() >>> 24;
  }
  const [instructions, peer] = nativeChecksums().checksumFacts();
  const cells: MicroCell[] = [];
  for (const { name, create } of checksumKinds()) {
    const kind = (nativeKinds as Readonly<Record<string, number>>)[name];
    const sums = create();
    if (sums.valueBytes > 0 && (only === null || only === name)) {
      cells.push(...cellsOf(name, sums, kind ?? null, data));
    }
  }
  if (peer !== null && (only === null || only.startsWith("crc32c"))) {
    const sums = nativeChecksum(peerName, nativeKinds.peer, 4);
    cells.push(...cellsOf(peerName, sums, nativeKinds.peer, data));
  }
  const compared =
    peer === null
      ? "ISA-L is not installed: the Debian package libisal2 brings it to compare with"
      : `${peerName} is ${peer}, installed on this machine`;
  return { hotPath: "checksum", cells, notes: [`crc32c here uses ${instructions}`, compared] };
}
