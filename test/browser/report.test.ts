/** The report as a reader opens it: from a file, without a network, on several screens. */
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeReport } from "../../results/report/write.ts";
import { writeFixtureRun, writeFixtureSweep } from "../unit/report-fixture.ts";

const executablePath = "/usr/bin/chromium";
const present = existsSync(executablePath);
if (!present) {
  process.stderr.write(
    "browser tests skipped: /usr/bin/chromium is missing (apt install chromium)\n",
  );
}

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A page and everything that must not happen on it. */
interface Visit {
  readonly page: Page;
  readonly trouble: readonly string[];
  readonly requests: readonly string[];
}

describe.skipIf(!present)("report.html in Chromium", () => {
  let browser: Browser;
  let root = "";
  const urls = new Map<string, string>();

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "osdyno-browser-"));
    // 42 points, as an ordinary sweep has.
    const depths = [1, 2, 3, 4, 5, 6, 7];
    writeFixtureSweep(join(root, "sweep"), { preview: true, repeat: 1, depths, samples: 1200 });
    writeFixtureRun(join(root, "run"), {
      jobs: [
        {
          name: "stall",
          rw: "randread",
          ioengine: "io_uring",
          iodepth: 8,
          numjobs: 1,
          rate: 1000,
          stall: true,
          late: true,
          rampMs: 1000,
        },
      ],
    });
    for (const name of ["sweep", "run"]) {
      const { files } = await writeReport(join(root, name));
      urls.set(name, pathToFileURL(files[0] ?? "").href);
    }
    browser = await chromium.launch({ executablePath, args: flags });
  }, 300_000);

  afterAll(async () => {
    await browser?.close();
    rmSync(root, { recursive: true, force: true });
  });

  async function visit(name: string, options: BrowserContextOptions): Promise<Visit> {
    const context = await browser.newContext({ offline: true, ...options });
    const page = await context.newPage();
    const trouble: string[] = [];
    const requests: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        trouble.push(message.text());
      }
    });
    page.on("pageerror", (error) => trouble.push(error.message));
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(urls.get(name) ?? "");
    return { page, trouble, requests };
  }

  /** Marks that a reader sees, per figure: labelled ones, and lines or bars at all. */
  async function visibleMarks(page: Page): Promise<Record<string, number>> {
    return await page.evaluate(`Object.fromEntries([...document.querySelectorAll("figure")].map((f) => {
      const svg = [...f.querySelectorAll("svg")].filter((s) => s.getBoundingClientRect().width > 0);
      const marks = svg.flatMap((s) => [...s.querySelectorAll('.role-mark path, .role-mark line')]);
      const drawn = marks.filter((m) => m.getBoundingClientRect().width + m.getBoundingClientRect().height > 1);
      return [f.id, svg.length === 1 ? drawn.length : -svg.length];
    }))`);
  }

  const screens = [
    { name: "desk", viewport: { width: 1280, height: 900 }, colorScheme: "light" },
    { name: "tablet", viewport: { width: 768, height: 1024 }, colorScheme: "dark" },
    { name: "phone", viewport: { width: 360, height: 740 }, colorScheme: "light" },
  ] as const;

  for (const { name, ...options } of screens) {
    for (const report of ["sweep", "run"]) {
      it(`draws every chart of the ${report} on a ${name}, offline and without an error`, async () => {
        const { page, trouble, requests } = await visit(report, options);
        const marks = await visibleMarks(page);
        const expected = ["iops-latency", "percentiles", "time"];
        expect(Object.keys(marks)).toEqual(expect.arrayContaining(expected));
        for (const [figure, count] of Object.entries(marks)) {
          expect(count, `marks of ${figure}`).toBeGreaterThan(0);
        }
        const overflow = await page.evaluate(
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        expect(overflow).toBe(0);
        expect(trouble).toEqual([]);
        expect(requests).toEqual([urls.get(report)]);
        await page.context().close();
      });
    }
  }

  it("shows the answer without scrolling, and the file stays under 2 MiB", async () => {
    for (const { name: _, ...options } of screens) {
      const { page } = await visit("sweep", options);
      const box = await page.locator(".answer p").first().boundingBox();
      expect((box?.y ?? 1e9) + (box?.height ?? 0)).toBeLessThan(options.viewport.height);
      await page.context().close();
    }
    expect(statSync(join(root, "sweep", "report.html")).size).toBeLessThan(2 * 2 ** 20);
  });

  it("tells the figures of the mark under the pointer and by keyboard", async () => {
    const { page } = await visit("run", { viewport: { width: 1280, height: 900 } });
    const mark = page.locator("#iops-latency svg.wide [role=img]").first();
    const label = await mark.getAttribute("aria-label");
    await mark.hover({ force: true });
    expect(await page.locator("#iops-latency .tip").textContent()).toBe(label);
    await page.mouse.move(2, 2);
    await page.locator("#percentiles .chart").focus();
    await page.keyboard.press("ArrowRight");
    const first = await page.locator("#percentiles .tip").textContent();
    await page.keyboard.press("ArrowRight");
    const second = await page.locator("#percentiles .tip").textContent();
    expect(first).toMatch(/response p/);
    expect(second).not.toBe(first);
    await page.keyboard.press("Escape");
    expect(await page.locator("#percentiles .tip").isVisible()).toBe(false);
    await page.context().close();
  });

  it.each([
    ["light", false],
    ["dark", true],
  ] as const)(
    "is readable in the %s scheme: text and marks stand out",
    async (colorScheme, dark) => {
      const { page } = await visit("sweep", { colorScheme });
      const low = await page.evaluate(`(() => {
      const light = (c) => {
        const [r, g, b] = c.match(/[0-9.]+/g).map((v) => v / 255)
          .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ground = light(getComputedStyle(document.body).backgroundColor);
      const contrast = (c) => (Math.max(light(c), ground) + 0.05) / (Math.min(light(c), ground) + 0.05);
      const poor = [];
      for (const text of document.querySelectorAll("p, td, th, li, .chart text")) {
        const style = getComputedStyle(text);
        const colour = text.closest("svg") ? style.fill : style.color;
        if (colour !== "none" && contrast(colour) < 4.5) poor.push(text.textContent + " " + colour);
      }
      for (const mark of document.querySelectorAll(".chart [role=img]")) {
        const { fill } = getComputedStyle(mark);
        if (fill !== "none" && contrast(fill) < 3) poor.push(mark.getAttribute("aria-label") + " " + fill);
      }
      return [ground < 0.05, poor.slice(0, 5)];
    })()`);
      expect(low).toEqual([dark, []]);
      await page.context().close();
    },
  );

  it("works with JavaScript off and prints in light colours", async () => {
    const { page } = await visit("sweep", { javaScriptEnabled: false, colorScheme: "dark" });
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    expect(await page.locator("figure svg.wide").first().isVisible()).toBe(true);
    expect(await page.locator("a[download]").isVisible()).toBe(true);
    await page.context().close();
    const print = await visit("sweep", { colorScheme: "dark" });
    await print.page.emulateMedia({ media: "print", colorScheme: "dark" });
    const ground = await print.page.evaluate("getComputedStyle(document.body).backgroundColor");
    expect(ground).toBe("rgb(255, 255, 255)");
    await print.page.context().close();
  });
});
