/** The page that lists many reports. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readItems } from "../../results/history/items.ts";
import { writeSite } from "../../results/report/site.ts";
import { writeFixtureRun } from "./report-fixture.ts";

let root = "";
const job = {
  name: "j",
  rw: "randread",
  ioengine: "io_uring",
  iodepth: 8,
  numjobs: 1,
  samples: 400,
} as const;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "osdyno-site-"));
  writeFixtureRun(join(root, "runs", "first"), { label: "<first>", jobs: [job] });
  writeFixtureRun(join(root, "runs", "second"), { label: "second", jobs: [job], state: "partial" });
  writeFixtureRun(join(root, "other", "first"), { label: "namesake", jobs: [job] });
  mkdirSync(join(root, "runs", "damaged"));
  writeFileSync(join(root, "runs", "damaged", "run.json"), "{");
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

const reportsOf = (out: string) => readdirSync(join(out, "reports")).sort();
const pageOf = (out: string) => readFileSync(join(out, "index.html"), "utf8");

it("copies and lists what a directory holds, and leaves out what cannot be read", async () => {
  const out = join(root, "site");
  const written = await writeSite([join(root, "runs")], out);
  expect(written).toMatchObject({ added: 2, total: 2, index: join(out, "index.html") });
  expect(written.skipped.map((one) => one.dir)).toEqual([join(root, "runs", "damaged")]);
  expect(reportsOf(out)).toEqual(["first.html", "second.html"]);
  const page = pageOf(out);
  expect(page).toContain("&lt;first&gt;");
  expect(page).not.toContain("<first>");
  expect(page.match(/<tr><td/g)).toHaveLength(2);
  expect(page).toContain("4 KiB randread with io_uring reached");
  expect(page).toContain("partial<small>1 warning</small>");
  expect(page).not.toMatch(/https?:\/\//);
  const links = [...page.matchAll(/href="([^"]+)"/g)].map((match) => match[1] ?? "");
  expect(links.every((link) => existsSync(join(out, link)))).toBe(true);
});

it("grows by later calls, keeps namesakes apart and forgets what was deleted", async () => {
  const out = join(root, "growing");
  await writeSite([join(root, "runs", "second")], out);
  await writeSite([join(root, "runs", "first")], out);
  await writeSite([join(root, "runs", "first")], out);
  expect(reportsOf(out)).toEqual(["first.html", "second.html"]);
  const list = JSON.parse(readFileSync(join(out, "reports.json"), "utf8"));
  list.reports[0].started = "2020-01-01T00:00:00Z";
  writeFileSync(join(out, "reports.json"), JSON.stringify(list));
  await writeSite([join(root, "runs", "second"), join(root, "other", "first")], out);
  expect(reportsOf(out)).toContain("first-2.html");
  rmSync(join(out, "reports", "second.html"));
  const again = await writeSite([join(root, "other", "first")], out);
  expect(pageOf(out)).not.toContain("reports/second.html");
  expect(again.total).toBe(2);
});

it("is refused where something else stands, and for a directory without results", async () => {
  const foreign = join(root, "foreign");
  mkdirSync(foreign);
  writeFileSync(join(foreign, "index.html"), "mine");
  const runs = [join(root, "runs", "first")];
  await expect(writeSite(runs, foreign)).rejects.toMatchObject({ code: "bad-input" });
  expect(pageOf(foreign)).toBe("mine");
  const file = join(root, "file");
  writeFileSync(file, "");
  await expect(writeSite(runs, file)).rejects.toMatchObject({ code: "bad-input" });
  await expect(writeSite([foreign], join(root, "new"))).rejects.toMatchObject({
    code: "bad-input",
  });
  const damaged = [join(root, "runs", "damaged")];
  await expect(writeSite(damaged, join(root, "new"))).rejects.toMatchObject({ code: "bad-input" });
});

it("each kind has its own page, title and words", async () => {
  const runs = join(root, "kinds");
  const virtual = ["--clock=virtual", "--no-progress", "--no-report"];
  const cli = fileURLToPath(new URL("../../cli/osdyno.mjs", import.meta.url));
  const osdyno = (...args: readonly string[]) => {
    const done = spawnSync(process.execPath, [cli, ...args], { cwd: runs, encoding: "utf8" });
    expect(done.stderr.includes("error"), done.stderr).toBe(false);
    expect(done.status, done.stderr).toBe(0);
  };
  mkdirSync(runs);
  const snia = [
    "name: wear",
    "snia:",
    "  test: latency",
    "  size: 32m",
    "  scale: {minute: 100ms}",
  ];
  writeFileSync(join(runs, "snia.yaml"), snia.join("\n"));
  const job = ["job: |", "  [j]", "  rw=randread", "  size=1m", "  time_based", "  runtime=2"];
  const space = ["space: {iodepth: [1, 8]}", "objective: {maximise: iops}", "budget: 18"];
  const target = "targets: ['null:?service=10ms&channels=4&size=1m']";
  const tune = ["name: deep", ...job, target, ...space, "confirm: {pairs: 6}"];
  writeFileSync(join(runs, "tune.yaml"), tune.join("\n"));
  osdyno("sweep", "snia.yaml", "--out=a", "--target=null:?service=1ms&size=32m", ...virtual);
  osdyno("tune", "tune.yaml", "--out=b", ...virtual);
  const curve = ["--name=c", "--rw=randread", "--size=1m", "--iodepth=64", "--runtime=1"];
  const server = "--target=null:?service=1ms&jitter=exp&channels=1&size=1m";
  osdyno("run", ...curve, server, "--load-curve", "--out=c", ...virtual);
  const point = ["--shape=nvme", "--rounds=1", "--sample=10", "--out=p.yaml"];
  osdyno("fingerprint", "null:", ...point);
  const portrait = readdirSync(join(runs, "results", "runs"))[0] ?? "";
  const out = join(root, "kinds-site");
  const made = await writeSite([runs, join(runs, "results", "runs", portrait)], out);
  expect(made).toMatchObject({ total: 4, skipped: [] });
  const page = pageOf(out);
  for (const [href, what, answer, title, drawing] of [
    ["a", "SNIA PTS 2.0.2 latency test, 6 runs, NOT CONFORMANT", "Steady", "SNIA PTS", "NOT CONF"],
    ["b", "tuning, 18 runs", "iodepth=8 is better", "osdyno tuning", "The search, run by run"],
    ["c", "response curve, ", "The knee is at", "osdyno report", "Response time under load"],
    [portrait, "fingerprint of a device, modelled", "", "osdyno fingerprint", "Portrait of p"],
  ] as const) {
    const row = new RegExp(`<a href="reports/${href}\\.html">[\\s\\S]*?</tr>`).exec(page)?.[0];
    expect(row).toContain(what);
    expect(row).toContain(answer);
    const report = readFileSync(join(out, "reports", `${href}.html`), "utf8");
    expect(/<title>([^<]*)/.exec(report)?.[1]).toContain(title);
    expect(report).toContain(drawing);
    expect(report.match(/<svg/g)?.length ?? 0).toBeGreaterThan(1);
  }
  // Rates of a curve are no line of a history: the next curve has others.
  const { items } = readItems([join(runs, "c")], ["iops"]);
  expect(items.map(({ line }) => line)).toEqual(["c, closed loop"]);

  // Published without their runs: the page as it was kept, and what it says of itself.
  const kept = join(root, "kept");
  for (const [name, record] of [
    ["b", "tune.json"],
    ["c", "sweep.json"],
  ] as const) {
    mkdirSync(join(kept, name), { recursive: true });
    writeFileSync(join(kept, name, record), readFileSync(join(runs, name, record)));
    const drawn = readFileSync(join(out, "reports", `${name}.html`));
    writeFileSync(join(kept, name, "report.html"), drawn);
  }
  const keptSite = join(root, "kept-site");
  expect(await writeSite([kept], keptSite)).toMatchObject({ total: 2, skipped: [] });
  const rows = (site: string) =>
    JSON.parse(readFileSync(join(site, "reports.json"), "utf8")).reports as Record<
      string,
      string
    >[];
  for (const row of rows(keptSite)) {
    const before = rows(out).find(({ source }) => source === row["source"]);
    const same = ["name", "question", "target", "answer", "state", "runs", "warnings"] as const;
    expect(same.map((key) => row[key])).toEqual(same.map((key) => before?.[key]));
    expect(row["started"]?.slice(0, 19)).toBe(before?.["started"]?.slice(0, 19));
    expect(row["what"]).toContain("; the page as it was kept, its runs are not there");
    const [copy, drawn] = [keptSite, out].map((site) =>
      readFileSync(join(site, "reports", `${row["source"]}.html`), "utf8"),
    );
    expect(copy).toBe(drawn);
  }
  // A page of something else is not shown for it.
  writeFileSync(join(kept, "c", "report.html"), readFileSync(join(kept, "b", "report.html")));
  const wrong = await writeSite([kept], join(root, "wrong-site"));
  expect(wrong.skipped.map(({ dir }) => dir)).toEqual([join(kept, "c")]);
});
