/** Scales of the plots, read from the invisible marks that stand for them. */

function along([type, low, high], share) {
  return type === "log" ? low * (high / low) ** share : low + (high - low) * share;
}

export function shareOf([type, low, high], value) {
  return type === "log"
    ? Math.log(value / low) / Math.log(high / low)
    : (value - low) / (high - low);
}

/** Frames of the drawing that is shown, in pixels of the chart. */
export function framesOf(chart) {
  const origin = chart.getBoundingClientRect();
  return [...chart.querySelectorAll("[data-frame]")].flatMap((mark) => {
    const box = mark.getBoundingClientRect();
    if (box.width === 0) {
      return [];
    }
    const { kind, entry, buckets, x, y } = JSON.parse(mark.dataset.frame);
    const left = box.left - origin.left;
    const top = box.top - origin.top;
    return [
      {
        kind,
        entry,
        buckets,
        mark,
        left,
        top,
        width: box.width,
        height: box.height,
        x: (px) => along(x, Math.min(1, Math.max(0, (px - left) / box.width))),
        y: (px) => along(y, Math.min(1, Math.max(0, 1 - (px - top) / box.height))),
        pxOf: (value) => left + shareOf(x, value) * box.width,
        pyOf: (value) => top + (1 - shareOf(y, value)) * box.height,
        holds: (px, py) =>
          px >= left && px <= left + box.width && py >= top && py <= top + box.height,
      },
    ];
  });
}
