/**
 * The report's only script: shows the label of the chart mark nearest to the pointer, and walks through
 * the marks by keyboard. Everything else works without JavaScript.
 */
export const tooltipScript = `
(() => {
  const reach = 28;
  for (const chart of document.querySelectorAll(".chart")) {
    let tip, ring, marks = [], at = -1;
    const collect = () => {
      const svg = [...chart.querySelectorAll("svg")].find((s) => s.getBoundingClientRect().width > 0);
      if (!svg) return;
      const frame = chart.getBoundingClientRect();
      marks = [...svg.querySelectorAll('[role="img"][aria-label]')].map((mark) => {
        const box = mark.getBoundingClientRect();
        const bar = box.width > 24;
        return {
          text: mark.getAttribute("aria-label"),
          x: (bar ? box.right : box.left + box.width / 2) - frame.left,
          y: box.top + box.height / 2 - frame.top,
          left: bar ? box.left - frame.left : null,
        };
      });
    };
    const show = (index) => {
      at = index;
      if (!tip) {
        tip = document.createElement("div");
        tip.className = "tip";
        tip.setAttribute("role", "status");
        ring = document.createElement("div");
        ring.className = "ring";
        chart.append(ring, tip);
      }
      const mark = marks[index];
      tip.hidden = ring.hidden = !mark;
      if (!mark) return;
      if (tip.textContent !== mark.text) tip.textContent = mark.text;
      ring.style.left = mark.x + "px";
      ring.style.top = mark.y + "px";
      const room = chart.clientWidth - tip.offsetWidth;
      tip.style.left = Math.max(0, Math.min(room, mark.x + 12)) + "px";
      const above = mark.y - tip.offsetHeight - 14;
      tip.style.top = (above > 0 ? above : mark.y + 14) + "px";
    };
    const distance = (mark, x, y) => {
      const inside = mark.left !== null && x > mark.left && x < mark.x;
      return Math.hypot(inside ? 0 : mark.x - x, mark.y - y);
    };
    chart.addEventListener("pointerenter", collect);
    chart.addEventListener("pointermove", (event) => {
      if (marks.length === 0) collect();
      const frame = chart.getBoundingClientRect();
      const x = event.clientX - frame.left, y = event.clientY - frame.top;
      let best = -1, least = reach;
      marks.forEach((mark, index) => {
        const d = distance(mark, x, y);
        if (d < least) { least = d; best = index; }
      });
      if (best !== at) show(best);
    });
    chart.addEventListener("pointerleave", () => show(-1));
    chart.addEventListener("focus", collect);
    chart.addEventListener("blur", () => show(-1));
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") return show(-1);
      if (step === undefined || marks.length === 0) return;
      event.preventDefault();
      show((at + step + marks.length) % marks.length);
    });
  }
})();
`.trim();
