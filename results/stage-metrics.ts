/**
 * Metrics of stages: `stage.LAYER.STAGE.FIGURE`, for example `stage.scheduler.queue.p99` or
 * `write.stage.store.kv_commit.share`. Blanks in the name of a stage become `_`.
 */
import type { Direction } from "../workloads/run-outcome.ts";
import { percentileKey, valueAt, withMerged } from "./histogram.ts";
import type { JobRecord } from "./run-record.ts";
import { knownStages, type OsdynoStage } from "./stages.ts";

export interface StageMetric {
  readonly layer: string;
  readonly stage: string;
  /** A number is a percentile of the operations that passed the stage. */
  readonly figure: "share" | "per_op" | "mean" | "min" | "max" | number;
}

const pattern =
  /^stage\.([^.]+)\.([^.]+)\.(share|per_op|mean|min|max|p(?:100|[0-9]{1,2}(?:\.[0-9]+)?))$/;

const nameOf = ({ layer, stage }: { readonly layer: string; readonly stage: string }) =>
  `stage.${layer}.${stage.replaceAll(" ", "_")}`;

/** Figures that are listed; any other percentile is one, too. */
const figures = ["share", "per_op", "mean", "max", "p50", "p99"] as const;

/** Every stage as its metrics begin. */
export const stageNames: readonly string[] = knownStages.map(nameOf);

/** To suggest what was meant. */
export const stageMetricNames: readonly string[] = stageNames.flatMap((name) =>
  figures.map((figure) => `${name}.${figure}`),
);

/** Null for a name that is none, or of a stage that no layer has. */
export function parseStageMetric(name: string): StageMetric | null {
  const [, layer = "", text = "", last = ""] = pattern.exec(name) ?? [];
  const known = knownStages.find((each) => nameOf(each) === `stage.${layer}.${text}`);
  if (known === undefined) {
    return null;
  }
  const figure = last.startsWith("p") && last !== "per_op" ? Number(last.slice(1)) : last;
  return { layer: known.layer, stage: known.stage, figure: figure as StageMetric["figure"] };
}

/** `time in scheduler queue p99`. */
export function stageLabel({ layer, stage, figure }: StageMetric): string {
  const where = stage === "service" ? `the ${layer}` : `${layer} ${stage}`;
  switch (figure) {
    case "share":
      return `share of time in ${where}`;
    case "per_op":
      return `time in ${where} over all operations`;
    default:
      return `time in ${where} ${typeof figure === "number" ? `p${figure}` : figure}`;
  }
}

/** Names of the stages that jobs have, each with its listed figures. */
export function stageMetricsOf(
  jobs: readonly JobRecord[],
  directions: readonly Direction[],
): readonly string[] {
  const names = jobs.flatMap(({ osdyno: { stages } }) =>
    directions.flatMap((direction) => stages?.[direction]?.stages.map(nameOf) ?? []),
  );
  return [...new Set(names)].flatMap((name) => figures.map((figure) => `${name}.${figure}`));
}

/** What jobs have of one stage in some directions, and what they have in all. */
function gathered(
  jobs: readonly JobRecord[],
  directions: readonly Direction[],
  { layer, stage }: StageMetric,
) {
  const all = jobs.flatMap(({ osdyno: { stages } }) =>
    directions.flatMap((direction) => stages?.[direction] ?? []),
  );
  const parts = all.flatMap((each) =>
    each.stages.filter((own) => own.layer === layer && own.stage === stage),
  );
  const sum = (pick: (one: (typeof all)[number]) => number) =>
    all.reduce((total, one) => total + pick(one), 0);
  return {
    parts: parts.filter(({ N }) => N > 0),
    ops: sum(({ ops }) => ops),
    traced: sum(({ traced }) => traced),
    serviceNs: sum(({ ops, service_mean_ns: mean }) => ops * mean),
  };
}

function percentileOf(parts: readonly OsdynoStage[], percentile: number): number {
  const [first, ...rest] = parts;
  const own = first?.percentile[percentileKey(percentile)];
  if (own !== undefined && rest.length === 0) {
    return own;
  }
  const min = Math.min(...parts.map((part) => part.min));
  const max = Math.max(...parts.map((part) => part.max));
  const records = parts.map(({ N, min: minNs, max: maxNs, hdr }) => ({
    ...{ count: N, minNs, maxNs, sumNs: 0, sumSquares: 0, hdr },
  }));
  return withMerged(records, ({ histogram }) => valueAt(histogram, percentile, { min, max }));
}

/** Of several jobs and directions together; null when no operation of theirs passed the stage. */
export function stageValue(
  jobs: readonly JobRecord[],
  directions: readonly Direction[],
  wanted: StageMetric,
): number | null {
  const { parts, ops, serviceNs } = gathered(jobs, directions, wanted);
  if (parts.length === 0) {
    return null;
  }
  const passed = parts.reduce((sum, { N }) => sum + N, 0);
  const sumNs = parts.reduce((sum, { N, mean }) => sum + N * mean, 0);
  switch (wanted.figure) {
    case "share":
      return serviceNs === 0 ? null : sumNs / serviceNs;
    case "per_op":
      return ops === 0 ? null : sumNs / ops;
    case "mean":
      return sumNs / passed;
    case "min":
      return Math.min(...parts.map(({ min }) => min));
    case "max":
      return Math.max(...parts.map(({ max }) => max));
    default:
      return percentileOf(parts, wanted.figure);
  }
}

/** Operations that were traced in the stage, which may be fewer than it stands for. */
export function stageSamples(
  jobs: readonly JobRecord[],
  directions: readonly Direction[],
  wanted: StageMetric,
): number {
  const { parts, ops, traced } = gathered(jobs, directions, wanted);
  const passed = parts.reduce((sum, { N }) => sum + N, 0);
  return ops === 0 ? 0 : (passed / ops) * traced;
}
