/** The stages of a job record against the histograms that stand beside them, and against its service times. */
import { directions } from "./fio-record.ts";
import { decodeHistogram } from "./histogram.ts";
import type { JobRecord } from "./run-record.ts";
import type { OsdynoStage } from "./stages.ts";

/** Where disagreements are gathered. */
export interface StageLedger {
  same(what: string, published: number | undefined, computed: number, tolerance?: number): void;
}

/** Of rounding to whole nanoseconds, stage by stage. */
const roundingNs = 1;

function checkStage(where: string, stage: OsdynoStage, serviceNs: number, ledger: StageLedger) {
  const histogram = decodeHistogram(stage.hdr);
  ledger.same(`${where} N`, stage.N, histogram.totalCount);
  for (const [name, published] of Object.entries(stage.percentile)) {
    const value = histogram.getValueAtPercentile(Number(name));
    const within = Math.min(Math.max(value, stage.min), stage.max);
    ledger.same(`${where} percentile ${name}`, published, within);
  }
  // Buckets are a thousandth wide.
  const { mean } = histogram;
  ledger.same(`${where} mean`, stage.mean, mean, mean / 500 + roundingNs);
  const share = serviceNs === 0 ? 0 : (stage.mean * stage.N) / serviceNs;
  ledger.same(`${where} share`, stage.share, share, 1e-9);
}

export function checkStages(job: JobRecord, ledger: StageLedger): void {
  const { stages } = job.osdyno;
  for (const direction of stages === undefined ? [] : directions) {
    const own = stages?.[direction];
    if (own === undefined) {
      continue;
    }
    const where = `${job.jobname} stages of ${direction}s`;
    const serviceNs = own.ops * own.service_mean_ns;
    for (const stage of own.stages) {
      checkStage(`${where}, ${stage.layer} ${stage.stage}`, stage, serviceNs, ledger);
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
