/** What the bench of the key-value stores counts, on tiny settings. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { shortNumber } from "../../results/bench/bar-chart.ts";
import { benchKeyValue } from "../../results/bench/kv.ts";

test("commits of waltree, which are durable writes, count as flushes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "osdyno-kv-bench-"));
  try {
    const bench = await benchKeyValue({
      ...{ only: "waltree", rounds: 1, keys: 1000, commits: 64, seed: 1, folder },
      ...{ sizeBytes: 256 << 20, signal: new AbortController().signal, onCell: () => {} },
    });
    const flushes = (depth: number) =>
      bench.rows.find((row) => row.operation === "overwrite" && row.depth === depth)?.flushes
        ?.median;
    // One at a time each waits for its own; many at once share some.
    expect(flushes(1)).toBeGreaterThanOrEqual(1);
    expect(flushes(64)).toBeGreaterThan(0);
    expect(flushes(64)).toBeLessThan(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("numbers of bars are written out, with three digits", () => {
  const texts = [0, 0.01234, 1, 9876, 41_380, 224_000, 999_600, 2.236e6, 7.4e9].map(shortNumber);
  expect(texts).toEqual(["0", "0.0123", "1", "9876", "41.4k", "224k", "1M", "2.24M", "7.4G"]);
});
