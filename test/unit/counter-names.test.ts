/** The list of counters against runs of every store and layer: none has one more, and none is only in the list. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { keyValueEngines } from "../../engine/hot/kv/registry.ts";
import {
  counterNames,
  counterSource,
  isOfOneStore,
  timeFigures,
} from "../../results/counter-names.ts";
import { jobCounters } from "../../results/metric-reach.ts";
import { performRun } from "../../results/perform.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { readShape } from "../../workloads/shape-profile.ts";
import { plainStack, readSetting } from "../../workloads/stack.ts";

const root = mkdtempSync(join(tmpdir(), "osdyno-counters-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);
const classes = ["client", "recovery", "best_effort", "immediate"];
const all = classes.flatMap((name) => [`[${name}]`, `op_class=${name}`]);

interface Choice {
  readonly target: string | null;
  readonly keys?: readonly string[];
  readonly jobs?: readonly string[];
  readonly set?: readonly string[];
  readonly shape?: string;
}

async function countersOf(name: string, { target, keys, jobs, set, shape }: Choice) {
  const common = ["rw=randrw", "bs=4k", "size=1m", "io_size=128k", ...(keys ?? [])];
  const text = ["[global]", ...common, ...(jobs ?? ["[a]"]), ""].join("\n");
  const parsed = parseJobs([{ kind: "file", name: "job", text }], hostEnvironment(), {
    sections: [],
    target,
  });
  const { record, failure } = await performRun({
    parsed,
    directory: at(`run-${name.replaceAll(/\W/g, "-")}`),
    settings: {
      ...{ command: ["osdyno", "run"], label: "counters", target, path: "engine" },
      ...{ seed: 5, destroy: false, live: null, report: false, intervalMs: 100, thresholds: [] },
      ...{ workingDirectory: root, signal: new AbortController().signal },
      stack: {
        ...plainStack,
        settings: (set ?? []).map((each) => readSetting(each, "--set")),
        ...(shape === undefined ? {} : { shape: readShape(shape, root) }),
      },
    },
    events: { layout() {}, progress() {}, note() {} },
  });
  expect(failure).toBeNull();
  return Object.keys(record.osdyno.counters ?? {});
}

const store = (name: string, more: string) => ({ target: `store:${at(name)}?${more}` });
const device = (which: string) =>
  `bluestore_block_${which}_path=${at(which)}&bluestore_block_${which}_size=64m`;
const choices: Readonly<Record<string, Choice>> = {
  "rocksdb on three devices": store("rocks.img", `size=600m&${device("db")}&${device("wal")}`),
  "waltree under a shape": { ...store("tree.img", "size=300m"), shape: "nvme" },
  "key-value store in memory": store("memory.img", "size=300m&bluestore_kvbackend=memory"),
  objects: { ...store("objects.img", "size=300m"), keys: ["io_unit=object", "bs=16k"] },
  "every layer": {
    target: `pwl:${at("log")}+raw:${at("file")}`,
    keys: ["ioengine=io_uring"],
    jobs: all,
    set: ["rbd_qos_iops_limit=100000", "rbd_cache=true", "osd_op_queue=wpq"],
  },
  "the other client cache": {
    target: `raw:${at("file")}`,
    keys: ["ioengine=io_uring"],
    set: ["rbd_cache=true", "rbd_cache_policy=writearound"],
  },
};
/** Two stores, so that what cannot be added up stands of each only. */
const twice = (name: string, more: string): Choice => ({
  target: null,
  jobs: ["a", "b"].flatMap((job) => [
    `[${job}]`,
    `target=${store(`${name}-${job}.img`, `size=600m&${more}`).target}`,
  ]),
});
const pairs: Readonly<Record<string, Choice>> = {
  rocksdb: twice("rocks", "bluestore_kvbackend=rocksdb"),
  waltree: twice("tree", "bluestore_kvbackend=waltree"),
  memory: twice("mem", "bluestore_kvbackend=memory"),
  objects: { ...twice("objects", "bluestore_kvbackend=waltree"), keys: ["io_unit=object"] },
};

const rocks = keyValueEngines().find(({ name }) => name === "rocksdb")?.unavailable === null;
const seen = new Set<string>();

test.each(Object.entries(choices).slice(rocks ? 0 : 1))(
  "%s counts what is listed",
  { timeout: 60_000 },
  async (name, choice) => {
    const counters = await countersOf(name, choice);
    expect(counters.filter((each) => counterSource(each) === null)).toEqual([]);
    for (const each of counters) {
      seen.add(each);
    }
  },
);

test.each(Object.entries(pairs).slice(rocks ? 0 : 1))(
  "two stores on %s have a sum of all but what is of one store",
  { timeout: 60_000 },
  async (name, choice) => {
    const counters = await countersOf(`two-${name}`, choice);
    const plain = new Set(counters.filter((each) => !each.includes("@")));
    const each = new Set(counters.flatMap((one) => one.split("@").slice(0, -1)));
    expect([...plain].filter((one) => !each.has(one))).toEqual([]);
    expect([...each].filter((one) => plain.has(one) === isOfOneStore(one))).toEqual([]);
  },
);

test.skipIf(!rocks)("and nothing is listed that none of them counts", () => {
  // Percentiles are of what happened at all, and a capacity of waiting is not filled in a moment.
  const rare = timeFigures.slice(2).map((figure) => `.${figure}`);
  const plain = counterNames.filter((name) => !rare.some((end) => name.endsWith(end)));
  expect(plain.filter((name) => !seen.has(name))).toEqual([]);
  expect(counterNames.filter((name) => (jobCounters as readonly string[]).includes(name))).toEqual(
    [],
  );
});
