/** Our terse lines beside fio 3.33's for the same job: number of fields, their places and forms. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { assembleRun } from "../../results/assemble.ts";
import { parseOutputFormats, parseTerseVersion, renderRuns } from "../../results/output-formats.ts";
import { terseOutput, terseVersions } from "../../results/terse-output.ts";
import { type FixtureJob, fixtureRun, resolvedJob } from "../unit/results-fixture.ts";

const services = Array.from({ length: 64 }, (_, at) => 1000 + 37 * at);

function job(changes: Parameters<typeof resolvedJob>[1]): FixtureJob {
  const interval = [{ lengthNs: 1e9, service: services }];
  return {
    resolved: resolvedJob("terse", changes),
    jobnum: 0,
    groupId: 0,
    intervals: { read: interval, write: interval },
  };
}

const counters = (scale: number) => ({
  readIos: 64 * scale,
  readMerges: scale,
  readSectors: 512 * scale,
  readTicksMs: 5 * scale,
  writeIos: 64 * scale,
  writeMerges: scale,
  writeSectors: 512 * scale,
  writeTicksMs: 7 * scale,
  ioTicksMs: 100 * scale,
  inQueueMs: 12 * scale,
});

function ours(changes: Parameters<typeof resolvedJob>[1]) {
  const disk = { name: "vda", elapsedMs: 1000, before: counters(0), after: counters(1) };
  return assembleRun(fixtureRun([[job(changes)]], { disks: [disk] }).input);
}

/** A field's form: figures give way to their kind, texts stay. */
function form(field: string): string {
  return field
    .replace(/^(\d+\.\d{6}%)=\d+$/, "$1=N")
    .replace(/^\d+\.\d{6}(%?)$/, "F6$1")
    .replace(/^\d+\.\d{2}%$/, "F2%")
    .replace(/^\d+\.\d%$/, "F1%")
    .replace(/^fio-3\.33.*$/, "VERSION")
    .replace(/^\d+$/, "N");
}

const golden = (name: string) =>
  readFileSync(new URL(`fio/terse/${name}.txt`, import.meta.url), "utf8");

const forms = (text: string) => text.split("\n").map((line) => line.split(";").map(form));

for (const version of terseVersions) {
  test(`version ${version}: fields, places and forms are fio's`, () => {
    const text = terseOutput(ours({ description: "two directions" }), version);
    expect(forms(text)).toEqual(forms(golden(`v${version}`)));
  });

  test(`version ${version}: one rate over all directions takes their place`, () => {
    const text = terseOutput(ours({ unifiedRwReporting: "mixed" }), version);
    expect(forms(text)).toEqual(forms(golden(`mixed-v${version}`)));
  });
}

test("values are fio's units: KiB, KiB/s, us, percentiles of the asked kind", () => {
  const record = ours({ percentiles: [50, 99] });
  const fields = terseOutput(record, 3).split(";");
  // 64 operations of 4 KiB in one second.
  expect(fields.slice(5, 9)).toEqual(["256", "256", "64", "1000"]);
  // Service times 1000 + 37k ns, k < 64; deviation 37 * sqrt(64 * 65 / 12).
  expect(fields.slice(13, 17)).toEqual(["1", "3", "2.165500", "0.688903"]);
  // The 32nd of 64 values is 2147, in fio's bucket around 2160; unused places are `0%=0`.
  expect(fields.slice(17, 20)).toEqual(["50.000000%=2", "99.000000%=3", "0%=0"]);
  expect(fields[33 + 4]).toBe("1");
  const silent = terseOutput(ours({ clatPercentiles: false }), 3).split(";");
  expect(new Set(silent.slice(17, 37))).toEqual(new Set(["0%=0"]));
});

test("a microsecond range starts with everything below it", () => {
  const fields = terseOutput(ours({}), 3).split(";");
  // 1000 + 37k < 2000 for k < 28, twice: 28/64; the rest lies below 4 us.
  expect(fields.slice(5 + 82 + 12, 5 + 82 + 14)).toEqual(["43.75%", "56.25%"]);
});

test("several formats at once come in fio's order, json+ being the fuller json", () => {
  expect(parseOutputFormats("normal,json,terse")).toEqual(["terse", "json", "normal"]);
  expect(parseOutputFormats("json+,json,minimal")).toEqual(["terse", "json+"]);
  expect(() => parseOutputFormats("json,xml")).toThrow(/no format "xml"/);
  expect(() => parseTerseVersion("6")).toThrow(/choose 2, 3, 4 or 5/);
  const record = ours({});
  const text = renderRuns([{ record }], {
    formats: parseOutputFormats("json,terse,normal"),
    terseVersion: 3,
    color: false,
  });
  const [terse, brace] = text.split("\n");
  expect(terse).toBe(terseOutput(record, 3).trimEnd());
  expect(brace).toBe("{");
  expect(text).toMatch(/\n}\n\nfixture /);
});
