/**
 * The fragmentation score of BlueStore: how much the free extents are worth against one extent of all
 * free space (0) and single blocks (1). The worth of an extent grows by 10% with every doubling.
 */

/** Worth of an extent of so many blocks: `2^scale * 1.1^scale` at powers of two, straight between. */
function worth(blocks: number): number {
  const scale = Math.floor(Math.log2(blocks));
  const base = 2 ** scale;
  const beyond = (blocks - base) / base;
  const power = 1.1 ** scale;
  return base * power * (1 - beyond) + 2 * base * power * 1.1 * beyond;
}

/** 0 best, 1 worst; 0 too when at most one block is free. Lengths in blocks. */
export function fragmentationScore(lengthsInBlocks: Iterable<number>): number {
  let blocks = 0;
  let sum = 0;
  for (const length of lengthsInBlocks) {
    blocks += length;
    sum += worth(length);
  }
  if (blocks < 2) {
    return 0;
  }
  const ideal = worth(blocks);
  return (ideal - sum) / (ideal - blocks * worth(1));
}
