/** Where the time of each entry's operations went, over all of its runs. */
import type { Direction } from "../../workloads/run-outcome.ts";
import { percentileSupported } from "../metrics.ts";
import { mergeStages, type OsdynoStage } from "../stages.ts";
import type { PlacedEntry } from "./entries.ts";
import type { RunFiles } from "./run-files.ts";

/** One stage of one layer; times are ns. */
export interface StageShare {
  readonly layer: string;
  readonly stage: string;
  readonly kind: "queued" | "worked";
  /** Of the service time, 0 to 1. */
  readonly share: number;
  /** Over all operations, so that these add up to the mean service time. */
  readonly perOpNs: number;
  /** Part of the operations that passed it. */
  readonly passed: number;
  /** Of those that passed it; null with fewer than 10 samples beyond. */
  readonly p50Ns: number | null;
  readonly p99Ns: number | null;
}

export interface StageEntry {
  /** Place of its entry in the model. */
  readonly entry: number;
  readonly direction: Direction;
  readonly traced: number;
  readonly ops: number;
  readonly meanNs: number;
  /** In the order of the chain, outermost layer first. */
  readonly stages: readonly StageShare[];
}

interface PointRuns {
  readonly id: string;
  readonly runs: readonly { readonly files: RunFiles }[];
}

function shareOf(stage: OsdynoStage, ops: number, traced: number): StageShare {
  const { layer, stage: name, kind, share, mean, N, percentile } = stage;
  const samples = ops === 0 ? 0 : (N / ops) * traced;
  const at = (percent: number) =>
    percentileSupported(samples, percent) ? (percentile[percent.toFixed(6)] ?? null) : null;
  return {
    layer,
    stage: name,
    kind,
    share,
    perOpNs: ops === 0 ? 0 : (mean * N) / ops,
    passed: ops === 0 ? 0 : N / ops,
    p50Ns: at(50),
    p99Ns: at(99),
  };
}

/** Of entries that have more than one stage; with one, the service time says it all. */
export function stageEntriesOf(
  placed: readonly PlacedEntry[],
  points: readonly PointRuns[],
): readonly StageEntry[] {
  return placed.flatMap(({ entry, sources }, place): StageEntry[] => {
    const { direction } = entry;
    // In a run all entries are of its one point.
    const runs = points
      .filter(({ id }) => points.length === 1 || id === entry.point)
      .flatMap((point) => point.runs);
    const records = runs.flatMap(({ files }) =>
      files.record.jobs.flatMap(({ osdyno }) =>
        osdyno?.sources?.some((source) => sources.has(source)) === true
          ? (osdyno.stages ?? [])
          : [],
      ),
    );
    const merged = mergeStages(records)?.[direction];
    if (merged === undefined || merged.stages.length < 2) {
      return [];
    }
    const { traced, ops, service_mean_ns: meanNs, stages } = merged;
    const shares = stages.map((stage) => shareOf(stage, ops, traced));
    return [{ entry: place, direction, traced, ops, meanNs, stages: shares }];
  });
}

/** `scheduler: queue`; the one stage of a device is the device. */
export function stageTitle({ layer, stage }: Pick<StageShare, "layer" | "stage">): string {
  return stage === "service" ? layer : `${layer}: ${stage}`;
}
