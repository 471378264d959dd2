/**
 * Our JSON beside documents of fio 3.33 for the same jobs: keys, nesting, order and number formats.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { assembleRun } from "../../results/assemble.ts";
import { fioDocument } from "../../results/fio-output.ts";
import type { ResolvedJob } from "../../workloads/job/model.ts";
import type { Direction, JobOutcome } from "../../workloads/run-outcome.ts";
import { type FixtureJob, fixtureRun, platOf, resolvedJob } from "../unit/results-fixture.ts";

const fioText = (name: string) =>
  readFileSync(new URL(`fio/${name}.json`, import.meta.url), "utf8");

const services = Array.from({ length: 64 }, (_, at) => 1000 + 37 * at);

function job(
  changes: Partial<ResolvedJob>,
  which: readonly Direction[],
  outcome: Partial<JobOutcome> = {},
  jobnum = 0,
): FixtureJob {
  const interval = [{ lengthNs: 1e9, service: services }];
  return {
    resolved: resolvedJob(changes.name ?? "job", changes),
    jobnum,
    groupId: 0,
    intervals: Object.fromEntries(which.map((direction) => [direction, interval])),
    outcome,
  };
}

const given = (name: string) => {
  const parsed = JSON.parse(fioText(name)) as {
    "global options"?: Record<string, string>;
    jobs: { "job options": Record<string, string> }[];
  };
  return {
    own: new Map(Object.entries(parsed.jobs[0]?.["job options"] ?? {})),
    globals: new Map(Object.entries(parsed["global options"] ?? {})),
  };
};

const disk = {
  name: "vda",
  elapsedMs: 1000,
  before: zeros(),
  after: { ...zeros(), readIos: 64, ioTicksMs: 500 },
};

function zeros() {
  return {
    readIos: 0,
    readMerges: 0,
    readSectors: 0,
    readTicksMs: 0,
    writeIos: 0,
    writeMerges: 0,
    writeSectors: 0,
    writeTicksMs: 0,
    ioTicksMs: 0,
    inQueueMs: 0,
  };
}

function ours(name: string, jobs: readonly FixtureJob[], bins: boolean): string {
  const { input } = fixtureRun([jobs], { disks: [disk] });
  const parsed = { ...input.parsed, globals: given(name).globals };
  return fioDocument(assembleRun({ ...input, parsed }), bins);
}

/** `path kind` of every key in order; bins are data, so their keys count as one. */
function shape(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item) => shape(item, `${path}[]`));
  }
  if (typeof value !== "object" || value === null) {
    return [`${path} ${typeof value}`];
  }
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === "osdyno") {
      return [];
    }
    return key === "bins" ? [`${path}.bins`] : shape(inner, `${path}.${key}`);
  });
}

/** Lines with figures replaced by their form, so that `0.000000` and `0` differ. */
function forms(text: string): string[] {
  const lines: string[] = [];
  let bins = false;
  for (const line of text.split("\n")) {
    bins ||= line.includes('"bins"');
    if (bins) {
      bins = !line.includes("}");
    } else if (!/ : "/.test(line)) {
      lines.push(line.replace(/\d+\.\d{6}(?=,?$)/, "F").replace(/ \d+(?=,?$)/, " N"));
    }
  }
  return lines;
}

/** Our document without what is ours. */
function withoutOurs(text: string): string {
  const lines = text.split("\n");
  const kept: string[] = [];
  let closing: string | null = null;
  for (const line of lines) {
    const start = /^( *)"osdyno" : \{/.exec(line);
    if (closing === null && start !== null) {
      closing = `${start[1]}}`;
      // The comma of what stood before ours belongs to ours.
      kept.push((kept.pop() ?? "").replace(/,$/, ""));
    } else if (closing === null) {
      kept.push(line);
    } else if (line === closing || line === `${closing},`) {
      closing = null;
    }
  }
  return kept.join("\n");
}

const cases = [
  { name: "simple", bins: false, jobs: [job({ name: "simple" }, ["read"])] },
  {
    name: "group",
    bins: true,
    jobs: [0, 1].map((jobnum) =>
      job(
        {
          name: "group",
          description: "two clones reported as one",
          percentiles: [50, 99],
          latPercentiles: true,
          slatPercentiles: true,
          groupReporting: true,
          iodepth: 4,
        },
        ["read", "write"],
        { sync: platOf([5000, 9000]) },
        jobnum,
      ),
    ),
  },
  {
    name: "both",
    bins: false,
    jobs: [job({ name: "both", unifiedRwReporting: "both" }, ["read", "write"])],
  },
  {
    name: "mixed",
    bins: true,
    jobs: [job({ name: "mixed", unifiedRwReporting: "mixed" }, ["read", "write"])],
  },
];

for (const { name, bins, jobs } of cases) {
  const own = given(name).own;
  const withOptions = jobs.map((one) => ({ ...one, resolved: { ...one.resolved, given: own } }));

  test(`${name}: keys, order, nesting and types are fio's`, () => {
    const text = ours(name, withOptions, bins);
    expect(shape(JSON.parse(text))).toEqual(shape(JSON.parse(fioText(name))));
    expect(shape(JSON.parse(text)).length).toBeGreaterThan(70);
  });

  test(`${name}: indentation, separators and number formats are fio's`, () => {
    // psync counts no slat in fio, so its zeros are printed alike but ours are not zero: only
    // forms.
    expect(forms(withoutOurs(ours(name, withOptions, bins)))).toEqual(forms(fioText(name)));
  });
}

test("clat percentiles over our bins are fio's rule, and keys have six decimals", () => {
  const { input } = fixtureRun([[job({ name: "simple" }, ["read"])]]);
  const read = assembleRun(input).jobs[0]?.["read"] as {
    clat_ns: { percentile: Record<string, number>; bins: Record<string, number> };
  };
  expect(Object.keys(read.clat_ns.percentile)).toEqual(
    Object.keys(
      (JSON.parse(fioText("simple")) as { jobs: { read: typeof read }[] }).jobs[0]?.read.clat_ns
        .percentile ?? {},
    ),
  );
  // The 32nd of 64 values is 1000 + 37 * 31 = 2147, in the bucket 2144 to 2175.
  expect(read.clat_ns.percentile["50.000000"]).toBe(2160);
});
