/** `osdyno results verify` on what stands above runs: each published number, changed, is named. */
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { verifySweep } from "../../results/verify-sweep.ts";
import { Workplace } from "./command.ts";

/** Any number or text in a JSON document, by its keys. */
type Path = readonly (string | number)[];

/** The document with another value at the path; throws when there is nothing. */
function changed(document: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) {
    return value;
  }
  const copy = structuredClone(document) as Record<string | number, unknown>;
  if (copy?.[key] === undefined) {
    throw new Error(`nothing at ${path.join(".")}`);
  }
  return Object.assign(copy, { [key]: changed(copy[key], rest, value) });
}

/** What verify says with a file of the directory rewritten; the file is put back after. */
function found(place: Workplace, file: string, rewrite: (text: string) => string): string {
  const text = place.read(file);
  const other = rewrite(text);
  if (other === text) {
    throw new Error(`${file} was not changed`);
  }
  writeFileSync(place.path(file), other);
  const { disagreements } = verifySweep(place.path(file.slice(0, file.indexOf("/"))));
  writeFileSync(place.path(file), text);
  return disagreements.join("\n");
}

const inJson = (path: Path, value: unknown) => (text: string) =>
  JSON.stringify(changed(JSON.parse(text), path, value), null, 2);

describe("a test of the SNIA PTS", () => {
  const place = new Workplace();
  let latency: SweepRecord;
  let saturation: SweepRecord;
  beforeAll(() => {
    for (const [kind, service] of [
      ["latency", "10ms"],
      ["write-saturation", "100ms"],
    ]) {
      const target = `--target=null:?service=${service}&size=32m`;
      const scale = "  scale: { capacity: 16m, minute: 1s }";
      const lines = ["name: s", "snia:", `  test: ${kind}`, "  size: 32m", scale];
      place.write(`${kind}.yaml`, lines.join("\n"));
      const own = [`--out=${kind}`, "--clock=virtual", target, "--no-progress"];
      const done = place.run(["sweep", `${kind}.yaml`, ...own]);
      expect(done, done.err).toMatchObject({ code: 0 });
    }
    const read = (kind: string) => JSON.parse(place.read(kind, "sweep.json")) as SweepRecord;
    latency = read("latency");
    saturation = read("write-saturation");
    const data = place.run(["report", "latency", "--format=json"]);
    expect(data, data.err).toMatchObject({ code: 0 });
    writeFileSync(place.path("latency", "report.json"), data.out);
  });
  afterAll(() => place.remove());

  test("agrees as it was made, and tells of a tampered file with exit code 1", () => {
    for (const kind of ["latency", "write-saturation"]) {
      const done = place.run(["results", "verify", kind]);
      expect(done, done.err).toMatchObject({ code: 0 });
    }
    const text = place.read("latency", "sweep.json");
    const verdict = inJson(["snia", "verdicts", 0, "steady"], false);
    writeFileSync(place.path("latency", "sweep.json"), verdict(text));
    const done = place.run(["results", "verify", "latency"]);
    writeFileSync(place.path("latency", "sweep.json"), text);
    expect(done.code).toBe(1);
    expect(done.out).toContain(
      "sweep.json snia verdict of round.steady: published 'false', raw data give 'true'",
    );
  });

  test.each<readonly [string, Path, unknown, RegExp]>([
    [
      "a figure of a round",
      ["snia", "runs", 1, "cells", 0, "iops"],
      1,
      /snia round-01\.cells\.0\.iops/,
    ],
    ["its bytes", ["snia", "runs", 1, "written_bytes"], 1, /round-01\.written_bytes/],
    ["a percentile", ["snia", "runs", 1, "cells", 0, "percentile", "50.000000"], 1, /percentile/],
    ["all bytes", ["snia", "endurance", "written_bytes"], 1, /snia written_bytes: published 1,/],
    ["the window", ["snia", "verdicts", 0, "window", "first"], 2, /window\.first: published 2/],
    ["a slope", ["snia", "verdicts", 0, "verdicts", 0, "excursion"], 7, /excursion: published 7/],
    ["what ended it", ["snia", "verdicts", 0, "ended"], "rounds", /ended: published 'rounds'/],
    ["how it differs", ["snia", "deviations"], [], /time scaled: 1 s stand for a minute/],
  ])("names %s", (_, path, value, line) => {
    expect(found(place, "latency/sweep.json", inJson(path, value))).toMatch(line);
  });

  test("rounds beyond the first steady window, and rounds that are missing, are named", () => {
    const runs = latency.snia?.runs ?? [];
    const last = { ...runs.at(-1), id: "round-06", round: 6 };
    const more = inJson(["snia", "runs"], [...runs, last]);
    const rounds = inJson(["snia", "verdicts", 0, "rounds"], 6);
    expect(found(place, "latency/sweep.json", (text) => rounds(more(text)))).toMatch(
      /verdict of round\.rounds: published 6, raw data give 5/,
    );
    const fewer = inJson(["snia", "runs"], runs.slice(0, -1));
    expect(found(place, "latency/sweep.json", fewer)).toMatch(/round\.steady: published 'true'/);
  });

  test("a saturation is made again from its rounds", () => {
    expect(saturation.snia?.verdicts[0]?.steady).toBe(true);
    const values = ["snia", "verdicts", 0, "verdicts", 0, "values", 0];
    for (const path of [values, ["snia", "verdicts", 0, "rounds"]]) {
      expect(found(place, "write-saturation/sweep.json", inJson(path, 3))).toMatch(
        /snia verdict of write\.(verdicts\.0\.values\.0|rounds): published 3/,
      );
    }
  });

  test("figures of the report are held against the runs", () => {
    const cell = (text: string) => text.replace(/(4 KiB<\/th><td>)[^<]*/, "$17.00 ms");
    expect(found(place, "latency/report.html", cell)).toMatch(
      /report\.html, Mean response time, 4 KiB, 100\/0: published '7.00 ms', raw data give/,
    );
    const stamp = (text: string) => text.replace("NOT CONFORMANT", "CONFORMANT");
    expect(found(place, "latency/report.html", stamp)).toMatch(/report\.html, conformant/);
    const said = (text: string) => text.replace("rounds 1 to 5.</p>", "rounds 1 to 4.</p>");
    expect(found(place, "latency/report.html", said)).toMatch(/report\.html, answer/);
    const data = inJson(["rounds", 0, "cells", 0, "latency_mean_ns"], 5);
    expect(found(place, "latency/report.json", data)).toMatch(/report\.json rounds\.0\.cells\.0/);
  });
});
