/** CRC-32C (Castagnoli, RFC 3720) in TypeScript: for records of up to a few KiB, where a native call costs more. */

/** Eight tables, so that eight bytes are taken in one step: a third of the time of one by one. */
const tables = (() => {
  const made = Array.from({ length: 8 }, () => new Int32Array(256));
  const [first] = made as [Int32Array];
  for (let byte = 0; byte < 256; byte += 1) {
    let sum = byte;
    for (let bit = 0; bit < 8; bit += 1) {
      sum = (sum & 1) === 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
    }
    first[byte] = sum;
  }
  for (let table = 1; table < 8; table += 1) {
    for (let byte = 0; byte < 256; byte += 1) {
      const before = (made[table - 1] as Int32Array)[byte] as number;
      (made[table] as Int32Array)[byte] = (before >>> 8) ^ (first[before & 255] as number);
    }
  }
  return made;
})();
const [table0, table1, table2, table3, table4, table5, table6, table7] = tables as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

/** The sum of bytes `from` ... `to`, 32 bits, as RFC 3720 gives it (start and end inverted). */
export function crc32c(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let sum = -1;
  let at = from;
  for (; at + 8 <= to; at += 8) {
    sum ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    sum =
      (table7[sum & 255] as number) ^
      (table6[(sum >>> 8) & 255] as number) ^
      (table5[(sum >>> 16) & 255] as number) ^
      (table4[sum >>> 24] as number) ^
      (table3[bytes[at + 4] as number] as number) ^
      (table2[bytes[at + 5] as number] as number) ^
      (table1[bytes[at + 6] as number] as number) ^
      (table0[bytes[at + 7] as number] as number);
  }
  for (; at < to; at += 1) {
    sum = (sum >>> 8) ^ (table0[(sum ^ (bytes[at] as number)) & 255] as number);
  }
  return (sum ^ -1) >>> 0;
}

/** The polynomial, bits reflected. */
const polynomial = 0x82f63b78;

/** By number of bytes: x to the power of eight times that, modulo the polynomial; bits reflected. */
const powers = new Int32Array(4097);
powers[0] = 1 << 31;
for (let bytes = 1; bytes < powers.length; bytes += 1) {
  const before = powers[bytes - 1] as number;
  powers[bytes] = (before >>> 8) ^ (table0[before & 255] as number);
}

/** The product of two polynomials modulo that of the sum. */
function times(one: number, other: number): number {
  let product = 0;
  let shifted = other;
  for (let rest = one; rest !== 0; rest <<= 1) {
    product ^= shifted & (rest >> 31);
    shifted = (shifted >>> 1) ^ (polynomial & -(shifted & 1));
  }
  return product;
}

/**
 * By what the sum of some bytes changes (to be combined with it by exclusive or) when bytes in them do:
 * `change` has the exclusive or of the old and the new ones, `count` of them, which `behind` bytes follow
 * that stay. The sum is linear, so what stays need not be looked at.
 */
export function crc32cOfChange(change: Uint8Array, count: number, behind: number): number {
  let sum = 0;
  for (let at = 0; at < count; at += 1) {
    sum = (sum >>> 8) ^ (table0[(sum ^ (change[at] as number)) & 255] as number);
  }
  for (let left = behind; left > 0 && sum !== 0; left -= powers.length - 1) {
    sum = times(sum, powers[Math.min(left, powers.length - 1)] as number);
  }
  return sum;
}
