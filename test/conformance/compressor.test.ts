/** The conformance suite of compressors on every implementation, and on some that break a promise. */
import { expect, test } from "vitest";
import { runCheck } from "../../engine/hot/checks.ts";
import type { Compressor } from "../../engine/hot/compressor/compressor.ts";
import { compressorChecks } from "../../engine/hot/compressor/conformance.ts";
import { compressorKinds, openCompressor } from "../../engine/hot/compressor/registry.ts";

const seed = 31;

for (const kind of compressorKinds()) {
  test.each(compressorChecks.map((check) => [check.name, check] as const))(
    `${kind.name}: %s`,
    (_name, check) => {
      const { outcome, reason } = runCheck({ create: () => kind.create({}) }, check, seed);
      expect(`${outcome} ${reason}`.trim()).toBe(
        kind.name === "none" ? "skipped it never compresses" : "passed",
      );
    },
  );
}

const sound = openCompressor("lz4");

/** Each breaks one promise. */
const broken: Readonly<Record<string, Partial<Compressor>>> = {
  "what is compressed comes back, and only that": {
    decompress: (bytes, out, expectedBytes) => {
      const done = sound.decompress(bytes, out, expectedBytes);
      out[0] = 0;
      return done;
    },
  },
  "what does not fit is said not to": {
    compress: (bytes, out) => {
      const written = sound.compress(bytes, out);
      return written < 0 ? out.length : written;
    },
  },
  "damaged input is an answer": {
    decompress: (bytes, out, expectedBytes) => {
      if (!sound.decompress(bytes, out, expectedBytes)) {
        throw new Error("corrupt input");
      }
      return true;
    },
  },
  "another length than expected is refused": { decompress: () => true },
  "repetitive data shrinks": {
    compress: (bytes, out) => {
      out.set(bytes);
      return bytes.length;
    },
  },
};

test.each(Object.entries(broken))("the suite finds who breaks: %s", (name, part) => {
  const check = compressorChecks.find((each) => each.name === name);
  expect(check).toBeDefined();
  if (check !== undefined) {
    const subject = { create: (): Compressor => ({ ...sound, ...part }) };
    expect(runCheck(subject, check, seed).outcome).toBe("failed");
  }
});
