/** `osdyno results pack`: every reader takes what it makes as the directory that it was made of. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { queryResults } from "../../results/query/query.ts";
import { drawingOf } from "../../results/report/write.ts";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { verifyPages } from "../../results/verify-page.ts";
import { verifyResults } from "../../results/verify-results.ts";
import { Workplace } from "./command.ts";

const place = new Workplace();
afterAll(() => place.remove());

const model = "null:?service=1ms&jitter=exp&size=16m&channels=4";
const own = ["--clock=virtual", "--no-progress"];

function done(args: readonly string[]): string {
  const { code, out, err } = place.run(args);
  expect({ args, code, err: code === 0 ? "" : err, out: code === 0 ? "" : out }).toMatchObject({
    code: 0,
  });
  return out;
}

beforeAll(() => {
  const sweep = [
    ...["name: s", "question: How deep?", "job: |", "  [j]", "  rw=randrw", "  rwmixread=70"],
    ...["  size=16m", "  time_based", "  ramp_time=200ms", "  runtime=2", "  numjobs=2"],
    ...["  group_reporting", `targets: ['${model}']`, "matrix: {iodepth: [1, 4]}"],
    ...["repeat: 6", "metrics: [iops, response.p99]", "baseline: {iodepth: 1}"],
  ];
  place.write("s.yaml", sweep.join("\n"));
  done(["sweep", "s.yaml", "--out=sweep", ...own]);
  const job = ["--name=j", "--rw=randwrite", "--size=16m", "--time_based", "--runtime=1"];
  done(["run", ...job, `--target=${model}`, "--out=run", ...own]);
  done(["run", ...job, `--target=${model}`, "--repeat=2", "--out=repeat", ...own]);
  const snia = ["name: w", "snia:", "  test: write-saturation", "  size: 32m"];
  place.write("w.yaml", [...snia, "  scale: { capacity: 16m, minute: 1s }"].join("\n"));
  const slow = "--target=null:?service=100ms&size=32m";
  done(["sweep", "w.yaml", "--out=snia", slow, ...own]);
  const tune = [
    ...["name: t", "job: |", "  [j]", "  size=1m", "  rw=randread", "  time_based", "  runtime=1"],
    "targets: ['null:?service=20ms&jitter=exp&channels=4&size=1m']",
    ...["space: {iodepth: [1, 2, 4, 8]}", "objective: {maximise: iops}", "budget: 20"],
    "confirm: {pairs: 6}",
  ];
  place.write("t.yaml", tune.join("\n"));
  done(["tune", "t.yaml", "--out=tune", ...own]);
});

test("what was asked is held to the sweep file, which is in the record and in the pack", () => {
  done(["results", "pack", "sweep", "--out=asked"]);
  const text = place.read("asked/sweep.json");
  const record = JSON.parse(text) as SweepRecord;
  expect(record.file).toMatchObject({ name: "s.yaml", text: place.read("s.yaml") });
  const verified = (changes: Partial<SweepRecord>) => {
    place.write("asked/sweep.json", JSON.stringify({ ...record, ...changes }, null, 2));
    const { code, out } = place.run(["results", "verify", "asked"]);
    return { code, out };
  };
  expect(verified({ question: "How deep at the least?" })).toMatchObject({
    code: 1,
    out: expect.stringMatching(
      /question: "How deep at the least\?", but s\.yaml says "How deep\?"/,
    ),
  });
  const file = { ...record.file, text: `${record.file?.text}# weaker` } as SweepRecord["file"];
  expect(verified(file === undefined ? {} : { file }).out).toContain("its checksum is");
  place.write("asked/sweep.json", text);
  // Judged by another file of the same points, its goals are answered; weakened afterwards, they are named.
  place.write("goal.yaml", `${place.read("s.yaml")}\ngoal: [iops > 3000]\n`);
  done(["results", "judge", "asked", "--by", "goal.yaml"]);
  const judged = JSON.parse(place.read("asked/sweep.json")) as SweepRecord;
  expect(judged.requirements?.map(({ threshold, verdict }) => [threshold, verdict])).toEqual([
    ["iops > 3000", "missed"],
    ["iops > 3000", "met"],
  ]);
  expect(judged.notes?.join()).toContain("judged by goal.yaml");
  done(["results", "verify", "asked"]);
  place.write("asked/sweep.json", JSON.stringify({ ...judged, requirements: [] }, null, 2));
  const weakened = place.run(["results", "verify", "asked"]);
  expect([weakened.code, weakened.out]).toEqual([1, expect.stringContaining("requirements")]);
  place.write("other.yaml", place.read("s.yaml").replace("[1, 4]", "[1, 8]"));
  expect(place.run(["results", "judge", "asked", "--by", "other.yaml"])).toMatchObject({ code: 2 });
});

test("without its runs there is nothing to check, and that is no success", () => {
  const { state, ...rest } = JSON.parse(place.read("sweep/sweep.json")) as SweepRecord;
  const record = { ...rest, state, comparisons: [], distributions: undefined };
  mkdirSync(place.path("bare"));
  place.write("bare/sweep.json", JSON.stringify(record));
  const { code, err } = place.run(["results", "verify", "bare"]);
  expect([code, err]).toEqual([1, expect.stringContaining("nothing to check")]);
});

test("a site tells of every folder that it leaves out, tunings among them", () => {
  mkdirSync(place.path("all/t"), { recursive: true });
  place.write("all/t/tune.json", place.read("tune/tune.json"));
  mkdirSync(place.path("all/r"), { recursive: true });
  done(["results", "pack", "run", "--out=all/r"]);
  const { code, err } = place.run(["report", "--site=site-all", "all"]);
  expect([code, err]).toEqual([0, expect.stringMatching(/left out .*all\/t/)]);
});

const kinds = ["sweep", "run", "repeat", "snia", "tune"] as const;

test.each(kinds)("%s: verified, drawn and shown as what it was made of", (kind) => {
  const packed = `packed/${kind}`;
  done(["results", "pack", kind, `--out=${packed}`]);
  const names = readdirSync(place.path(packed));
  expect(names).toContain("runs.tar.zst");
  expect(names).toContain("report.html");
  expect(names).not.toContain("points");
  const [from, to] = [place.path(kind), place.path(packed)];
  const found = verifyResults(to);
  expect(found.flatMap(({ disagreements }) => disagreements)).toEqual([]);
  expect(found).toHaveLength(verifyResults(from).length);
  expect(drawingOf(to).model).toEqual(drawingOf(from).model);
  expect(drawingOf(to).markdown()).toBe(drawingOf(from).markdown());
  const sql = "SELECT point, repeat, iops, response_p99_ns FROM runs ORDER BY 1, 2";
  expect(queryResults([to], sql)).toEqual(queryResults([from], sql));
});

test("points are compared, a site is made, and tar unpacks the archive", () => {
  const point = (name: string, at: number) => {
    const { points } = JSON.parse(place.read(name, "sweep.json")) as { points: { id: string }[] };
    return `${name}#${points[at]?.id}`;
  };
  const compared = (name: string) => {
    const { out } = place.run(["compare", point(name, 0), "--with", point(name, 1), "--json"]);
    return out.replaceAll(`${name}#`, "#").replaceAll(/"[^"]*points\//g, '"points/');
  };
  expect(JSON.parse(compared("packed/sweep"))).toEqual(JSON.parse(compared("sweep")));
  done(["report", "--site=site", "packed"]);
  expect(readdirSync(place.path("site", "reports")).sort()).toEqual(
    kinds.map((kind) => `${kind}.html`).sort(),
  );
  const shown = (name: string) =>
    done(["results", "show", name]).replaceAll(/^ *results: .*$/gm, "");
  expect(shown("packed/repeat")).toBe(shown("repeat"));
  expect(shown("packed/sweep")).toBe(shown("sweep"));
  const notes = verifyResults(place.path("packed", "sweep")).flatMap((each) => each.notes);
  expect(notes.join()).toContain("packed without figures of single intervals");
  mkdirSync(place.path("plain"));
  const archive = place.path("packed", "sweep", "runs.tar.zst");
  // GNU tar's own zstd needs a program that not every machine has.
  const script =
    'process.stdout.write(require("node:zlib").zstdDecompressSync(require("node:fs").readFileSync(process.argv[1])))';
  const tar = execFileSync(process.execPath, ["-e", script, archive], { maxBuffer: 1 << 28 });
  execFileSync("tar", ["-xf", "-", "-C", place.path("plain")], { input: tar });
  place.write("plain/sweep.json", place.read("packed", "sweep", "sweep.json"));
  place.write("plain/report.html", place.read("packed", "sweep", "report.html"));
  expect(drawingOf(place.path("plain")).markdown()).toBe(drawingOf(place.path("sweep")).markdown());
});

test("a packed sweep is judged again from its runs", async () => {
  const text = place.read("packed", "sweep", "sweep.json");
  const record = JSON.parse(text) as SweepRecord;
  const comparisons = record.comparisons.map((each) => ({ ...each, verdict: "same", low: 0.5 }));
  place.write("packed/sweep/sweep.json", JSON.stringify({ ...record, comparisons }));
  const said = done(["results", "judge", "packed/sweep"]);
  expect(said).toContain(": same before, better now");
  expect(JSON.parse(place.read("packed", "sweep", "sweep.json"))).toEqual(record);
  expect((await verifyPages(place.path("packed", "sweep")))[0]?.disagreements).toEqual([]);
});

test.each<readonly [string, (page: string) => string, RegExp]>([
  [
    "its answer",
    (page) => page.replace(/(aria-label="Answer">\n<p>)[^<]*/, "$1No."),
    /published 'No\.'/,
  ],
  ["a verdict", (page) => page.replace(/>better</, ">worse<"), /published 'worse'|'worse' is/],
  [
    "a cell",
    (page) => page.replace(/(<td[^>]*data-m="iops">)[^<]*/, "$19.99M"),
    /published '9\.99M', the results give/,
  ],
  [
    "a text of a chart",
    (page) => page.replace(/(<text[^>]*>)([\d.]+k?)</, "$177$2<"),
    /published '77/,
  ],
  [
    "a line of a chart",
    (page) => page.replace(/(<svg[\s\S]*? d="M)[\d.]+,[\d.]+L/, "$11,1L"),
    /the chart \S+ is not drawn as the results give it/,
  ],
  ["how it was measured", (page) => page.replace(/12 runs/, "120 runs"), /published '120 runs/],
  [
    "a sentence",
    (page) => page.replace("</main>", "<p>It is 5 times as fast.</p></main>"),
    /5 times/,
  ],
  [
    "its script",
    (page) => page.replace('<script type="module">', '<script type="module">document.title=1;'),
    /its script is not the one of this version/,
  ],
])("a page on which %s was changed is told of", async (_, forge, line) => {
  const page = place.read("packed", "sweep", "report.html");
  const forged = forge(page);
  expect(forged).not.toBe(page);
  place.write("packed/sweep/report.html", forged);
  const found = await verifyPages(place.path("packed", "sweep"));
  place.write("packed/sweep/report.html", page);
  expect(found.flatMap((each) => each.disagreements).join("\n")).toMatch(line);
});

test("a run's page is checked, too, by whatever name its directory goes", async () => {
  const packed = place.path("packed", "run");
  renameSync(packed, place.path("packed", "moved"));
  const [found] = await verifyPages(place.path("packed", "moved"));
  renameSync(place.path("packed", "moved"), packed);
  expect(found?.disagreements).toEqual([]);
  expect(found?.numbersChecked).toBeGreaterThan(100);
});

test("what cannot be packed, or not there, is refused", () => {
  for (const [args, line] of [
    [["packed/sweep", "--out=again"], /is packed already/],
    [["sweep", "--out=sweep/packed"], /it lies in \S*sweep;/],
    [["sweep", "--out=run"], /holds something else/],
    [["site", "--out=other"], /no osdyno results there/],
  ] as const) {
    const refused = place.run(["results", "pack", ...args]);
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(line);
  }
  expect(place.exists("run", "run.json")).toBe(true);
  expect(statSync(place.path("packed", "sweep", "runs.tar.zst")).size).toBeLessThan(1 << 19);
});
