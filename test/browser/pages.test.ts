/** Every kind of page and of chart in Chromium, light on a desk and dark on a phone. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeSite } from "../../results/report/site.ts";
import { writeReport } from "../../results/report/write.ts";
import { Workplace } from "../cli/command.ts";
import { lookAt } from "./page-look.ts";

const executablePath = "/usr/bin/chromium";
const project = new URL("../../", import.meta.url);
const inProject = (path: string) => fileURLToPath(new URL(path, project));

const slow = "null:?service=10ms&size=32m";
const jittery = "null:?service=10ms&jitter=exp&channels=4&size=1m";
const virtual = ["--clock=virtual", "--no-progress"];
const curve = ["--name=a", "--rw=randread", "--iodepth=64", "--time_based", "--runtime=1"];
const snia = (test: string, scale: string) => [
  ...["sweep", inProject(`profiles/snia/${test}.yaml`), ...virtual, `--target=${slow}`],
  ...["--size=32m", "--scale", `minute=${scale}`],
];
const bench = (...more: readonly string[]) => ["bench", ...more, "--rounds=2"];

const tax = `name: tax
question: What does a limit cost?
job: |
  [j]
  rw=randwrite
  bs=4k
  size=1m
  time_based
  runtime=2
targets: ["null:?service=200us&size=1m", "null:?service=200us&size=2m"]
matrix:
  rbd_qos_iops_limit: [1000, 0]
exclude: [{ target: "null:?service=200us&size=2m", rbd_qos_iops_limit: 0 }]
when: { rbd_qos_iops_limit: { target: "null:?service=200us&size=2m" } }
repeat: 6
metrics: [iops]
`;

const tune = `name: tuned
question: Which depth?
job: |
  [j]
  size=1m
  rw=randread
  time_based
  runtime=2
targets: ["${jittery}"]
space:
  iodepth: { from: 1, to: 32, factor: 2 }
  bs: [4k, 8k]
objective: { maximise: iops }
subject_to: ["response.p90 < 200ms"]
budget: 22
confirm: { pairs: 6 }
`;

/** Pages that a command makes in the folder of the name; SNIA's tests as short as they are steady. */
const commands: Readonly<Record<string, readonly string[]>> = {
  curve: ["run", ...virtual, ...curve, "--size=1m", `--target=${jittery}`, "--load-curve"],
  tax: ["sweep", "tax.yaml", ...virtual, "--stages=1"],
  tune: ["tune", "tune.yaml", ...virtual],
  "snia-throughput": snia("throughput", "50ms"),
  "snia-latency": snia("latency", "50ms"),
  "snia-write-saturation": snia("write-saturation", "10ms"),
  "snia-composite": snia("composite", "20ms"),
  "snia-cross-stimulus": snia("cross-stimulus", "10ms"),
  "snia-host-idle": snia("host-idle", "10ms,cycles=4"),
  "bench-allocator": bench("allocator", "--capacity=1", "--steps=500"),
  "bench-checksum": bench("checksum", "--runtime=10"),
};
/** Reports of kept sweeps: parameters as effects, lines, maps; shares of classes. */
const published = ["caches", "schedulers-store"];

/** Where charts get their names. */
const sources = [
  ...["results/report", "results/load-curve", "results/fingerprint", "results/snia"],
  ...["results/tune/report", "results/history"],
];

/** Names of all charts that the code can draw, without the numbers of several of a kind. */
function chartKinds(): string[] {
  const kinds = sources.flatMap((folder) =>
    readdirSync(inProject(folder))
      .filter((file) => /chart.*\.ts$/.test(file))
      .flatMap((file) => {
        const text = readFileSync(inProject(`${folder}/${file}`), "utf8");
        const named = text.matchAll(/^ +name: ["`]([a-z]+(?:-[a-z]+)*)|\bchart\(\s*"([a-z-]+)"/gm);
        return [...named].map(([, field, argument]) => field ?? argument ?? "");
      }),
  );
  return [...new Set(kinds)].sort();
}

describe.skipIf(!existsSync(executablePath))("pages in Chromium", () => {
  const place = new Workplace();
  const seen = new Set<string>();
  const urls = new Map<string, string>();
  let browser: Browser;

  const put = (name: string, file: string) => urls.set(name, pathToFileURL(file).href);

  /** Two at a time: each has a process of its own that is busy. */
  async function runCommands(): Promise<void> {
    const left = Object.entries(commands);
    const worker = async () => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const [name, args] = next;
        const done = await place.start([...args, `--out=${name}`]).done;
        expect(done, `${name}: ${done.err}`).toMatchObject({ code: 0 });
        put(name, place.path(name, "report.html"));
      }
    };
    await Promise.all([worker(), worker()]);
  }

  async function makePages(): Promise<void> {
    place.write("tax.yaml", tax);
    place.write("tune.yaml", tune);
    await runCommands();
    const device = "null:?service=50us&channels=8&bw=2g&size=8g";
    const print = await place.start(["fingerprint", device, "--out=p/own.yaml"]).done;
    expect(print, print.err).toMatchObject({ code: 0 });
    put("fingerprint", place.path(/portrait: (.*report\.html)/.exec(print.err)?.[1] ?? ""));
    for (const name of published) {
      const out = place.path(`${name}.html`);
      await writeReport(inProject(`results/published/${name}`), { out });
      put(name, out);
    }
  }

  async function makeLists(): Promise<void> {
    const dirs = ["curve", "tax", "tune"].map((name) => place.path(name));
    put("site", (await writeSite(dirs, place.path("site"))).index);
  }

  beforeAll(async () => {
    await makePages();
    await makeLists();
    browser = await chromium.launch({
      executablePath,
      args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
  }, 600_000);

  afterAll(async () => {
    await browser?.close();
    place.remove();
  });

  const names = [...Object.keys(commands), "fingerprint", ...published, "site"];
  for (const [width, scheme] of [
    [1280, "light"],
    [420, "dark"],
  ] as const) {
    it.each(names)(`%s is whole and readable, ${scheme}, ${width} pixels wide`, async (name) => {
      const look = await lookAt(browser, urls.get(name) ?? "", width, scheme);
      expect(look.trouble).toEqual([]);
      expect(look.overflow).toBe(0);
      expect(look.ground < 0.05).toBe(scheme === "dark");
      expect(look.poor).toEqual([]);
      // A phone scrolls tables sideways; on a desk each is there whole.
      expect(width < 1000 ? [] : look.cut, "tables that are cut off").toEqual([]);
      expect(look.figures.length > 0).toBe(name !== "site");
      for (const { id, marks, over, outside, wide } of look.figures) {
        seen.add(id.replace(/-\d+$/, ""));
        expect(marks, `marks of ${id}`).toBeGreaterThan(0);
        expect(over, `words over one another in ${id}`).toEqual([]);
        expect(outside, `marks outside the plot of ${id}`).toEqual([]);
        expect(wide, `${id} reaches beyond the screen`).toBe(false);
      }
    });
  }

  it("every kind of chart was on one of the pages", () => {
    const kinds = chartKinds();
    expect(kinds).toEqual(expect.arrayContaining(["effects", "idle", "window", "load-curve"]));
    // The history needs many results: charts.test.ts has one. Confidence levels need more operations
    // than the short composite test makes.
    const elsewhere = new Set(["history", "confidence"]);
    expect(kinds.filter((kind) => !seen.has(kind) && !elsewhere.has(kind))).toEqual([]);
  });
});
