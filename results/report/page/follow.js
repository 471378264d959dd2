/** Charts, table and the bar at the foot follow the selection. */
import { announce } from "./announce.js";
import { countsOf, metricsOf, spectrumOf } from "./figures.js";
import {
  formatBinaryRate,
  formatCount,
  formatDecimalRate,
  formatNs,
  formatSeconds,
} from "./format.js";
import { shareOf } from "./frames.js";

const svgSpace = "http://www.w3.org/2000/svg";

/** Marks of other entries step back. */
export function dimOthers(selection) {
  const { entries } = selection;
  document.body.classList.toggle("picking", entries.size > 0);
  for (const mark of document.querySelectorAll(
    ".chart [data-e], .chart [data-frame], tr[data-e]",
  )) {
    const own = mark.dataset.e ?? JSON.parse(mark.dataset.frame).entry;
    const on = entries.has(Number(own));
    mark.classList.toggle("on", on);
    if (mark.dataset.frame !== undefined && own >= 0) {
      // A heat map steps back as a whole.
      mark.closest("g").parentElement.classList.toggle("back", entries.size > 0 && !on);
    }
  }
  for (const button of document.querySelectorAll("button[data-e]")) {
    button.setAttribute("aria-pressed", String(entries.has(Number(button.dataset.e))));
  }
}

const written = {
  iops: formatCount,
  samples: formatCount,
  "bw.decimal": formatDecimalRate,
  "bw.binary": formatBinaryRate,
};

/** Cells of the table show the figures of the range; those that nothing tells show a dash. */
export function fillTable(selection) {
  const { model, range } = selection;
  document.body.classList.toggle("ranged", range !== null);
  for (const row of document.querySelectorAll("tr[data-e]")) {
    const metrics =
      range === null ? null : metricsOf(model, model.entries[row.dataset.e], ...range);
    for (const cell of row.querySelectorAll("td[data-m]")) {
      cell.whole ??= cell.innerHTML;
      const name = cell.dataset.m;
      const value = metrics?.get(name.replace(/\.(decimal|binary)$/, ""));
      if (metrics === null) {
        cell.innerHTML = cell.whole;
      } else {
        cell.textContent = value === undefined ? "-" : (written[name] ?? formatNs)(value);
      }
    }
  }
}

/** Draws the percentiles and the place on the curve of the range over those of the whole run. */
export function drawRange(selection) {
  for (const old of document.querySelectorAll(".overlay")) {
    old.remove();
  }
  const { model, range } = selection;
  if (range === null) {
    return;
  }
  for (const mark of document.querySelectorAll("[data-frame]")) {
    const frame = JSON.parse(mark.dataset.frame);
    const box = mark.getBBox();
    const at = (x, y) => [
      box.x + shareOf(frame.x, x) * box.width,
      box.y + (1 - shareOf(frame.y, y)) * box.height,
    ];
    model.entries.forEach((entry, index) => {
      const map = model.heatMaps.find((one) => one.entry === entry.id && one.kind === "response");
      if (map === undefined || (selection.entries.size > 0 && !selection.entries.has(index))) {
        return;
      }
      if (frame.kind === "percentiles") {
        drawSpectrum(mark, colourOf(mark, index), spectrumOf(countsOf(map, ...range)), at, frame);
      } else if (frame.kind === "curve") {
        const metrics = metricsOf(model, entry, ...range);
        for (const percentile of ["p50", "p99"]) {
          const ns = metrics.get(`response.${percentile}`);
          if (ns !== undefined) {
            drawPoint(mark, colourOf(mark, index), at(metrics.get("iops"), ns), percentile);
          }
        }
      }
    });
  }
}

/** The colour that the chart gives the entry. */
function colourOf(frame, index) {
  const own = frame.ownerSVGElement.querySelector(`[data-e="${index}"]`);
  return own?.getAttribute("stroke") ?? own?.getAttribute("fill") ?? "#1a1a1a";
}

function draw(frame, name, attributes) {
  const shape = document.createElementNS(svgSpace, name);
  shape.classList.add("overlay");
  for (const [key, value] of Object.entries(attributes)) {
    shape.setAttribute(key, value);
  }
  frame.parentNode.append(shape);
  return shape;
}

function drawSpectrum(mark, stroke, points, at, frame) {
  const shown = points.filter(([rest, ns]) => rest <= frame.x[2] && ns >= frame.y[1]);
  const d = shown
    .map(([rest, ns], i) => `${i === 0 ? "M" : "L"}${at(rest, ns).join(",")}`)
    .join("");
  draw(mark, "path", { d, stroke, fill: "none", "stroke-width": 3 });
}

function drawPoint(mark, stroke, [x, y], label) {
  draw(mark, "circle", { cx: x, cy: y, r: 6, fill: "none", stroke, "stroke-width": 3 });
  draw(mark, "text", { x: x + 10, y: y + 4, "font-size": 11, fill: "#1a1a1a" }).textContent = label;
}

/** What is selected, in words, and the way back. */
export function makeBar(selection) {
  const bar = document.createElement("div");
  bar.className = "bar noprint";
  bar.hidden = true;
  bar.setAttribute("role", "region");
  bar.setAttribute("aria-label", "Selection");
  const text = document.createElement("span");
  const clear = document.createElement("button");
  clear.type = "button";
  clear.textContent = "Show all";
  clear.addEventListener("click", () => selection.clear());
  bar.append(text, clear);
  document.body.append(bar);
  selection.follow(() => {
    const { entries, range } = selection;
    bar.hidden = entries.size === 0 && range === null;
    text.textContent = sentence(selection);
    announce(bar.hidden ? "Everything is shown again" : text.textContent);
  });
}

function sentence({ model, entries, range }) {
  const chosen = entries.size > 0 ? [...entries] : model.entries.map((_, index) => index);
  const when =
    range === null ? "" : `${formatSeconds(range[0] / 1000)} to ${formatSeconds(range[1] / 1000)}`;
  const described = chosen.slice(0, 2).map((index) => {
    const entry = model.entries[index];
    const name = `${entry.facet}, ${entry.label}`;
    const whole = (metric) => entry.metrics[metric]?.solid && entry.metrics[metric].value;
    const metrics = range === null ? null : metricsOf(model, entry, ...range);
    const value = (metric) => (metrics === null ? whole(metric) : metrics.get(metric));
    const figures = [
      `${formatCount(value("iops") || 0)} IOPS`,
      ...["p50", "p99"].flatMap((p) => {
        const ns = value(`response.${p}`);
        return ns ? [`response ${p} ${formatNs(ns)}`] : [];
      }),
    ];
    return `${name}: ${figures.join(", ")}`;
  });
  const more = chosen.length > 2 ? ` and ${chosen.length - 2} more` : "";
  return [when, described.join("; ") + more].filter((part) => part !== "").join(" | ");
}
