/**
 * The fragmentation score of BlueStore as its allocators tell it (`bluestore allocator score`, Ceph 17): what
 * the free extents are worth against one extent of all free space (0) and single bytes (1). The worth of an
 * extent grows by 10% with every doubling. It counts bytes, so stores of other units have the same scale, and
 * single units of 4 KiB come to 0.7 of it.
 */

/** Worth of an extent of so many bytes: `2^scale * 1.1^scale` at powers of two, straight between. */
function worth(bytes: number): number {
  const scale = Math.floor(Math.log2(bytes));
  const base = 2 ** scale;
  const beyond = (bytes - base) / base;
  const power = 1.1 ** scale;
  return base * power * (1 - beyond) + 2 * base * power * 1.1 * beyond;
}

/** 0 best, towards 1 worse; 0 too when there is no free extent or one alone. Lengths in bytes. */
export function fragmentationScore(lengthsBytes: Iterable<number>): number {
  let bytes = 0;
  let sum = 0;
  let extents = 0;
  for (const length of lengthsBytes) {
    bytes += length;
    sum += worth(length);
    extents += 1;
  }
  if (extents < 2) {
    return 0;
  }
  const ideal = worth(bytes);
  return (ideal - sum) / (ideal - bytes * worth(1));
}
