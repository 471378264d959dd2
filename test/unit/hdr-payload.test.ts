/** The sparse decoder beside hdr-histogram-js on the same bytes. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { decodeFromCompressedBase64, encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { expect, test } from "vitest";
import { OsdynoError } from "../../engine/base/error.ts";
import { eachCount } from "../../results/hdr-payload.ts";
import { decodeHistogram, emptyHistogram, highestEncoded } from "../../results/histogram.ts";

test("what hdr-histogram-js encodes comes back count by count", () => {
  const value = fc.oneof(
    fc.integer({ min: 0, max: 5000 }),
    fc.integer({ min: 0, max: 3_600_000_000 }).map((us) => us * 1000),
  );
  const count = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 45 }));
  fc.assert(
    fc.property(fc.array(fc.tuple(value, count), { maxLength: 60 }), (samples) => {
      const made = emptyHistogram();
      for (const [ns, times] of samples) {
        made.recordValueWithCount(ns, times);
      }
      const text = encodeIntoCompressedBase64(made);
      const back = decodeHistogram(text);
      expect(back.totalCount).toBe(made.totalCount);
      for (const percentile of [1, 50, 99, 99.9, 100]) {
        expect(back.getValueAtPercentile(percentile)).toBe(made.getValueAtPercentile(percentile));
      }
      expect(highestEncoded(text)).toBe(
        samples.length === 0 ? 0 : made.highestEquivalentValue(made.maxValue),
      );
    }),
  );
});

test("golden logs of another geometry decode to the library's counts", () => {
  const log = readFileSync("test/golden/hdr/jHiccup-2.0.7S.logV2.hlog", "utf8");
  const texts = log.split("\n").filter((line) => /^\d/.test(line));
  expect(texts.length).toBe(62);
  for (const line of texts) {
    const text = line.split(",").at(-1) ?? "";
    let total = 0;
    eachCount(text, (_index, count) => {
      total += count;
    });
    expect(total).toBe(decodeFromCompressedBase64(text, 64).totalCount);
  }
});

test.each(["", "AAAA", "HISTFAAAAAR42mNgYGBg"])("damaged text %j is one error", (text) => {
  expect(() => eachCount(text, () => {})).toThrow(OsdynoError);
});
