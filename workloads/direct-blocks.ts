/** `direct=1`: what the kernel would refuse operation by operation is refused before anything is made. */
import { readFileSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import type { ResolvedJob } from "./job/model.ts";

const usualBlockBytes = 512;

function nearest(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? null : nearest(above);
  }
}

/** Logical block size under a file or device, there or still to be made, bytes; 512 where unknown. */
export function logicalBlockBytes(path: string): number {
  const facts = nearest(path);
  if (facts === null) {
    return usualBlockBytes;
  }
  const number = BigInt(facts.isBlockDevice() ? facts.rdev : facts.dev);
  const major = (number >> 8n) & 0xfffn;
  const minor = (number & 0xffn) | ((number >> 12n) & 0xfff00n);
  const folder = `/sys/dev/block/${major}:${minor}`;
  // A partition has no queue of its own: its disk stands above it.
  for (const place of [`${folder}/queue`, `${folder}/../queue`]) {
    try {
      return Number(readFileSync(`${place}/logical_block_size`, "utf8")) || usualBlockBytes;
    } catch {
      // Not here: the next place, or a file system without a device.
    }
  }
  return usualBlockBytes;
}

/**
 * Why a job with `direct=1` cannot work on a file, in words; null when it can.
 * @param smallestBlockBytes the smallest block of the directions in use
 */
export function unfitForDirect(
  job: ResolvedJob,
  path: string,
  offsetBytes: number,
  smallestBlockBytes: number,
): string | null {
  if (!job.direct) {
    return null;
  }
  const unit = logicalBlockBytes(path);
  const sizes = job.blockSizes.flatMap((rule, index) =>
    rule.kind === "split" && isUsed(job, index) ? rule.entries.map((entry) => entry.bytes) : [],
  );
  const aligns = job.rw.includes("rand")
    ? job.blockAlignBytes.filter((_, index) => isUsed(job, index))
    : [];
  const asked: readonly (readonly [key: string, bytes: number])[] = [
    ...[smallestBlockBytes, ...sizes].map((bytes) => ["block size", bytes] as const),
    ...aligns.map((bytes) => ["blockalign", bytes] as const),
    ["offset", offsetBytes],
  ];
  const odd = asked.find(([, bytes]) => bytes % unit !== 0);
  return odd === undefined
    ? null
    : `direct=1 needs multiples of ${unit} bytes, the logical block of ${path}; the ${odd[0]} is ${odd[1]} bytes`;
}

function isUsed({ rw }: ResolvedJob, direction: number): boolean {
  const mixed = rw === "rw" || rw === "randrw";
  const used = [mixed || rw.endsWith("read"), mixed || rw.endsWith("write"), rw.includes("trim")];
  return used[direction] === true;
}
