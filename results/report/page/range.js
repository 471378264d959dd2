/** Selecting a part of the time: by dragging over a chart, by Shift with the arrow keys, by number. */
import { framesOf } from "./frames.js";

const leastDrag = 5;

/** Frames of a time axis in this chart. */
function timeFrames(chart) {
  return framesOf(chart).filter((frame) => frame.kind === "time" || frame.kind === "heat");
}

export function selectRanges(chart, selection) {
  if (!selection.timed || timeFrames(chart).length === 0) {
    return;
  }
  chart.classList.add("timed");
  let start = null;
  let anchor = null;
  const seconds = (px) => timeFrames(chart)[0].x(px) * 1000;
  const place = (event) => event.clientX - chart.getBoundingClientRect().left;
  const between = (a, b) => selection.choose([Math.min(a, b), Math.max(a, b)]);
  chart.addEventListener("pointerdown", (event) => {
    start = event.button === 0 ? place(event) : null;
  });
  chart.addEventListener("pointermove", (event) => {
    if (start !== null && Math.abs(place(event) - start) > leastDrag) {
      chart.setPointerCapture(event.pointerId);
      chart.dataset.dragged = "";
      between(seconds(start), seconds(place(event)));
    }
  });
  const end = () => {
    start = null;
  };
  chart.addEventListener("pointerup", end);
  chart.addEventListener("pointercancel", end);
  chart.addEventListener("stretch", ({ detail }) => {
    if (selection.range === null || anchor === null) {
      anchor = seconds(detail.from);
    }
    between(anchor, seconds(detail.to));
  });
  selection.follow(() => {
    anchor = selection.range === null ? null : anchor;
    drawBands(chart, selection.range);
  });
  addEventListener("resize", () => drawBands(chart, selection.range));
}

/** One band over all plots that stand above each other. */
function drawBands(chart, range) {
  for (const old of chart.querySelectorAll(".band")) {
    old.remove();
  }
  const frames = timeFrames(chart);
  const [first] = frames;
  if (range === null || first === undefined) {
    return;
  }
  const svg = first.mark.ownerSVGElement.getBoundingClientRect();
  const top = first.kind === "time" ? 0 : Math.min(...frames.map((frame) => frame.top));
  const bottom =
    first.kind === "time" ? svg.height : Math.max(...frames.map((f) => f.top + f.height));
  const band = document.createElement("div");
  band.className = "band";
  const left = Math.max(first.left, first.pxOf(range[0] / 1000));
  const right = Math.min(first.left + first.width, first.pxOf(range[1] / 1000));
  band.style.cssText = `left:${left}px;width:${right - left}px;top:${top}px;height:${bottom - top}px`;
  chart.append(band);
}

/** Two numbers, which every hand and every screen reader can set. */
export function rangeFields(figure, selection) {
  if (!selection.timed) {
    return;
  }
  const { heatMaps } = selection.model;
  const step = Math.max(...heatMaps.map((map) => map.columnMs)) / 1000;
  const ends = heatMaps.map((map) => map.startMs + map.columns.length * map.columnMs);
  const most = Math.max(...ends) / 1000;
  const form = document.createElement("form");
  form.className = "range noprint";
  const field = (label, value) => {
    const outer = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "number", min: 0, max: most, step, value });
    input.inputMode = "decimal";
    outer.append(label, input, " s");
    form.append(outer);
    return input;
  };
  const from = field("Show only from ", 0);
  const to = field(" to ", most);
  const apply = () => {
    const whole = Number(from.value) <= 0 && Number(to.value) >= most;
    selection.choose(whole ? null : [Number(from.value) * 1000, Number(to.value) * 1000]);
  };
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  selection.follow(() => {
    const [start, end] = selection.range ?? [0, most * 1000];
    from.value = String(Number((start / 1000).toFixed(3)));
    to.value = String(Number((end / 1000).toFixed(3)));
  });
  figure.querySelector("h3").after(form);
}
