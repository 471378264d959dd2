/** What a reader would complain about on a page of results, found in the browser that shows it. */
import type { Browser } from "playwright-core";

export interface Figure {
  readonly id: string;
  readonly marks: number;
  /** Pairs of words that lie over one another. */
  readonly over: readonly string[];
  /** Marks beyond their plot. */
  readonly outside: readonly string[];
  readonly wide: boolean;
}

export interface Look {
  readonly figures: readonly Figure[];
  /** Errors of scripts and of the console. */
  readonly trouble: readonly string[];
  /** Pixels by which the page is wider than the screen. */
  readonly overflow: number;
  /** Tables that are wider than their place, and by how much. */
  readonly cut: readonly string[];
  /** Words with less contrast than 4.5. */
  readonly poor: readonly string[];
  /** Luminance of the page's ground. */
  readonly ground: number;
}

const inPage = `(() => {
  const round = (e) => e.getBoundingClientRect();
  // Boxes are taller than the letters in them.
  const cover = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.35 * Math.min(a.height, b.height);
  const plotOf = (mark) => {
    for (let at = mark.parentElement; at !== null && at.localName === "g"; at = at.parentElement) {
      const ground = [...at.children].find((e) => e.matches("path.background"));
      if (ground !== undefined && at.parentElement.matches(".role-frame, .role-scope")) return round(ground);
    }
    return null;
  };
  const figures = [...document.querySelectorAll("figure")].map((figure) => {
    const svg = [...figure.querySelectorAll("svg")].find((s) => round(s).width > 0);
    if (svg === undefined) return { id: figure.id, marks: 0, over: [], outside: [], wide: false };
    const marks = [...svg.querySelectorAll(".role-mark path, .role-mark line, .role-mark rect")]
      .filter((e) => round(e).width + round(e).height > 1 && !e.matches(".background, .foreground"));
    const texts = [...svg.querySelectorAll("text")]
      .filter((t) => t.textContent.trim() !== "" && t.getAttribute("opacity") !== "0")
      .map((t) => ({ words: t.textContent, box: round(t) }));
    const over = texts.flatMap((a, at) =>
      texts.slice(0, at).filter((b) => cover(a.box, b.box)).map((b) => a.words + " | " + b.words));
    // Symbols of points at an end of the axis reach over it by half their size.
    const spare = 8;
    const outside = marks.flatMap((mark) => {
      const [plot, box] = [plotOf(mark), round(mark)];
      const beyond = plot === null ? 0 : Math.max(
        plot.left - box.left, box.right - plot.right, plot.top - box.top, box.bottom - plot.bottom);
      return beyond <= spare ? [] :
        [Math.round(beyond) + " px: " + (mark.getAttribute("aria-label") ?? mark.parentElement.getAttribute("class"))];
    });
    return {
      id: figure.id, marks: marks.length, over: over.slice(0, 5), outside: outside.slice(0, 5),
      wide: round(svg).right > document.documentElement.clientWidth + 1,
    };
  });
  const light = (c) => {
    const [r, g, b] = c.match(/[0-9.]+/g).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = (e) => {
    for (let at = e; at !== null; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (!/^rgba\\(.*, 0(\\.\\d+)?\\)$/.test(backgroundColor)) return light(backgroundColor);
    }
    return 1;
  };
  const poor = [];
  for (const text of document.querySelectorAll("p, td, th, li, dd, dt, figcaption, .chart text")) {
    // Words on coloured cells: report-colours.test.ts.
    if (text.closest(".role-mark") || text.textContent.trim() === "") continue;
    const style = getComputedStyle(text);
    const colour = text.closest("svg") ? style.fill : style.color;
    if (colour === "none" || text.getAttribute("opacity") === "0") continue;
    const [a, b] = [light(colour), groundOf(text)];
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) poor.push(text.textContent.slice(0, 60) + " " + colour);
  }
  const cut = [...document.querySelectorAll(".scroll")].flatMap((e) => {
    const beyond = e.scrollWidth - e.clientWidth;
    return beyond > 0 ? [beyond + " px: " + (e.querySelector("caption")?.textContent ?? "")] : [];
  });
  const { scrollWidth, clientWidth } = document.documentElement;
  return { cut, figures, poor: poor.slice(0, 5), overflow: scrollWidth - clientWidth, ground: groundOf(document.body) };
})()`;

/** Opens the page with all its folds open, without a network. */
export async function lookAt(
  browser: Browser,
  url: string,
  width: number,
  colorScheme: "light" | "dark",
): Promise<Look> {
  const context = await browser.newContext({
    offline: true,
    viewport: { width, height: 900 },
    colorScheme,
  });
  const page = await context.newPage();
  const trouble: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      trouble.push(message.text());
    }
  });
  page.on("pageerror", (error) => trouble.push(error.message));
  await page.goto(url);
  await page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })");
  const found = (await page.evaluate(inPage)) as Omit<Look, "trouble">;
  await context.close();
  return { ...found, trouble };
}
