import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { checksumOfPlugIn } from "../../engine/hot/checksum/plug-in.ts";
import {
  checksumKinds,
  openChecksum,
  registerChecksum,
} from "../../engine/hot/checksum/registry.ts";

interface Golden {
  readonly type: string;
  readonly init: string;
  readonly len: number;
  readonly pattern: number;
  readonly sum: string;
}

const file = fileURLToPath(new URL("../golden/checksum/checksums.jsonl", import.meta.url));
const golden = readFileSync(file, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Golden);

/** As the golden data's README says. */
function patternBytes(pattern: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (0x12345678 + length) >>> 0;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = pattern === 0 ? 0 : pattern === 1 ? at : state >>> 24;
  }
  return bytes;
}

test("values are those of a Ceph OSD, which starts from all ones", () => {
  const ours = golden.filter(({ init }) => /^0x(f{8}|f{16})$/.test(init));
  expect(ours.length).toBe(207);
  for (const { type, len, pattern, sum } of ours) {
    const sums = openChecksum(type);
    const bytes = patternBytes(pattern, len);
    const values = new Uint8Array(sums.valueBytes);
    sums.checksum(bytes, len, values);
    const found = `0x${Buffer.from(values).reverse().toString("hex")}`;
    expect(found, `${type} of ${len} bytes, pattern ${pattern}`).toBe(sum);
    const memory = sums.over(bytes);
    const again = new Uint8Array(sums.valueBytes);
    memory.checksum(0, len, len, again, 0);
    expect(again).toEqual(values);
    memory.close();
  }
});

test("values are as wide as Ceph's", () => {
  const widths = checksumKinds().map(({ name, create }) => [name, create().valueBytes]);
  expect(Object.fromEntries(widths)).toEqual({
    none: 0,
    crc32c: 4,
    crc32c_16: 2,
    crc32c_8: 1,
    xxhash32: 4,
    xxhash64: 8,
  });
});

test("misuse is an error, not a read beyond the memory", () => {
  for (const { name, create } of checksumKinds()) {
    const sums = create();
    const room = sums.valueBytes;
    const bytes = new Uint8Array(8192);
    const memory = sums.over(bytes);
    const values = new Uint8Array(2 * room);
    expect(() => memory.checksum(4096, 8192, 4096, values, 0), name).toThrow("within its memory");
    expect(() => sums.checksum(bytes, 4097, new Uint8Array(room)), name).toThrow("whole chunks");
    expect(() => sums.checksum(bytes, 4096, new Uint8Array(2 * room + 1)), name).toThrow("value");
    memory.close();
    expect(() => memory.checksum(0, 4096, 4096, values, 0), name).toThrow("closed");
  }
});

test("a name is refused when it is unknown or taken", () => {
  expect(() => openChecksum("crc64")).toThrow("unknown checksum crc64; there are: none, crc32c");
  const [first] = checksumKinds();
  expect(() => first !== undefined && registerChecksum(first)).toThrow("already");
});

test("a plug-in becomes a checksum; what is none is refused with what it lacks", () => {
  const context = { open: openChecksum };
  const parity = {
    hotPath: "checksum",
    name: "parity",
    describe: "exclusive or of all bytes",
    create: () => ({
      valueBytes: 1,
      checksum: (bytes: Uint8Array, _chunkBytes: number, values: Uint8Array) => {
        values[0] = bytes.reduce((sum, byte) => sum ^ byte, 0);
      },
      verify: () => -1,
    }),
  };
  const sums = checksumOfPlugIn(parity, context, {}, "parity.ts").create();
  const values = new Uint8Array(3);
  sums.over(Uint8Array.of(9, 1, 2, 4)).checksum(1, 3, 3, values, 1);
  expect([...values]).toEqual([0, 7, 0]);
  const refused = (exported: unknown) =>
    expect(() => checksumOfPlugIn(exported, context, {}, "x.ts").create());
  refused(null).toThrow('not "checksum"');
  refused({ ...parity, name: "" }).toThrow("name is no text");
  refused({ ...parity, create: 1 }).toThrow("create is no function");
  refused({ ...parity, create: () => ({ valueBytes: 9 }) }).toThrow("valueBytes is 9");
});
