/** Stages in the text of a run: one line for each job and direction. */
import { directions } from "./fio-record.ts";
import type { JobRecord } from "./run-record.ts";
import type { OsdynoStageDirection } from "./stages.ts";
import { formatNs, formatPercent } from "./units.ts";

/** Smaller shares are read in the report. */
const leastShare = 0.005;

/** `scheduler queue 38.65% (mean 311.7 us)`, in the order of the chain. */
function parts({ stages }: OsdynoStageDirection): string {
  return stages
    .filter(({ share }) => share >= leastShare)
    .map(({ layer, stage, share, mean, N }) => {
      const name = stage === "service" ? layer : `${layer} ${stage}`;
      const each = N === 0 ? "" : ` (${formatNs(mean)})`;
      return `${name} ${formatPercent(100 * share)}${each}`;
    })
    .join(", ");
}

/** With one stage there is nothing to tell apart: the service times say it; nor where none took any time. */
export function stageLines(jobs: readonly JobRecord[]): readonly string[] {
  return jobs.flatMap((job) =>
    directions.flatMap((direction) => {
      const stages = job.osdyno.stages?.[direction];
      const text = stages === undefined || stages.stages.length < 2 ? "" : parts(stages);
      return text === "" ? [] : [`stages of ${job.jobname}, ${direction}: ${text}`];
    }),
  );
}
