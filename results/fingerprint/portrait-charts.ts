/** The charts of a device's portrait. */
import {
  bandwidthLabel,
  countLabel,
  type Form,
  formWidth,
  keyOf,
  logDomain,
  logTicks,
  nsLabel,
  styled,
  topLegend,
} from "../report/chart-style.ts";
import type { Profile, ProfileFigure } from "./profile.ts";

export interface PortraitChart {
  readonly name: string;
  readonly title: string;
  readonly caption: string;
  spec(form: Form): ReturnType<typeof styled>;
}

/** One point of a line. */
export interface Dot {
  readonly series: string;
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
}

interface Axis {
  readonly title: string;
  /** Vega expression. */
  readonly label: string;
  readonly log: boolean;
  readonly values?: readonly number[];
}

export const bytesLabel =
  "datum.value >= 1099511627776 ? format(datum.value / 1099511627776, '.3~r') + ' TiB' : " +
  "datum.value >= 1073741824 ? format(datum.value / 1073741824, '.3~r') + ' GiB' : " +
  "datum.value >= 1048576 ? format(datum.value / 1048576, '~r') + ' MiB' : " +
  "datum.value >= 1024 ? format(datum.value / 1024, '~r') + ' KiB' : format(datum.value, '~r') + ' B'";

/** Powers of two between the ends, at most so many. */
function byteTicks(values: readonly number[], most: number): number[] {
  const low = Math.ceil(Math.log2(Math.max(1, Math.min(...values))));
  const high = Math.floor(Math.log2(Math.max(2, ...values)));
  const step = Math.max(1, Math.ceil((high - low + 1) / most));
  const count = Math.max(0, Math.floor((high - low) / step) + 1);
  return Array.from({ length: count }, (_, index) => 2 ** (low + index * step));
}

/** From 0 in steps of a power of two. */
function byteSteps(values: readonly number[], most: number): number[] {
  const end = Math.max(1, ...values);
  const step = 2 ** Math.ceil(Math.log2(end / most));
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, index) => index * step);
}

function axisOf(axis: Axis, values: readonly number[], most: number) {
  if (!axis.log) {
    const ticks = axis.values === undefined ? { tickCount: most } : { values: axis.values };
    return { scale: { zero: true, nice: true }, axis: { labelExpr: axis.label, ...ticks } };
  }
  const domain = logDomain(values);
  const ticks = axis.values ?? logTicks(domain[0], domain[1], most);
  return {
    scale: { type: "log", domain, nice: false },
    axis: { values: ticks, labelExpr: axis.label },
  };
}

/** Lines with their spread over the rounds. */
export function lineChart(
  head: Omit<PortraitChart, "spec">,
  dots: readonly Dot[],
  x: Axis,
  y: Axis,
): PortraitChart {
  const spec = (form: Form) => {
    const key = keyOf(dots.map(({ series }) => series));
    const width = formWidth[form] - 90;
    const own = axisOf(
      x,
      dots.map((dot) => dot.x),
      form === "phone" ? 5 : 10,
    );
    const other = axisOf(
      y,
      dots.flatMap(({ low, high }) => [low, high]),
      8,
    );
    const encoding = {
      x: { field: "x", type: "quantitative", title: x.title, ...own },
      y: { field: "y", type: "quantitative", title: y.title, ...other },
      color: {
        field: "series",
        type: "nominal",
        scale: { domain: key.domain, range: key.colours },
        legend: key.domain.length > 1 ? topLegend(key.domain, form, false) : null,
      },
    };
    const shape = {
      ...encoding.color,
      scale: { domain: key.domain, range: key.shapes },
    };
    return styled(
      {
        data: { values: dots },
        width,
        height: form === "phone" ? 230 : 300,
        layer: [
          {
            mark: { type: "rule", strokeWidth: 1.5, opacity: 0.7 },
            encoding: { ...encoding, y: { ...encoding.y, field: "low" }, y2: { field: "high" } },
          },
          { mark: { type: "line" }, encoding },
          {
            mark: { type: "point", filled: true, size: 55, opacity: 1 },
            encoding: { ...encoding, shape },
          },
        ],
      },
      head.title,
      form,
    );
  };
  return { ...head, spec };
}

type Pick = (figure: ProfileFigure) => { median: number; low: number; high: number } | null;

const alone = (value: number | undefined) =>
  value === undefined ? null : { median: value, low: value, high: value };

function dotsOf(
  figures: readonly ProfileFigure[],
  series: string,
  x: (figure: ProfileFigure) => number,
  y: Pick,
): Dot[] {
  return figures.flatMap((figure) => {
    const value = y(figure);
    return value === null || value.median <= 0
      ? []
      : [{ series, x: x(figure), y: value.median, low: value.low, high: value.high }];
  });
}

const small = ({ size_bytes: bytes, order, group }: ProfileFigure) =>
  bytes === 4096 && order === "random" && group !== "flush";
const wordOf = (share: number) => (share === 0 ? "read" : "write");
const depthAxis = (figures: readonly ProfileFigure[]): Axis => ({
  title: "Operations outstanding",
  label: "datum.label",
  log: true,
  values: [...new Set(figures.map(({ depth }) => depth))],
});
const timeAxis: Axis = { title: "Latency", label: nsLabel, log: true };

