/** The conformance suite of checksums on every implementation, and on some that break a promise. */
import { expect, test } from "vitest";
import { runCheck } from "../../engine/hot/checks.ts";
import { byViews } from "../../engine/hot/checksum/by-views.ts";
import type { ChecksumFunction } from "../../engine/hot/checksum/checksum.ts";
import { checksumChecks } from "../../engine/hot/checksum/conformance.ts";
import { checksumKinds, openChecksum } from "../../engine/hot/checksum/registry.ts";

const seed = 20;

for (const kind of checksumKinds()) {
  test.each(checksumChecks.map((check) => [check.name, check] as const))(
    `${kind.name}: %s`,
    (_name, check) => {
      const result = runCheck({ create: kind.create }, check, seed);
      expect(result.reason === "" ? "passed" : result.reason).toBe(
        kind.name === "none" && result.outcome === "skipped" ? "it has no values" : "passed",
      );
    },
  );
}

const sound = openChecksum("crc32c");
const function4 = (over: Partial<ChecksumFunction>): ChecksumFunction => ({
  valueBytes: 4,
  checksum: sound.checksum,
  verify: sound.verify,
  ...over,
});

/** Each breaks one promise. */
const broken: Readonly<Record<string, ChecksumFunction>> = {
  "damage is found in its chunk": function4({ verify: () => -1 }),
  "the first bad chunk is reported": function4({
    verify: (bytes, chunkBytes, values) => {
      for (let chunk = values.length / 4 - 1; chunk >= 0; chunk -= 1) {
        const part = bytes.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes);
        if (sound.verify(part, chunkBytes, values.subarray(chunk * 4, chunk * 4 + 4)) === 0) {
          return chunk;
        }
      }
      return -1;
    },
  }),
  "sums verify, whatever made them, and leave the data alone": function4({
    checksum: (bytes, chunkBytes, values) => {
      sound.checksum(bytes, chunkBytes, values);
      bytes[0] = (bytes[0] ?? 0) ^ 1;
    },
  }),
  "a chunk's value depends on that chunk alone": function4({
    checksum: (bytes, chunkBytes, values) => {
      sound.checksum(bytes, chunkBytes, values);
      values[0] = (values[0] ?? 0) ^ values.length;
    },
    verify: () => -1,
  }),
};

test.each(Object.entries(broken))("the suite finds who breaks: %s", (name, sums) => {
  const check = checksumChecks.find((each) => each.name === name);
  expect(check).toBeDefined();
  if (check !== undefined) {
    const result = runCheck({ create: () => byViews("broken", sums) }, check, seed);
    expect(result.outcome).toBe("failed");
  }
});
