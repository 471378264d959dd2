/** Reads out the mark nearest to the pointer, and walks through the marks by keyboard. */
import { announce } from "./announce.js";
import { bucketStart, countsOf, latencyAt } from "./figures.js";
import { formatCount, formatNs, formatSeconds } from "./format.js";
import { framesOf } from "./frames.js";

const reach = 28;

/** Labelled marks of the drawing that is shown. */
function labelled(chart) {
  const svg = [...chart.querySelectorAll("svg")].find((s) => s.getBoundingClientRect().width > 0);
  const origin = chart.getBoundingClientRect();
  return [...(svg?.querySelectorAll('[role="img"][aria-label]') ?? [])]
    .filter((mark) => !mark.classList.contains("off"))
    .map((mark) => {
      const box = mark.getBoundingClientRect();
      const bar = box.width > 24;
      return {
        text: mark.getAttribute("aria-label"),
        entry: mark.dataset.e === undefined ? null : Number(mark.dataset.e),
        x: (bar ? box.right : box.left + box.width / 2) - origin.left,
        y: box.top + box.height / 2 - origin.top,
        left: bar ? box.left - origin.left : null,
      };
    });
}

/** One mark per column of a heat map: what a reader cannot take from colours. */
function columnsOf(chart, model) {
  return framesOf(chart)
    .filter((frame) => frame.kind === "heat")
    .flatMap((frame) => {
      const entry = model.entries[frame.entry];
      const maps = model.heatMaps.filter((map) => map.entry === entry?.id);
      const own = framesOf(chart).filter((other) => other.entry === frame.entry);
      const map = maps[own.findIndex((other) => other.mark === frame.mark)];
      return (map?.columns ?? []).map((_, index) => {
        const from = map.startMs + index * map.columnMs;
        const to = from + map.columnMs;
        const counts = countsOf(map, from, to);
        const p99 = latencyAt(counts, 0.99);
        return {
          text:
            `${formatSeconds(from / 1000)} to ${formatSeconds(to / 1000)}: ` +
            (counts.total === 0
              ? "no operation completed"
              : `${formatCount(counts.total)} operations, ${map.kind} p50 ${formatNs(latencyAt(counts, 0.5))}, p99 ${formatNs(p99)}`),
          entry: frame.entry,
          frame,
          map,
          index,
          x: frame.pxOf((from + to) / 2000),
          y: counts.total === 0 ? frame.top + frame.height / 2 : frame.pyOf(p99),
          left: null,
        };
      });
    });
}

/** What stands in the cell of a heat map under the pointer. */
function cellText(mark, y) {
  const { buckets } = mark.frame;
  const lowest = Math.floor((Math.log2(mark.frame.y(y)) * 8) / buckets) * buckets;
  const column = mark.map.columns[mark.index];
  let count = 0;
  for (let i = 0; i + 1 < column.length; i += 2) {
    count += column[i] >= lowest && column[i] < lowest + buckets ? column[i + 1] : 0;
  }
  const low = formatNs(bucketStart(lowest));
  const high = formatNs(bucketStart(lowest + buckets));
  return `${low} to ${high}: ${formatCount(count)} operations. Of ${mark.text}`;
}

/** @param picked called with the place of the entry whose mark was clicked, or null */
export function readMarks(chart, model, picked) {
  const heat = chart.closest("figure").id === "heat";
  const timed = chart.closest("figure").id === "time";
  let tip;
  let ring;
  let marks = [];
  let at = -1;
  const collect = () => {
    marks = heat ? columnsOf(chart, model) : labelled(chart);
  };
  const place = (mark, text) => {
    if (tip === undefined) {
      tip = document.createElement("div");
      tip.className = "tip";
      // What the keyboard reaches is announced; the pointer's way over the chart is not.
      tip.setAttribute("aria-hidden", "true");
      ring = document.createElement("div");
      ring.className = "ring";
      chart.append(ring, tip);
    }
    tip.hidden = ring.hidden = mark === undefined;
    if (mark === undefined) {
      return;
    }
    if (tip.textContent !== text) {
      tip.textContent = text;
    }
    ring.style.left = `${mark.x}px`;
    ring.style.top = `${mark.y}px`;
    const room = chart.clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(room, mark.x + 12))}px`;
    const above = mark.y - tip.offsetHeight - 14;
    tip.style.top = `${above > 0 ? above : mark.y + 14}px`;
  };
  const show = (index) => {
    at = index;
    place(marks[index], marks[index]?.text);
  };
  const distance = (mark, x, y) => {
    const inside = mark.left !== null && x > mark.left && x < mark.x;
    // Over time, what counts is when.
    return timed ? Math.abs(mark.x - x) : Math.hypot(inside ? 0 : mark.x - x, mark.y - y);
  };
  const nearest = (x, y) => {
    let best = -1;
    let least = reach;
    marks.forEach((mark, index) => {
      if (mark.frame !== undefined && !mark.frame.holds(x, y)) {
        return;
      }
      const d = mark.frame === undefined ? distance(mark, x, y) : Math.abs(mark.x - x);
      if (d < least) {
        least = d;
        best = index;
      }
    });
    return best;
  };
  const position = (event) => {
    const origin = chart.getBoundingClientRect();
    return [event.clientX - origin.left, event.clientY - origin.top];
  };
  chart.addEventListener("pointerenter", collect);
  chart.addEventListener("pointermove", (event) => {
    if (marks.length === 0) {
      collect();
    }
    const [x, y] = position(event);
    const best = nearest(x, y);
    const mark = marks[best];
    if (mark?.frame !== undefined) {
      at = best;
      place({ ...mark, y }, cellText(mark, y));
    } else if (best !== at) {
      show(best);
    }
  });
  chart.addEventListener("pointerleave", () => show(-1));
  chart.addEventListener("focus", collect);
  chart.addEventListener("blur", () => show(-1));
  chart.addEventListener("click", (event) => {
    collect();
    const mark = marks[nearest(...position(event))];
    picked(mark?.entry ?? null);
  });
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.target !== chart) {
      return;
    }
    if (event.key === "Escape") {
      show(-1);
    }
    if (event.key === "Enter" && marks[at] !== undefined) {
      picked(marks[at].entry);
    }
    if (step === undefined || marks.length === 0) {
      return;
    }
    event.preventDefault();
    const before = marks[at];
    show((at + step + marks.length) % marks.length);
    announce(marks[at].text);
    if (event.shiftKey && before !== undefined) {
      chart.dispatchEvent(
        new CustomEvent("stretch", { detail: { from: before.x, to: marks[at].x } }),
      );
    }
  });
}
