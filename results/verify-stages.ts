/** The stages of a job record against the histograms that stand beside them, and against its service times. */
import { directions } from "./fio-record.ts";
import { decodeHistogram, mergeHistograms, valueAt } from "./histogram.ts";
import type { JobRecord } from "./run-record.ts";
import type { OsdynoStage } from "./stages.ts";

/** Where disagreements are gathered. */
export interface StageLedger {
  same(what: string, published: number | undefined, computed: number, tolerance?: number): void;
}

/** Of rounding to whole nanoseconds, stage by stage. */
const roundingNs = 1;

function checkHistogram(where: string, stage: OsdynoStage, ledger: StageLedger): void {
  const histogram = decodeHistogram(stage.hdr);
  ledger.same(`${where} N`, stage.N, histogram.totalCount);
  for (const [name, published] of Object.entries(stage.percentile)) {
    const found = valueAt(histogram, Number(name), stage);
    ledger.same(`${where} percentile ${name}`, published, found);
  }
  // Buckets are a thousandth wide.
  const { mean } = histogram;
  ledger.same(`${where} mean`, stage.mean, mean, mean / 500 + roundingNs);
}

function checkShare(where: string, stage: OsdynoStage, serviceNs: number, ledger: StageLedger) {
  const share = serviceNs === 0 ? 0 : (stage.mean * stage.N) / serviceNs;
  ledger.same(`${where} share`, stage.share, share, 1e-9);
}

/** `pooled`: the histograms are of all runs of a point together, and checked there. */
export function checkStages(job: JobRecord, ledger: StageLedger, pooled = false): void {
  const { stages } = job.osdyno;
  for (const direction of stages === undefined ? [] : directions) {
    const own = stages?.[direction];
    if (own === undefined) {
      continue;
    }
    const where = `${job.jobname} stages of ${direction}s`;
    const serviceNs = own.ops * own.service_mean_ns;
    for (const stage of own.stages) {
      const what = `${where}, ${stage.layer} ${stage.stage}`;
      if (!pooled) {
        checkHistogram(what, stage, ledger);
      }
      checkShare(what, stage, serviceNs, ledger);
    }
    const sumNs = own.stages.reduce((sum, { mean, N }) => sum + mean * N, 0);
    const tolerance = roundingNs * own.stages.length;
    ledger.same(`${where}, together`, own.service_mean_ns, sumNs / own.ops, tolerance);
    if (stages?.one_in === 1) {
      const service = job.osdyno[direction]?.service_ns;
      ledger.same(`${where}, operations`, own.ops, service?.N ?? 0);
      ledger.same(`${where}, service`, own.service_mean_ns, service?.mean ?? 0, roundingNs);
    }
  }
}

interface Pooled {
  readonly hdr: string[];
  count: number;
  sumNs: number;
}

/** Stages whose histograms are of all runs of a point: counts and means of the runs against them. */
export function checkPooledStages(
  where: string,
  runs: readonly (readonly JobRecord[])[],
  ledger: StageLedger,
): void {
  const pools = new Map<string, Pooled>();
  for (const job of runs.flat()) {
    for (const direction of directions) {
      for (const { layer, stage, hdr, N, mean } of job.osdyno.stages?.[direction]?.stages ?? []) {
        const key = `${job.jobname} ${direction}s, ${layer} ${stage}`;
        const pool = pools.get(key) ?? { hdr: [], count: 0, sumNs: 0 };
        pool.hdr.push(hdr);
        pool.count += N;
        pool.sumNs += N * mean;
        pools.set(key, pool);
      }
    }
  }
  for (const [key, { hdr, count, sumNs }] of pools) {
    const all = mergeHistograms(hdr.map(decodeHistogram));
    ledger.same(`${where}, stages of ${key} N`, count, all.totalCount);
    const { mean } = all;
    const published = count === 0 ? 0 : sumNs / count;
    ledger.same(`${where}, stages of ${key} mean`, published, mean, mean / 500 + roundingNs);
  }
}
