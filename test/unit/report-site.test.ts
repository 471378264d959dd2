/** The page that lists many reports. */
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
import { afterAll, beforeAll, expect, it } from "vitest";
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
