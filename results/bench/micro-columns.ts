/** The columns of a micro bench's table: figures of each row in the units they are read in. */
import type { MedianInterval } from "../stats/order-statistics.ts";
import type { MicroBench, MicroRow } from "./micro.ts";

/** A figure of each row, in the unit it is read in. */
export interface MicroColumn {
  readonly key: string;
  readonly title: string;
  readonly digits: number;
  /** Where the axis ends; `null`: where the figures do. */
  readonly most: number | null;
  value(row: MicroRow): MedianInterval | null;
}

const exact = (value: number): MedianInterval => ({
  median: value,
  low: null,
  high: null,
  coverage: null,
});

function scaled(value: MedianInterval, scale: number): MedianInterval {
  const { median, low, high, coverage } = value;
  return {
    median: median * scale,
    low: low === null ? null : low * scale,
    high: high === null ? null : high * scale,
    coverage,
  };
}

/** The columns that a bench has figures for. */
export function microColumns(bench: MicroBench): MicroColumn[] {
  const columns: MicroColumn[] = [
    {
      key: "ns",
      title: "ns per operation",
      digits: 1,
      most: null,
      value: ({ nsPerOperation }) => nsPerOperation,
    },
  ];
  if (bench.rows.some(({ bytesPerSecond }) => bytesPerSecond !== null)) {
    columns.push({
      key: "rate",
      title: "GB/s",
      digits: 2,
      most: null,
      value: ({ bytesPerSecond }) =>
        bytesPerSecond === null ? null : scaled(bytesPerSecond, 1e-9),
    });
  }
  for (const name of new Set(bench.rows.flatMap(({ facts }) => Object.keys(facts)))) {
    columns.push({
      key: name,
      title: name.replaceAll("_", " "),
      digits: 3,
      most: 1,
      value: ({ facts }) => (facts[name] === undefined ? null : exact(facts[name])),
    });
  }
  return columns;
}

/** `median [low, high]`. */
export function microText(value: MedianInterval | null, digits: number): string {
  if (value === null) {
    return "";
  }
  const { median, low, high } = value;
  const interval =
    low === null || high === null ? "" : ` [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
  return `${median.toFixed(digits)}${interval}`;
}
