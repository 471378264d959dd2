/** `osdyno results verify` on what stands above runs: each published number, changed, is named. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keptBench } from "../../results/bench/kept.ts";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { isTuneDirectory } from "../../results/tune/report/load.ts";
import type { TuneRecord } from "../../results/tune/tune-record.ts";
import type { Verification } from "../../results/verify.ts";
import { verifyBench } from "../../results/verify-bench.ts";
import { verifyResults } from "../../results/verify-results.ts";
import { verifySweep } from "../../results/verify-sweep.ts";
import { verifyTune } from "../../results/verify-tune.ts";
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
  const directory = place.path(file.slice(0, file.indexOf("/")));
  const { disagreements } = isTuneDirectory(directory)
    ? verifyTune(directory)
    : verifySweep(directory);
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
    ["its file", ["file", "text"], "name: t", /sweep\.json file: its checksum is/],
    [
      "its question",
      ["question"],
      "Is it fast?",
      /json question: "Is it fast\?", but latency\.yaml/,
    ],
    ["its threads", ["snia", "threads"], 3, /json snia threads: 3, but latency\.yaml says 4/],
    ["its scale", ["snia", "minute_seconds"], 2, /minute_seconds: 2, but latency\.yaml says 1/],
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

describe("a tuning", () => {
  const place = new Workplace();
  const lines = [
    ...["name: t", "job: |", "  [j]", "  size=1m", "  rw=randread", "  time_based", "  runtime=2"],
    "targets: ['null:?service=20ms&jitter=exp&channels=4&size=1m']",
    "space: {iodepth: {from: 1, to: 16, factor: 2}, bs: [4k, 8k], io_size: [1m, 2m]}",
    ...["when: {io_size: {bs: 4k}}", "exclude: [{iodepth: 16, bs: 8k}]"],
    "objective: {maximise: iops, minimise: response.p50}",
    ...["subject_to: ['response.p50 < 1s']", "budget: 22", "confirm: {pairs: 6}"],
  ];
  let record: TuneRecord;
  beforeAll(() => {
    place.write("t.yaml", lines.join("\n"));
    const done = place.run(["tune", "t.yaml", "--out=t", "--clock=virtual", "--no-progress"]);
    expect(done, done.err).toMatchObject({ code: 0 });
    // Charts of two goals share their legend.
    expect(done.err).not.toContain("WARN");
    record = JSON.parse(place.read("t", "tune.json")) as TuneRecord;
  });
  afterAll(() => place.remove());

  const told = (path: Path, value: unknown) => found(place, "t/tune.json", inJson(path, value));

  test("agrees as it was made, and alone as it is published", () => {
    expect(record.rules).toEqual({
      when: { io_size: { bs: ["4k"] } },
      exclude: [{ iodepth: ["16"], bs: ["8k"] }],
    });
    expect(record.front.length).toBeGreaterThan(0);
    const done = place.run(["results", "verify", "t"]);
    expect(done, done.out).toMatchObject({ code: 0 });
    expect(done.out).not.toContain("not there");
    mkdirSync(place.path("alone"));
    for (const name of ["tune.json", "report.html"]) {
      place.write(`alone/${name}`, place.read("t", name));
    }
    const alone = place.run(["results", "verify", "alone"]);
    expect(alone, alone.out).toMatchObject({ code: 0 });
    expect(alone.out).toContain("10 of 10 runs are not there");
    const bare = place.read("t", "tune.json");
    place.write("alone/tune.json", inJson(["importance", 0, "share", "low"], 0.5)(bare));
    const wrong = place.run(["results", "verify", "alone"]);
    expect(wrong.code).toBe(1);
    expect(wrong.out).toContain("tune.json importance.0.share.low: published 0.5, raw data give");
  });

  test.each<readonly [string, Path, unknown, RegExp]>([
    ["a figure of a run", ["steps", 3, "figures", "iops"], 1, /tune\.json points\/.*\.iops: pub/],
    ["an importance", ["importance", 0, "share", "value"], 1, /importance\.0\.share\.value/],
    ["what is believed", ["beliefs", 0, "expected", "iops", "high"], 1, /beliefs\.0\.expected/],
    ["the noise", ["noise", "iops"], 0.5, /tune\.json noise\.iops: published 0\.5/],
    ["the front", ["front"], [], /tune\.json front\.0: published 'undefined'/],
    ["who won", ["chosen", 0], "default", /tune\.json chosen\.0: published 'default'/],
    ["a comparison", ["comparisons", 0, "ratio"], 9, /tune\.json comparisons\.0\.ratio/],
    ["a verdict", ["confirmed", 0, "verdict"], "no", /tune\.json confirmed\.0\.verdict/],
    ["a limit", ["kept", 0, "kept"], 99, /tune\.json kept\.0\.kept: published 99/],
    ["a configuration", ["trials", 1, "choice", 0], 9, /tune\.json \S+ iodepth: published/],
    ["its file", ["file", "text"], "name: t", /tune\.json file: its checksum is/],
    ["its question", ["question"], "Is it?", /tune\.json question: "Is it\?", but t\.yaml says ""/],
    ["a goal", ["goals", 0, "metric"], "bw", /tune\.json goals: .*, but t\.yaml says/],
    ["what has to hold", ["limits"], [], /limits: \[\], but t\.yaml says \["response\.p50 < 1s"\]/],
    ["the space", ["space", "bs", "values", 0], "2k", /tune\.json space bs: \["2k","8k"\], but/],
    ["the rules", ["rules", "exclude"], [], /tune\.json rules: .*, but t\.yaml says/],
    ["why a run was made", ["steps", 2, "why"], "repeat", /steps\.2\.why: published 'repeat'/],
    ["the seed of the search", ["seed"], 77, /steps\.\d+, its choice: published/],
    ["another method", ["method"], "random", /steps\.\d+(\.why|, its choice): published/],
    ["whom the files are about", ["tuned", "trial"], "c001x", /tuned\.trial: published 'c001x'/],
    ["what the winner sets", ["tuned", "settings", "bs"], "7k", /settings\.bs: published '7k'/],
  ])("names %s", (_, path, value, line) => {
    expect(told(path, value)).toMatch(line);
  });

  test("names two runs that changed places, and a search that lacks its end", () => {
    const [, , , third, fourth, ...rest] = record.steps;
    const swapped = [...record.steps.slice(0, 3), fourth, third, ...rest];
    expect(told(["steps"], swapped)).toMatch(/tune\.json steps\.3, its choice: published/);
    expect(told(["steps"], record.steps.slice(0, -1))).toMatch(
      /the search: published 'has ended', raw data give 'goes on'/,
    );
  });

  test("files of the answer are made again from the record", () => {
    const settings = record.tuned?.settings ?? {};
    const file = (name: string, rewrite: (text: string) => string) =>
      found(place, `t/answer/${name}`, rewrite);
    const depth = (text: string) => text.replace(/^ +iodepth: .*$/m, "          iodepth: 999");
    expect(settings["iodepth"]).not.toBe("999");
    expect(file("profile.yaml", depth)).toMatch(
      /answer\/profile\.yaml, line \d+: published ' +iodepth: 999', raw data give ' +iodepth: /,
    );
    expect(file("profile.yaml", (text) => `${text}prepare: {fill: 1%}\n`)).toMatch(
      /give 'nothing'/,
    );
    const force = (text: string) => `${text}[osd]\nbluestore_throttle_bytes = 1\n`;
    expect(file("ceph.conf", force)).toMatch(/answer\/ceph\.conf, line \d+: published '\[osd\]'/);
    const head = (text: string) => text.replace(/\d+(?=%)/, "99");
    expect(file("ceph-config-set.sh", head)).toMatch(/answer\/ceph-config-set\.sh, line 2: /);
  });

  test("numbers of the answer and cells of the report are held against the runs", () => {
    const [first = ""] = record.answer;
    const other = first.replace(/\d+(?=%)/, "99");
    expect(told(["answer", 0], other)).toMatch(/answer, sentence 1, its numbers/);
    const page = (rewrite: (text: string) => string) => found(place, "t/report.html", rewrite);
    expect(page((text) => text.replace(/(<td[^>]*>)\d\.\d{3}(<)/, "$19.999$2"))).toMatch(
      /report\.html, Verdicts of the confirmation, .*published '9\.999'/,
    );
    const settings = page((text) => text.replace(/(<td[^>]*>)[\d.]+% \(/, "$177% ("));
    expect(settings).toMatch(/report\.html, Settings of the configuration found/);
  });
});

function verifyTogether(directory: string): readonly Verification[] {
  return [isTuneDirectory(directory) ? verifyTune(directory) : verifySweep(directory)];
}

test("everything that is published agrees with what is kept of it", () => {
  const root = fileURLToPath(new URL("../../results/published/", import.meta.url));
  // Hundreds of runs, each by itself, are a campaign.
  const check = process.env["OSDYNO_CAMPAIGN"] === undefined ? verifyTogether : verifyResults;
  const checked = readdirSync(root).flatMap((name) => {
    const bench = keptBench(join(root, name));
    return bench === null ? check(join(root, name)) : [verifyBench(bench)];
  });
  expect(checked.length).toBeGreaterThan(10);
  expect(checked.flatMap(({ disagreements }) => disagreements)).toEqual([]);
}, 240_000);