function depthCharts(figures: readonly ProfileFigure[]): PortraitChart[] {
  const curves = [0, 1].map((share) =>
    figures
      .filter((figure) => small(figure) && figure.write_share === share)
      .sort((a, b) => a.depth - b.depth),
  );
  const all = curves.flat();
  const rates = curves.flatMap((curve, share) =>
    dotsOf(
      curve,
      wordOf(share),
      ({ depth }) => depth,
      ({ iops }) => iops,
    ),
  );
  const times = curves.flatMap((curve, share) => [
    ...dotsOf(
      curve,
      `${wordOf(share)} p50`,
      ({ depth }) => depth,
      (at) => alone(at.latency_ns.p50),
    ),
    ...dotsOf(
      curve,
      `${wordOf(share)} p99`,
      ({ depth }) => depth,
      (at) => alone(at.latency_ns.p99),
    ),
  ]);
  const x = depthAxis(all);
  return [
    lineChart(
      {
        name: "parallelism",
        title: "What more at once brings",
        caption: "4 KiB at random: operations a second. Rules: lowest and highest round.",
      },
      rates,
      x,
      { title: "IOPS", label: countLabel, log: true },
    ),
    lineChart(
      {
        name: "depth-latency",
        title: "What more at once costs",
        caption: "4 KiB at random: median and 99th percentile of the latency.",
      },
      times,
      x,
      timeAxis,
    ),
  ];
}

function sizeCharts(figures: readonly ProfileFigure[]): PortraitChart[] {
  const curves = [0, 1].map((share) =>
    figures
      .filter(({ group, write_share: own }) => group === "size" && own === share)
      .sort((a, b) => a.size_bytes - b.size_bytes),
  );
  const x: Axis = {
    title: "Size of an operation",
    label: bytesLabel,
    log: true,
    values: [...new Set(curves.flat().map(({ size_bytes: bytes }) => bytes))],
  };
  const bytes = ({ size_bytes: size }: ProfileFigure) => size;
  return [
    lineChart(
      {
        name: "size-latency",
        title: "Latency by size",
        caption: "At random, one at a time: mean latency. Rules: lowest and highest round.",
      },
      curves.flatMap((curve, share) =>
        dotsOf(curve, wordOf(share), bytes, (at) => at.latency_ns.mean),
      ),
      x,
      timeAxis,
    ),
    lineChart(
      {
        name: "size-bandwidth",
        title: "Bandwidth by size",
        caption: "At random, one at a time.",
      },
      curves.flatMap((curve, share) =>
        dotsOf(curve, wordOf(share), bytes, (at) => at.bytes_per_second),
      ),
      x,
      { title: "Bytes per second", label: bandwidthLabel, log: true },
    ),
  ];
}

function otherCharts({ figures, sustained_write: sustained }: Profile): PortraitChart[] {
  const jumps = figures
    .filter(({ group }) => group === "locality")
    .sort((a, b) => (a.jump_bytes ?? 0) - (b.jump_bytes ?? 0));
  const depth = figures.find(({ group }) => group === "mix")?.depth;
  const mixed = figures
    .filter((figure) => figure.group === "mix" || (small(figure) && figure.depth === depth))
    .sort((a, b) => a.write_share - b.write_share);
  const charts = [
    lineChart(
      {
        name: "locality",
        title: "What distance costs",
        caption: "4 KiB reads, one at a time, each so far away from the one before: mean latency.",
      },
      dotsOf(
        jumps,
        "read",
        (at) => at.jump_bytes ?? 0,
        (at) => at.latency_ns.mean,
      ),
      {
        title: "Distance",
        label: bytesLabel,
        log: true,
        values: byteTicks(
          jumps.map((at) => at.jump_bytes ?? 1),
          8,
        ),
      },
      { title: "Latency", label: nsLabel, log: false },
    ),
  ];
  if (mixed.length > 2) {
    charts.push(
      lineChart(
        {
          name: "mix",
          title: "Reads and writes together",
          caption: `4 KiB at random, ${depth} outstanding: operations a second by the share of writes.`,
        },
        dotsOf(
          mixed,
          "IOPS",
          (at) => at.write_share * 100,
          ({ iops }) => iops,
        ),
        { title: "Writes, %", label: "datum.label", log: false },
        { title: "IOPS", label: countLabel, log: false },
      ),
    );
  }
  if (sustained !== null) {
    const dots = sustained.windows.map((window) => ({
      series: "write",
      x: window.after_bytes,
      y: window.bytes_per_second,
      low: window.bytes_per_second,
      high: window.bytes_per_second,
    }));
    charts.push(
      lineChart(
        {
          name: "sustained-write",
          title: "Writing on and on",
          caption:
            sustained.cliff_after_bytes === null
              ? "1 MiB writes in order, 8 outstanding: no cliff as far as was written."
              : "1 MiB writes in order, 8 outstanding: the rate falls where a cache is full or space has to be won back.",
        },
        dots,
        {
          title: "Written before",
          label: bytesLabel,
          log: false,
          values: byteSteps(
            dots.map(({ x }) => x),
            8,
          ),
        },
        { title: "Bytes per second", label: bandwidthLabel, log: false },
      ),
    );
  }
  return charts;
}

export function portraitCharts(profile: Profile): PortraitChart[] {
  const { figures } = profile;
  return [...depthCharts(figures), ...sizeCharts(figures), ...otherCharts(profile)];
}
