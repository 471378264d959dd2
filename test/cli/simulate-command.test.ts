/** `osdyno simulate`, as a user types it. */
import { afterAll, expect, test } from "vitest";
import type { CrashReport } from "../../engine/sim/crashes.ts";
import { Workplace } from "./command.ts";

const place = new Workplace();
afterAll(() => place.remove());

test("without a scenario it names those there are", () => {
  const { code, out } = place.run(["simulate"]);
  expect(code).toBe(0);
  expect(out).toMatch(/^scenarios:\nwaltree {2}\S/);
  expect(place.run(["simulate", "--list"]).out).toBe(out);
  const names = ["torn", "lost", "misdirected", "latent", "slow", "stuck", "full"];
  const { profiles } = JSON.parse(place.run(["simulate", "--list", "--json"]).out) as {
    profiles: { name: string }[];
  };
  expect(profiles.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
});

test("fault profiles, several at once; a violation names them in its command", () => {
  const faults = ["--profile", "slow,rot", "--points", "20"];
  const { code, out } = place.run(["simulate", "bluestore", "--seed", "2", ...faults]);
  expect(code, out).toBe(0);
  expect(out).toContain("bluestore with faults slow,rot, seed 2: ");
  expect(out).toMatch(/then: damage/);
  const bad = place.run(
    "simulate bluestore-stale-checksum --seeds 1..5 --points 200 --profile slow".split(" "),
  );
  expect(bad.code, bad.out).toBe(1);
  expect(bad.out).toMatch(/again: osdyno simulate \S+ --seed \d --points 200 --profile slow/);
});

test("a scenario that survives: 0, the coverage, and the same trace for the same seed", () => {
  const args = ["simulate", "waltree", "--seeds", "4..5", "--points", "40"];
  const { code, out } = place.run(args);
  expect(code).toBe(0);
  expect(out).toContain("waltree, seed 5: ");
  expect(out).toMatch(/unflushed: log\s+│\s+\d+/);
  const documents = [1, 2].map(() =>
    JSON.parse(place.run([...args, "--json"]).out),
  ) as CrashReport[][];
  expect(documents[0]).toEqual(documents[1]);
  expect(documents[0]?.map(({ seed, failure }) => [seed, failure])).toEqual([
    [4, null],
    [5, null],
  ]);
});

test("a planted bug: 1, and the one command that plays it again", () => {
  const { code, out } = place.run(["simulate", "waltree-canary", "--seeds", "1..5"]);
  expect(code).toBe(1);
  const [, command] = /again: osdyno (.*)\n/.exec(out) ?? [];
  expect(command).toMatch(/^simulate waltree-canary --seed \d+ --points 1000 --point \d+$/);
  const [, reason] = /\n {2}(\S.*)\n/.exec(out) ?? [];
  const again = place.run((command ?? "").split(" "));
  expect(again.code).toBe(1);
  expect(again.out).toContain(reason);
});

test.each([
  [["simulate", "waltre"], /did you mean waltree\?/],
  [["simulate", "waltree", "--profile", "slow,lots"], /did you mean lost\?/],
  [["simulate", "waltree", "--seed", "x"], /--seed x: give a whole number/],
  [["simulate", "waltree", "--seeds", "9"], /--seeds 9: give A\.\.B/],
  [["simulate", "waltree", "--seed", "1", "--seeds", "1..2"], /--seed or --seeds/],
  [["simulate", "waltree", "--points", "10", "--point", "10"], /--point 10: .* from 0 to 9/],
])("%j is refused in one line", (args, message) => {
  const { code, err } = place.run(args);
  expect(code).toBe(2);
  expect(err).toMatch(message);
  expect(err.trimEnd().split("\n")).toHaveLength(1);
});

test("list kv names the key-value stores", () => {
  const { code, out } = place.run(["list", "kv", "--json"]);
  expect(code).toBe(0);
  const { kv } = JSON.parse(out) as { kv: { name: string; description: string }[] };
  expect(kv.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["rocksdb", "waltree", "memory"]),
  );
});

test("bench kv measures every store that is here, tiny", () => {
  const few = ["--rounds", "1", "--keys", "200", "--commits", "16", "--out", "kv"];
  const args = ["bench", "kv", ...few, "--json"];
  const { code, out, err } = place.run(args);
  expect(code, err).toBe(0);
  const { rows } = JSON.parse(out) as { rows: { store: string; operation: string }[] };
  const cells = rows.map(({ store, operation }) => `${store} ${operation}`);
  expect(cells).toEqual(
    expect.arrayContaining([
      "waltree overwrite",
      "waltree open",
      "memory get",
      "memory scan of 100",
    ]),
  );
  expect(place.files().filter((name) => !name.startsWith("kv"))).toEqual([]);
  const { rows: kept } = JSON.parse(place.read("kv/bench-kv.json")) as { rows: unknown };
  expect(kept).toEqual(rows);
  expect(place.read("kv/report.html")).toContain("<svg");
  const refused = place.run(["bench", "kv/waltre"]);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain("did you mean waltree?");
});

test("a key-value store of a module of one's own is checked by the suite", () => {
  const shape = 'hotPath: "kv", name: "mine", describe: "over waltree"';
  place.write(
    "good.mjs",
    `export default { ${shape}, create: (house, options) => house.open("waltree", options) };\n`,
  );
  const good = place.run(["bench", "--conform", "good.mjs"]);
  expect(good.code, good.err).toBe(0);
  expect(good.out).toContain("mine conforms");
  place.write(
    "bad.mjs",
    `export default { ${shape}, create: async (house, options) => {
      const store = await house.open("waltree", options);
      const { get } = store;
      store.get = (prefix, key) => (key.length === 3 ? undefined : get.call(store, prefix, key));
      return store;
    } };\n`,
  );
  const bad = place.run(["bench", "--conform", "bad.mjs"]);
  expect(bad.code).toBe(1);
  expect(bad.out).toMatch(/failed .*is wrong|failed .*does not see/);
});
