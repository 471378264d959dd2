/** Histograms of stages, of all runs of a point together: reports tell them so, and no other way. */
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { directions } from "../fio-record.ts";
import { addEncoded, emptyHistogram } from "../histogram.ts";
import type { JobRecord, RunRecord } from "../run-record.ts";

type StagesOf = NonNullable<JobRecord["osdyno"]["stages"]>;

/** Of every stage its histograms in all runs, by job, direction, layer and stage. */
function gathered(records: readonly RunRecord[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const record of records) {
    for (const [key, hdr] of record.jobs.flatMap(keyed)) {
      found.set(key, [...(found.get(key) ?? []), hdr]);
    }
  }
  return found;
}

function encodedSum(parts: readonly string[]): string {
  const sum = emptyHistogram();
  for (const part of parts) {
    addEncoded(sum, part);
  }
  return encodeIntoCompressedBase64(sum);
}

const keyOf = (at: number, direction: string, layer: string, stage: string) =>
  [at, direction, layer, stage].join("/");

function keyed(job: JobRecord, at: number): readonly (readonly [string, string])[] {
  return directions.flatMap((direction) =>
    (job.osdyno.stages?.[direction]?.stages ?? []).map(
      ({ layer, stage, hdr }) => [keyOf(at, direction, layer, stage), hdr] as const,
    ),
  );
}

function withHistograms(job: JobRecord, at: number, of: (key: string) => string): JobRecord {
  const { stages } = job.osdyno;
  if (stages === undefined) {
    return job;
  }
  const own = directions.flatMap((direction) => {
    const found = stages[direction];
    return found === undefined
      ? []
      : [
          [
            direction,
            {
              ...found,
              stages: found.stages.map((each) => ({
                ...each,
                hdr: of(keyOf(at, direction, each.layer, each.stage)),
              })),
            },
          ] as const,
        ];
  });
  const replaced: StagesOf = { ...stages, ...Object.fromEntries(own) };
  return { ...job, osdyno: { ...job.osdyno, stages: replaced } };
}

/** Whether each stage that any run has is one of the first: it takes the others' histograms. */
function poolable(records: readonly RunRecord[]): boolean {
  const [first] = records;
  const known = new Set((first?.jobs ?? []).flatMap(keyed).map(([key]) => key));
  return records.every(({ jobs }) => jobs.flatMap(keyed).every(([key]) => known.has(key)));
}

/** The runs of a point; null when they do not have the same stages, and nothing can be left out. */
export function pooledStages(records: readonly RunRecord[]): readonly RunRecord[] | null {
  if (!poolable(records)) {
    return null;
  }
  const all = gathered(records);
  const sum = (key: string) => encodedSum(all.get(key) ?? []);
  return records.map((record, place) => ({
    ...record,
    jobs: record.jobs.map((job, at) => withHistograms(job, at, place === 0 ? sum : () => "")),
  }));
}
