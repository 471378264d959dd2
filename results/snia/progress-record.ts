/** `sweep.json` of a test as far as it has come: as of any sweep, with what is the standard's under `snia`. */
import type { OsdynoError } from "../../engine/base/error.ts";
import { fileRecord } from "../sweep/file-record.ts";
import { givenOf } from "../sweep/given.ts";
import { sweepSchemaName } from "../sweep/sweep-directory.ts";
import type { SweepRecord } from "../sweep-record.ts";
import type { SniaRequest } from "./conduct.ts";
import { deviationsOf, purgeStatement } from "./device.ts";
import type { SniaRecord, SniaRun, SniaVerdict } from "./record.ts";

/** What is known so far. */
export interface Standing {
  readonly runs: SniaRun[];
  readonly verdicts: SniaVerdict[];
  /** Files that the test made. */
  readonly files: string[];
  /** Null before or without a trim; `false`: the target refused it. */
  trimmed: boolean | null;
  /** Written by runs that were cut short and do not count. */
  lostBytes: number;
}

function sniaRecordOf(request: SniaRequest, standing: Standing): SniaRecord {
  const { spec, device, sizes, overrides, settings, sections } = request;
  const { trimmed } = standing;
  const parts = new Set(standing.runs.map(({ part }) => part));
  return {
    schema: "osdyno-snia-1",
    test: spec.test,
    edition: spec.edition,
    class: spec.deviceClass,
    deviations: deviationsOf(spec, device, sizes, {
      sections: sections.length,
      trimmed,
      overrides,
      virtual: settings.clock === "virtual",
      interruptions: Math.max(0, parts.size - 1),
    }),
    target: device.target,
    target_kind: device.kind,
    capacity_bytes: sizes.capacityBytes,
    active_bytes: sizes.activeBytes,
    minute_seconds: spec.scale.minuteSeconds,
    cycles: spec.scale.cycles,
    threads: spec.threads,
    depth: spec.depth,
    purge: spec.purge,
    purge_statement: purgeStatement(spec, device, trimmed),
    people: spec.people,
    endurance: {
      written_bytes: standing.runs.reduce(
        (sum, run) => sum + run.written_bytes,
        standing.lostBytes,
      ),
      lost_bytes: standing.lostBytes,
      rated_bytes: spec.ratedWriteBytes,
      ...(spec.ratedFrom === undefined ? {} : { rated_from: spec.ratedFrom }),
      most_bytes: spec.mostWriteBytes,
    },
    verdicts: standing.verdicts,
    runs: standing.runs,
  };
}

/** The record: complete, or partial with the failure that ended it, or while it goes on. */
export function sweepRecordOf(
  request: SniaRequest,
  standing: Standing,
  state: { readonly complete: boolean; readonly failure: OsdynoError | null },
): SweepRecord {
  const { spec, settings, seed } = request;
  const { runs } = standing;
  const reason = state.failure?.line ?? "not finished";
  return {
    schema: sweepSchemaName,
    ...(state.complete
      ? ({ state: "complete" } as const)
      : ({ state: "partial", reason: `${runs.length} runs: ${reason}` } as const)),
    name: spec.name,
    question: spec.question,
    ...(spec.text === undefined ? {} : { file: fileRecord(spec.file, spec.text) }),
    given: givenOf({ overrides: request.overrides, settings }, null),
    command: settings.command,
    seed,
    parameters: { step: runs.map(({ id }) => id) },
    repeat: 1,
    preview: false,
    metrics: ["iops", "bw", "response.mean", "response.max"],
    points: runs.map(({ id, run }) => ({ id, parameters: { step: id }, runs: [run] })),
    comparisons: [],
    snia: sniaRecordOf(request, standing),
  };
}
