/**
 * Before each test file: a chart that Vega draws with a warning ("Conflicting legend property ...") is drawn
 * otherwise than its specification says, and fails the test that drew it.
 */
import { afterEach, beforeEach, expect, type MockInstance, vi } from "vitest";

let warn: MockInstance<typeof console.warn>;
beforeEach(() => {
  warn = vi.spyOn(console, "warn");
});
afterEach(() => {
  const said = warn.mock.calls.map((words) => words.join(" "));
  warn.mockRestore();
  expect(said.filter((text) => text.startsWith("WARN"))).toEqual([]);
});
