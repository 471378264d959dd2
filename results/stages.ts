/**
 * `osdyno.stages` of a job record: where the time of its operations went, layer by layer. Made of what
 * was measured; records of clones, repeats and points of a sweep are merged without loss.
 */
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type {
  Direction,
  DirectionStages,
  StageBuckets,
  StageOutcome,
  StagesOutcome,
  TimeTotals,
} from "../workloads/run-outcome.ts";
import { emptyHistogram, summarise, withMerged } from "./histogram.ts";
import type { OsdynoLatency } from "./run-record.ts";

/** Times of the operations that passed a stage, with the histogram that they are of. */
export interface OsdynoStage extends OsdynoLatency {
  readonly layer: string;
  readonly stage: string;
  readonly kind: "queued" | "worked";
  /** Of the service time of all traced operations together, 0 to 1. */
  readonly share: number;
  /** Base64 of the compressed V2 form, 1 ns to 1 h, 3 digits. */
  readonly hdr: string;
}

export interface OsdynoStageDirection {
  /** Operations whose stages were taken. */
  readonly traced: number;
  /** What they stand for, which all figures are of; and the mean of the service times, ns. */
  readonly ops: number;
  readonly service_mean_ns: number;
  /** In the order in which operations pass them, outermost layer first. */
  readonly stages: readonly OsdynoStage[];
}

export interface OsdynoStages {
  /** One operation in so many was traced, at random, or more while they were few. */
  readonly one_in: number;
  readonly read?: OsdynoStageDirection;
  readonly write?: OsdynoStageDirection;
  readonly trim?: OsdynoStageDirection;
}

/** Layers above a target, outermost first; layers of other names come behind them. */
const layerOrder = ["qos", "clientcache", "writelog", "scheduler"];
const stageOrder = ["queue", "work", "image", "log device"];
/** A store and its device by turns: in the order in which transactions and reads pass them. */
const targetOrder = [
  "store/waiting",
  "device/pre-read",
  "store/prepare",
  "device/write",
  "store/io_done",
  "store/kv_queued",
  "device/flush",
  "store/kv_commit",
  "store/kv_done",
  "store/finishing",
  "store/look-up",
  "device/read",
  "store/verify",
  "device/service",
];

/** Every stage that there is: of layers, of stores, of devices. */
export const knownStages: readonly Named[] = [
  ...layerOrder.flatMap((layer) => ["queue", "work"].map((stage) => ({ layer, stage }))),
  { layer: "clientcache", stage: "image" },
  { layer: "writelog", stage: "log device" },
  ...targetOrder.map((name) => {
    const [layer = "", stage = ""] = name.split("/");
    return { layer, stage };
  }),
];

const directions: readonly Direction[] = ["read", "write", "trim"];

function encoded(buckets: StageBuckets): string {
  const histogram = emptyHistogram();
  for (const [bucket, count] of buckets) {
    histogram.recordValueWithCount(histogram.valueFromIndex(bucket), count);
  }
  return encodeIntoCompressedBase64(histogram);
}

type Named = Pick<StageOutcome, "layer" | "stage">;

/** Numbers that compare one after the other. */
function placeOf({ layer, stage }: Named): readonly [number, number] {
  const target = targetOrder.indexOf(`${layer}/${stage}`);
  if (target >= 0) {
    return [layerOrder.length + 1, target];
  }
  const place = layerOrder.indexOf(layer);
  return [place < 0 ? layerOrder.length : place, stageOrder.indexOf(stage)];
}

/** In the order in which operations pass them, as far as there is one. */
export function byChain(a: Named, b: Named): number {
  const [layerA, stageA] = placeOf(a);
  const [layerB, stageB] = placeOf(b);
  return (
    layerA - layerB ||
    a.layer.localeCompare(b.layer) * Number(layerA === layerOrder.length) ||
    stageA - stageB
  );
}

interface Part extends TimeTotals, Named {
  readonly kind: "queued" | "worked";
  readonly hdr: string;
}

interface PartDirection {
  readonly traced: number;
  readonly ops: number;
  readonly serviceNs: number;
  readonly parts: readonly Part[];
}

function merged(
  all: readonly PartDirection[],
  percentiles: readonly number[],
): OsdynoStageDirection {
  const ops = all.reduce((sum, each) => sum + each.ops, 0);
  const serviceNs = all.reduce((sum, each) => sum + each.serviceNs, 0);
  const byName = new Map<string, Part[]>();
  for (const part of all.flatMap((each) => each.parts)) {
    const key = `${part.layer}/${part.stage}`;
    byName.set(key, [...(byName.get(key) ?? []), part]);
  }
  const stages = [...byName.values()].map((parts): OsdynoStage => {
    const [{ layer, stage, kind }] = parts as [Part];
    return withMerged(parts, (distribution) => ({
      layer,
      stage,
      kind,
      share: serviceNs === 0 ? 0 : distribution.totals.sumNs / serviceNs,
      ...summarise(distribution, percentiles),
      hdr: encodeIntoCompressedBase64(distribution.histogram),
    }));
  });
  return {
    traced: all.reduce((sum, each) => sum + each.traced, 0),
    ops,
    service_mean_ns: ops === 0 ? 0 : serviceNs / ops,
    stages: stages.sort(byChain),
  };
}

function measuredPart({ traced, ops, serviceNs, stages }: DirectionStages): PartDirection {
  const parts = stages.map(({ buckets, ...rest }) => ({ ...rest, hdr: encoded(buckets) }));
  return { traced, ops, serviceNs, parts };
}

const widest = (all: readonly number[]) => Math.max(...all);

/** The stages of clones together; null: none has any. */
export function stagesRecord(
  outcomes: readonly StagesOutcome[],
  percentiles: readonly number[],
): OsdynoStages | null {
  if (outcomes.length === 0) {
    return null;
  }
  const entries = directions.flatMap((direction) => {
    const parts = outcomes.flatMap((each) => each[direction] ?? []).map(measuredPart);
    return parts.length === 0 ? [] : [[direction, merged(parts, percentiles)] as const];
  });
  return { one_in: widest(outcomes.map(({ oneIn }) => oneIn)), ...Object.fromEntries(entries) };
}

function recordedPart(direction: OsdynoStageDirection): PartDirection {
  const { traced, ops, service_mean_ns: meanNs, stages } = direction;
  const parts = stages.map(({ layer, stage, kind, N, min, max, mean, stddev, hdr }): Part => {
    const sumNs = mean * N;
    const sumSquares = stddev ** 2 * Math.max(0, N - 1) + mean * sumNs;
    return { layer, stage, kind, count: N, minNs: min, maxNs: max, sumNs, sumSquares, hdr };
  });
  return { traced, ops, serviceNs: meanNs * ops, parts };
}

/** The stages of several records together, jobs, repeats or runs, without loss; null: none has any. */
export function mergeStages(records: readonly OsdynoStages[]): OsdynoStages | null {
  if (records.length === 0) {
    return null;
  }
  const entries = directions.flatMap((direction) => {
    const parts = records.flatMap((each) => each[direction] ?? []).map(recordedPart);
    return parts.length === 0 ? [] : [[direction, merged(parts, [])] as const];
  });
  return { one_in: widest(records.map((each) => each.one_in)), ...Object.fromEntries(entries) };
}
