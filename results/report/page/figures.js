/** Figures of a part of the time, from the counts of the heat maps. No document is needed here. */

const perOctave = 8;
/** A percentile is a figure only with this many samples beyond it. */
const samplesBeyond = 10;

export const bucketStart = (bucket) => 2 ** (bucket / perOctave);

/** Counts per bucket of the columns whose middle lies in [fromMs, toMs], and the time they cover. */
export function countsOf(map, fromMs, toMs) {
  const counts = new Map();
  let total = 0;
  map.columns.forEach((column, index) => {
    const middle = map.startMs + (index + 0.5) * map.columnMs;
    if (middle < fromMs || middle > toMs) {
      return;
    }
    for (let i = 0; i + 1 < column.length; i += 2) {
      counts.set(column[i], (counts.get(column[i]) ?? 0) + column[i + 1]);
      total += column[i + 1];
    }
  });
  return { buckets: [...counts].sort((a, b) => a[0] - b[0]), total };
}

/** The latency in ns below which `share` of the operations lie; between bounds of a bucket by count. */
export function latencyAt({ buckets, total }, share) {
  const wanted = share * total;
  let before = 0;
  for (const [bucket, count] of buckets) {
    if (before + count >= wanted) {
      return bucketStart(bucket + (wanted - before) / count);
    }
    before += count;
  }
  return buckets.length === 0 ? 0 : bucketStart(buckets.at(-1)[0] + 1);
}

/** The same as points of a percentile plot: 1 / (1 - share), ns. */
export function spectrumOf(counts) {
  const points = [];
  for (let step = 0; 10 ** (step / 8) <= counts.total / samplesBeyond; step += 1) {
    const rest = 10 ** (step / 8);
    points.push([rest, latencyAt(counts, 1 - 1 / rest)]);
  }
  return points;
}

/** Metrics of an entry between two times; those that cannot be known are absent. */
export function metricsOf(model, entry, fromMs, toMs) {
  const metrics = new Map();
  const maps = model.heatMaps.filter((map) => map.entry === entry.id);
  const lines = model.timeLines.filter((line) => line.entry === entry.id);
  const seconds = (toMs - fromMs) / 1000;
  for (const map of maps) {
    const counts = countsOf(map, fromMs, toMs);
    if (map.kind === "response") {
      const iops = counts.total / seconds / entry.replicates;
      const bytes = (entry.metrics.bw?.value ?? 0) / (entry.metrics.iops?.value || 1);
      metrics.set("iops", iops);
      metrics.set("samples", counts.total);
      if (bytes > 0) {
        metrics.set("bw", iops * bytes);
      }
    }
    for (const percent of [50, 90, 99, 99.9, 99.99]) {
      if (counts.total * (1 - percent / 100) >= samplesBeyond - 1e-6) {
        metrics.set(`${map.kind}.p${percent}`, latencyAt(counts, percent / 100));
      }
    }
  }
  const slowest = lines.flatMap((line) =>
    line.rows.filter((row) => row.ms > fromMs && row.ms <= toMs && row.max !== null),
  );
  if (slowest.length > 0) {
    metrics.set("response.max", Math.max(...slowest.map((row) => row.max)));
  }
  return metrics;
}

/** A range widened to whole columns of the heat maps, ms. */
export function wholeColumns(model, fromMs, toMs) {
  const width = Math.max(1, ...model.heatMaps.map((map) => map.columnMs));
  const ends = model.heatMaps.map((map) => map.startMs + map.columns.length * map.columnMs);
  const last = Math.max(width, ...ends);
  const from = Math.max(0, Math.min(last - width, Math.floor(fromMs / width + 1e-6) * width));
  const to = Math.min(last, Math.max(from + width, Math.ceil(toMs / width - 1e-6) * width));
  return [from, to];
}
