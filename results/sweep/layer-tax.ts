/**
 * What each layer of a stack costs over the one below it: a sweep over several targets measures the same
 * job on each, and of two points whose layers differ by some the difference is what those cost. Figures
 * of one block are a pair; intervals are those of the replicates.
 */
import { findOption } from "../../engine/options/registry.ts";
import type { Direction } from "../../workloads/run-outcome.ts";
import { directions } from "../fio-record.ts";
import { metric, metricSupported } from "../metrics.ts";
import type { RunRecord } from "../run-record.ts";
import { medianInterval } from "../stats/order-statistics.ts";
import { differenceOf } from "../stats/verdict.ts";
import type { JudgedPoint as Point } from "./judge.ts";
import { notActing } from "./judge.ts";

/** A figure over the blocks; the bounds are of 95%, null with fewer than six. */
export interface TaxFigure {
  readonly median: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly runs: number;
}

export const taxPercentiles = ["p50", "p99", "p99.9"] as const;
export type TaxPercentile = (typeof taxPercentiles)[number];

/** One point of a stack, and what its layers add to the point below. */
export interface LayerTax {
  readonly point: string;
  /** The point below; null: this is the lowest. */
  readonly below: string | null;
  /** What the points of this stack have in common. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly direction: Direction;
  /** All layers above the device, outermost first; without one it is the raw target. */
  readonly layers: readonly string[];
  /** Those that the point below does not have. */
  readonly added: readonly string[];
  /** Response times of this point, ns; a percentile that has too few samples is absent. */
  readonly response_ns: Readonly<Partial<Record<TaxPercentile, TaxFigure>>>;
  /** What is added to those of the point below, ns; absent for the lowest. */
  readonly added_ns?: Readonly<Partial<Record<TaxPercentile, TaxFigure>>>;
  readonly iops: TaxFigure;
  /** Of the IOPS of the point below. */
  readonly iops_kept?: TaxFigure;
  /** CPU of the process for each operation of all directions, us; and what is added. */
  readonly cpu_us?: TaxFigure;
  readonly added_cpu_us?: TaxFigure;
  /** Bytes written into each part, outermost first, for each byte that the jobs wrote. */
  readonly bytes_per_byte?: readonly ({ readonly into: string } & TaxFigure)[];
}

/** The device below everything, and what a log writes to. */
const device = "device";
const logDevice = "log device";

/** Layers above the device, outermost first. */
export function layersOf({ chain, target }: Pick<RunRecord, "chain" | "target">): string[] {
  // A shape is the device as it is made to behave, no layer of the stack.
  const above = chain.slice(0, -1).filter((layer) => !layer.startsWith("shape"));
  return target.startsWith("store:") ? [...above, "store"] : above;
}

interface Flow {
  readonly into: string;
  readonly perByte: number;
}

/** Bytes written into each part for each that the jobs wrote; null when nothing was written. */
function flowOf(record: RunRecord, layers: readonly string[]): readonly Flow[] | null {
  const counter = (name: string) => metric(record, `counter.${name}`) ?? 0;
  const part = (out: string, asked: string) => {
    const bytes = counter(asked);
    return bytes === 0 ? null : counter(out) / bytes;
  };
  if ((record.osdyno.totals.write?.bytes ?? 0) === 0) {
    return null;
  }
  const flow: Flow[] = [];
  let perByte: number | null = 1;
  for (const layer of layers) {
    flow.push({ into: layer, perByte });
    if (layer === "clientcache") {
      perByte *= part("clientcache_image_write_bytes", "clientcache_write_bytes") ?? Number.NaN;
    } else if (layer === "writelog") {
      const log = part("writelog_log_write_bytes", "writelog_write_bytes") ?? Number.NaN;
      flow.push({ into: logDevice, perByte: perByte * log });
      perByte *= part("writelog_written_back_bytes", "writelog_write_bytes") ?? Number.NaN;
    } else if (layer === "store") {
      perByte *= metric(record, "write_amplification") ?? Number.NaN;
    }
  }
  flow.push({ into: device, perByte });
  return flow.filter((each) => Number.isFinite(each.perByte));
}

/** What one run says. */
interface Sample {
  readonly layers: readonly string[];
  readonly iops: Readonly<Partial<Record<Direction, number>>>;
  /** ns, by `write.p99`. */
  readonly response: Readonly<Record<string, number>>;
  readonly cpuUs: number | null;
  readonly flow: readonly Flow[] | null;
}

function sampleOf(record: RunRecord): Sample {
  const layers = layersOf(record);
  const iops: Partial<Record<Direction, number>> = {};
  const response: Record<string, number> = {};
  for (const direction of directions) {
    const rate = metric(record, `${direction}.iops`);
    if (rate !== null && rate > 0) {
      iops[direction] = rate;
    }
    for (const percentile of taxPercentiles) {
      const name = `${direction}.response.${percentile}`;
      const ns = metricSupported(record, name) ? metric(record, name) : null;
      if (ns !== null) {
        response[`${direction}.${percentile}`] = ns;
      }
    }
  }
  return {
    layers,
    iops,
    response,
    cpuUs: metric(record, "cpu_us_per_io"),
    flow: flowOf(record, layers),
  };
}

function figureOf(values: readonly number[]): TaxFigure | null {
  if (values.length === 0) {
    return null;
  }
  const { median, low, high } = medianInterval(values);
  return { median, low, high, runs: values.length };
}

type Samples = readonly (Sample | undefined)[];
type Reading = (sample: Sample) => number | null | undefined;

