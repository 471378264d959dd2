/** The report as a reader opens it: from a file, without a network, on several screens. */
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeSite } from "../../results/report/site.ts";
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
    const plain = { name: "j", rw: "randread", ioengine: "psync", iodepth: 1, numjobs: 1 } as const;
    writeFixtureRun(join(root, "other"), { label: "other", jobs: [{ ...plain, samples: 400 }] });
    const site = await writeSite([join(root, "run"), join(root, "other")], join(root, "site"));
    urls.set("site", pathToFileURL(site.index).href);
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
    if (name !== "site" && options.javaScriptEnabled !== false) {
      // The page's policy forbids the eval that waitForFunction needs.
      await page.evaluate(`new Promise((resolve) => {
        const look = () =>
          performance.getEntriesByName("osdyno-drawn").length > 0 ? resolve() : setTimeout(look, 10);
        look();
      })`);
    }
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
    { name: "desk", viewport: { width: 1280, height: 800 }, colorScheme: "light" },
    { name: "tablet", viewport: { width: 768, height: 1024 }, colorScheme: "dark" },
    { name: "phone", viewport: { width: 390, height: 844 }, colorScheme: "light" },
  ] as const;

  for (const { name, ...options } of screens) {
    for (const report of ["sweep", "run"]) {
      it(`draws every chart of the ${report} on a ${name}, offline and without an error`, async () => {
        const { page, trouble, requests } = await visit(report, options);
        // Some are folded until a reader opens them.
        await page.evaluate(
          "document.querySelectorAll('details').forEach((d) => { d.open = true; })",
        );
        const marks = await visibleMarks(page);
        const expected = ["iops-latency", "percentiles", "heat", "time"];
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
    const more = [
      { width: 1024, height: 768 },
      { width: 1600, height: 1000 },
    ];
    for (const report of ["sweep", "run"]) {
      for (const viewport of [...screens.map((screen) => screen.viewport), ...more]) {
        const { page } = await visit(report, { viewport });
        // What was asked, and the whole answer.
        for (const part of [".question", ".answer"]) {
          const box = await page.locator(part).boundingBox();
          expect((box?.y ?? 1e9) + (box?.height ?? 0), part).toBeLessThan(viewport.height);
        }
        await page.context().close();
      }
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

  it("a row of the table can be followed through the charts, by keyboard too", async () => {
    const { page, trouble } = await visit("sweep", { viewport: { width: 1280, height: 800 } });
    const row = page.locator("tr[data-e='4']");
    await row.locator("button").focus();
    await page.keyboard.press("Enter");
    expect(await row.locator("button").getAttribute("aria-pressed")).toBe("true");
    expect(await page.locator(".bar span").textContent()).toMatch(/IOPS, response p50/);
    const opacity = async (entry: number): Promise<number> =>
      await page.evaluate(
        `Number(getComputedStyle(document.querySelector("#iops-latency svg.wide path[role=img][data-e='${entry}']")).opacity)`,
      );
    expect(await opacity(4)).toBe(1);
    expect(await opacity(5)).toBeLessThan(0.3);
    await page.keyboard.press("Escape");
    expect(await opacity(5)).toBe(1);
    expect(await page.locator(".bar").isVisible()).toBe(false);
    // A mark of the curve does the same.
    await page.locator("#iops-latency svg.wide path[role=img]").first().click({ force: true });
    expect(await page.locator("tr.on").count()).toBe(1);
    expect(trouble).toEqual([]);
    await page.context().close();
  });

  it("names in a legend hide and show their lines", async () => {
    const { page } = await visit("sweep", { viewport: { width: 1280, height: 800 } });
    const label = page.locator("#iops-latency svg.wide .role-legend-label text").first();
    const name = await label.textContent();
    const shown = () =>
      page.locator(`#iops-latency svg.wide path[data-n="${name}"]:not(.off)`).count();
    expect(await shown()).toBeGreaterThan(0);
    await label.focus();
    await page.keyboard.press("Enter");
    expect(await shown()).toBe(0);
    expect(await label.getAttribute("aria-checked")).toBe("false");
    await label.click();
    expect(await shown()).toBeGreaterThan(0);
    await page.context().close();
  });

  it("table, percentiles and curve follow a part of the time", async () => {
    const { page, trouble } = await visit("run", { viewport: { width: 1280, height: 800 } });
    const cell = page.locator('td[data-m="iops"]').first();
    const whole = await cell.textContent();
    const from = page.locator("#time .range input").first();
    const to = page.locator("#time .range input").last();
    await to.fill("5");
    await from.fill("4");
    await from.press("Enter");
    // The device stands still from 4 s to 5 s.
    expect(await cell.textContent()).toBe("0");
    expect(await page.locator("#time .band").count()).toBe(1);
    await to.fill("9");
    await to.press("Enter");
    expect(await page.locator("#percentiles path.overlay").count()).toBeGreaterThan(0);
    expect(await page.locator("#iops-latency circle.overlay").count()).toBeGreaterThan(0);
    await page.locator(".bar button").click();
    expect(await cell.textContent()).toBe(whole);
    expect(await page.locator(".overlay, .band").count()).toBe(0);

    await page.locator("#time .chart").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Shift+ArrowRight");
    await page.keyboard.press("Shift+ArrowRight");
    expect(await page.locator(".bar span").textContent()).toMatch(/^0\.\d+ s to \d/);
    await page.keyboard.press("Escape");

    const heat = page.locator("#heat svg.wide");
    await heat.scrollIntoViewIfNeeded();
    const box = (await heat.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
    await page.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.3);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.3, { steps: 4 });
    await page.mouse.up();
    expect(await page.locator(".bar span").textContent()).toMatch(/ s to .* s \| /);
    expect(await page.locator("#heat .tip").textContent()).toMatch(/operations/);
    expect(trouble).toEqual([]);
    await page.context().close();
  });

  it("copies the command", async () => {
    const { page } = await visit("run", { permissions: ["clipboard-read", "clipboard-write"] });
    await page.locator("button.copy").first().click();
    await page.locator("button.copy", { hasText: "Copied" }).waitFor();
    const text = await page.evaluate("navigator.clipboard.readText()");
    expect(text).toContain("osdyno run 'profiles/jobs/a b.fio' --seed 7");
    await page.context().close();
  });

  it("is drawn with as few elements as a browser draws at once", async () => {
    const { page } = await visit("sweep", { viewport: { width: 1280, height: 800 } });
    const [elements, drawnMs] = (await page.evaluate(
      "[document.querySelectorAll('*').length, performance.getEntriesByName('osdyno-drawn')[0].startTime]",
    )) as [number, number];
    process.stderr.write(
      `report of 42 points: ${elements} elements, drawn after ${Math.round(drawnMs)} ms\n`,
    );
    // Some 25,000 take a second; the time itself depends on the machine and is only told.
    expect(elements).toBeLessThan(16_000);
    await page.context().close();
  });

  it("many reports are listed, sorted and narrowed without a network", async () => {
    for (const { name: _, ...options } of screens) {
      const { page, trouble, requests } = await visit("site", options);
      const names = () => page.locator("tbody tr:visible th a").allTextContents();
      expect([...(await names())].sort()).toEqual(["fixture", "other"]);
      await page.locator("th button", { hasText: "Report" }).click();
      expect(await names()).toEqual(["fixture", "other"]);
      await page.locator("th button", { hasText: "Report" }).click();
      expect(await names()).toEqual(["other", "fixture"]);
      expect(await page.locator("th[aria-sort=descending]").count()).toBe(1);
      await page.locator("#filter").fill("OTHER run");
      expect(await names()).toEqual(["other"]);
      const overflow = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      expect(overflow).toBe(0);
      await page.locator("tbody a:visible").click();
      expect(await page.locator("h1").textContent()).toContain("other");
      expect(trouble).toEqual([]);
      expect(requests.every((url) => url.startsWith("file:"))).toBe(true);
      await page.context().close();
    }
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
        // Words on coloured cells: report-colours.test.ts.
        if (text.closest("#grid")) continue;
        const style = getComputedStyle(text);
        const colour = text.closest("svg") ? style.fill : style.color;
        if (colour !== "none" && contrast(colour) < 4.5) poor.push(text.textContent + " " + colour);
      }
      for (const mark of document.querySelectorAll("figure:not(#grid) .chart [role=img]")) {
        const { fill } = getComputedStyle(mark);
        if (fill !== "none" && contrast(fill) < 3) poor.push(mark.getAttribute("aria-label") + " " + fill);
      }
      return [ground < 0.05, poor.slice(0, 5)];
    })()`);
      expect(low).toEqual([dark, []]);
      await page.context().close();
    },
  );

  it.each(["sweep", "run", "site"])("the %s can be read without seeing it", async (name) => {
    const { page } = await visit(name, { viewport: { width: 1280, height: 800 } });
    const wrong = await page.evaluate(`(() => {
      const all = (selector) => [...document.querySelectorAll(selector)];
      const shown = (e) => e.getClientRects().length > 0;
      const nameOf = (e) =>
        (e.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim() ||
        e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent.trim();
      const twice = (list) => list.filter((one, at) => list.indexOf(one) !== at);
      const levels = all("h1,h2,h3").map((e) => Number(e.tagName[1]));
      const regions = all("section, [role=region]").map(nameOf);
      return [
        ...twice(all("[id]").map((e) => e.id)).map((id) => "id twice: " + id),
        ...regions.filter((one) => one === "").map(() => "a region without a name"),
        ...twice(regions).map((one) => "region twice: " + one),
        ...["header", "main", "footer"].filter((tag) => all("body > " + tag).length !== 1),
        ...levels.filter((level, at) => level > (levels[at - 1] ?? 0) + 1).map((l) => "skips to h" + l),
        ...(levels.filter((level) => level === 1).length === 1 ? [] : ["not one h1"]),
        ...all("a, button, input, summary, [tabindex='0']").filter(shown)
          .filter((e) => nameOf(e) === "").map((e) => "no name: " + e.outerHTML.slice(0, 80)),
        ...all("[role=img]").filter((e) => !e.getAttribute("aria-label")).map(() => "image without words"),
        ...all("table").filter((e) => e.caption === null).map(() => "table without a caption"),
        ...all("th").filter((e) => !e.hasAttribute("scope")).map((e) => "no scope: " + e.textContent),
        ...all("figure").filter((e) => e.querySelector("figcaption") === null).map((e) => "bare " + e.id),
        ...(document.documentElement.lang === "en" ? [] : ["no language"]),
      ];
    })()`);
    expect(wrong).toEqual([]);
    await page.context().close();
  });

  it("every control is reached by Tab, and shows that it is", async () => {
    const { page } = await visit("run", { viewport: { width: 1280, height: 800 } });
    const count = (await page.evaluate(
      `[...document.querySelectorAll("a, button, input, summary, [tabindex='0']")]
        .filter((e) => e.checkVisibility() && e.getClientRects().length > 0).length`,
    )) as number;
    const reached = new Set<string>();
    for (let i = 0; i < count; i += 1) {
      await page.keyboard.press("Tab");
      const [place, outline] = (await page.evaluate(`(() => {
        const all = [...document.querySelectorAll("*")];
        const e = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(e);
        return [all.indexOf(e) + " " + e.tagName + "." + e.getAttribute("class"), outlineStyle + " " + outlineWidth];
      })()`)) as [string, string];
      expect(outline, place).toMatch(/^(?:solid|auto) [1-9]/);
      reached.add(place);
    }
    expect(reached.size).toBe(count);
    await page.context().close();
  });

  it("what the keyboard reads and selects is announced in one place, the pointer's way is not", async () => {
    const { page } = await visit("sweep", { viewport: { width: 1280, height: 800 } });
    const said = page.locator("[aria-live]");
    expect(await said.count()).toBe(1);
    await page.locator("#iops-latency svg.wide [role=img]").first().hover({ force: true });
    expect(await page.locator("#iops-latency .tip").isVisible()).toBe(true);
    expect(await said.textContent()).toBe("");
    await page.locator("#iops-latency .chart").focus();
    await page.keyboard.press("ArrowRight");
    expect(await said.textContent()).toBe(await page.locator("#iops-latency .tip").textContent());
    await page.keyboard.press("Enter");
    expect(await said.textContent()).toBe(await page.locator(".bar span").textContent());
    await page.keyboard.press("Escape");
    expect(await said.textContent()).toBe("Everything is shown again");
    await page.context().close();
  });

  it("a table that is cut off scrolls by itself; a tablet shows it whole", async () => {
    const spare = async (width: number): Promise<number> => {
      const { page } = await visit("run", { viewport: { width, height: 800 } });
      const rest = (await page.evaluate(
        `(() => { const e = document.querySelector(".scroll"); return e.scrollWidth - e.clientWidth; })()`,
      )) as number;
      await page.context().close();
      return rest;
    };
    expect(await spare(390)).toBeGreaterThan(0);
    expect(await spare(1024)).toBe(0);
  });

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
    // What only a screen can do is not told on paper.
    expect(await print.page.locator(".script:visible").count()).toBe(0);
    // On paper nothing can be unfolded.
    expect(await print.page.locator("#heat svg.wide").boundingBox()).not.toBeNull();
    await print.page.context().close();
  });
});
