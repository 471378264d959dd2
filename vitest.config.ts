import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/no-chart-warnings.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores: one worker measures, the other parses; more would only queue.
    maxWorkers: 2,
  },
});