function valuesOf(samples: Samples, pick: Reading): number[] {
  return samples.flatMap((sample) => (sample === undefined ? [] : (pick(sample) ?? [])));
}

/** Of blocks in which both points have the figure. */
function differences(own: Samples, below: Samples, pick: Reading): number[] {
  return own.flatMap((sample, block) => {
    const other = below[block];
    const a = other === undefined ? null : pick(other);
    const b = sample === undefined ? null : pick(sample);
    return a == null || b == null ? [] : [b - a];
  });
}

function keptOf(own: Samples, below: Samples, direction: Direction): TaxFigure | null {
  const rates = (samples: Samples) => Array.from(samples, (sample) => sample?.iops[direction] ?? 0);
  const found = differenceOf(rates(below), rates(own), true);
  return found === null
    ? null
    : { median: found.ratio, low: found.low, high: found.high, runs: found.runs };
}

const present = <T>(name: string, value: T | null) => (value === null ? {} : { [name]: value });

function percentilesOf(
  direction: Direction,
  values: (pick: Reading) => number[],
): Partial<Record<TaxPercentile, TaxFigure>> {
  return Object.assign(
    {},
    ...taxPercentiles.map((percentile) =>
      present(
        percentile,
        figureOf(values((sample) => sample.response[`${direction}.${percentile}`])),
      ),
    ),
  );
}

function flowFigures(samples: Samples): readonly ({ readonly into: string } & TaxFigure)[] {
  const first = samples.find((sample) => sample !== undefined)?.flow ?? [];
  return first.flatMap(({ into }) => {
    const values = valuesOf(
      samples,
      ({ flow }) => flow?.find((each) => each.into === into)?.perByte,
    );
    const figure = figureOf(values);
    return figure === null ? [] : [{ into, ...figure }];
  });
}

/** Parameters by which points of one stack differ from each other. */
function isOfStack(name: string): boolean {
  const layer = findOption(name)?.layer;
  return name === "target" || (layer !== undefined && layer !== "store");
}

const groupOf = ({ parameters }: Point) =>
  Object.fromEntries(Object.entries(parameters).filter(([name]) => !isOfStack(name)));

/** Whether two points can be of one stack: what does not act at one of them tells nothing. */
function alike(a: Point, b: Point): boolean {
  const [own, other] = [groupOf(a), groupOf(b)];
  return Object.entries(own).every(
    ([name, value]) => value === notActing || other[name] === notActing || other[name] === value,
  );
}

/** Gathers what the runs of a sweep say of its stacks. */
export class LayerTaxes {
  readonly #points: readonly Point[];
  readonly #samples = new Map<string, (Sample | undefined)[]>();

  constructor(points: readonly Point[]) {
    this.#points = points;
  }

  add(point: Point, block: number, record: RunRecord): void {
    const samples = this.#samples.get(point.id) ?? [];
    samples[block] = sampleOf(record);
    this.#samples.set(point.id, samples);
  }

  /** Of each point that has another below or above it; none where all have the same layers. */
  rows(): LayerTax[] {
    const measured = this.#points.filter(({ id }) => this.#samples.has(id));
    const below = new Map(measured.map((point) => [point.id, this.#below(point, measured)]));
    const used = new Set([...below.values()].map((point) => point?.id));
    return measured
      .filter(({ id }) => below.get(id) !== null || used.has(id))
      .flatMap((point) => this.#rowsOf(point, below.get(point.id) ?? null));
  }

  #layers(point: Point): readonly string[] {
    const samples = this.#samples.get(point.id) ?? [];
    return samples.find((sample) => sample !== undefined)?.layers ?? [];
  }

  /** Of the points whose layers this one has all, and more, the one with most. */
  #below(point: Point, measured: readonly Point[]): Point | null {
    const own = this.#layers(point);
    const candidates = measured
      .filter((other) => {
        const layers = this.#layers(other);
        return (
          alike(point, other) &&
          layers.length < own.length &&
          layers.every((layer) => own.includes(layer))
        );
      })
      .sort((a, b) => this.#layers(b).length - this.#layers(a).length);
    return candidates[0] ?? null;
  }

  #rowsOf(point: Point, below: Point | null): LayerTax[] {
    const own: Samples = this.#samples.get(point.id) ?? [];
    const layers = this.#layers(point);
    const lower: Samples = below === null ? [] : (this.#samples.get(below.id) ?? []);
    const belowLayers = below === null ? layers : this.#layers(below);
    return directions.flatMap((direction): LayerTax[] => {
      const iops = figureOf(valuesOf(own, (sample) => sample.iops[direction]));
      if (iops === null) {
        return [];
      }
      const cpu: Reading = ({ cpuUs }) => cpuUs;
      const flow = direction === "write" ? flowFigures(own) : [];
      return [
        {
          point: point.id,
          below: below?.id ?? null,
          parameters: groupOf(point),
          direction,
          layers,
          added: layers.filter((layer) => !belowLayers.includes(layer)),
          response_ns: percentilesOf(direction, (pick) => valuesOf(own, pick)),
          iops,
          ...present("cpu_us", figureOf(valuesOf(own, cpu))),
          ...(below === null
            ? {}
            : {
                added_ns: percentilesOf(direction, (pick) => differences(own, lower, pick)),
                ...present("iops_kept", keptOf(own, lower, direction)),
                ...present("added_cpu_us", figureOf(differences(own, lower, cpu))),
              }),
          ...present("bytes_per_byte", flow.length === 0 ? null : flow),
        },
      ];
    });
  }
}
