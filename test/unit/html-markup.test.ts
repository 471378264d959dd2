/** Text in markup and out of it again. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { escapeHtml, unbroken, unescapeHtml } from "../../results/report/html-markup.ts";

test("what is escaped comes back, whatever it looks like", () => {
  const piece = fc.constantFrom("&", "<", ">", '"', "'", "amp;", "&lt;", "&#39;", "#", "a");
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const text = pieces.join("");
      expect(escapeHtml(text)).not.toMatch(/[<>"']/);
      expect(unescapeHtml(escapeHtml(text))).toBe(text);
    }),
  );
  expect(unescapeHtml("&amp;lt; &nbsp;")).toBe("&lt; &nbsp;");
});

test("a range may be broken between its figures only", () => {
  const lines = (text: string) => unbroken(text).split(" ");
  expect(lines("195 \u00b5s to 3.60 ms")).toEqual(["195\u00a0\u00b5s\u00a0to", "3.60\u00a0ms"]);
  expect(lines("49.0k to 89.1k")).toEqual(["49.0k\u00a0to", "89.1k"]);
  expect(lines("20.2 \u00b5s [14.6 \u00b5s, 21.1 \u00b5s]")).toHaveLength(3);
});
