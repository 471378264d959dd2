/** Reads the directory of a test into what its report is made of, and from nothing else. */
import { basename, join, resolve } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { fileExists } from "../files.ts";
import { deviceFacts } from "../report/device-facts.ts";
import { factGroups } from "../report/environment.ts";
import type { FactGroup } from "../report/model.ts";
import { readJson } from "../report/run-files.ts";
import type { RunRecord } from "../run-record.ts";
import { completeRun } from "../sweep/sweep-directory.ts";
import type { SweepRecord } from "../sweep-record.ts";
import { type RunEnd, samplesOf } from "./figures.ts";
import { burstSampleSeconds, idleSeconds } from "./procedures.ts";
import type { CellFigures, SniaRecord, SniaRun, SniaVerdict } from "./record.ts";

/** Rounds of one step, with what decides about them. */
export interface RoundsModel {
  readonly section: string;
  readonly verdict: SniaVerdict;
  /** Of each followed figure its value round by round. */
  readonly followed: readonly { readonly label: string; readonly values: readonly number[] }[];
  /** Of each cell its figures round by round. */
  readonly byRound: readonly { readonly cell: string; readonly rounds: readonly CellFigures[] }[];
  /** Means over the window that was judged last; of `latency_max_ns` the largest. */
  readonly cells: readonly CellFigures[];
}

/** One sample of a run that is looked at over time. */
export interface SeriesPoint {
  /** Since the step's first run began; idle time between runs is left out. */
  readonly seconds: number;
  readonly iops: number;
  readonly bw_bytes: number;
  readonly mean_ns: number;
  readonly max_ns: number;
  /** Written up to its end, in the mean. */
  readonly written_bytes: number;
}

export interface SeriesModel {
  readonly id: string;
  readonly title: string;
  readonly points: readonly SeriesPoint[];
}

export interface SniaModel {
  readonly schema: "osdyno-snia-report-1";
  readonly name: string;
  readonly question: string;
  readonly state: SweepRecord["state"];
  readonly reason: string | null;
  readonly started: string;
  readonly ended: string;
  readonly source: string;
  readonly command: readonly string[];
  readonly seed: number;
  readonly snia: SniaRecord;
  readonly rounds: readonly RoundsModel[];
  readonly series: readonly SeriesModel[];
  readonly devices: readonly FactGroup[];
  readonly environment: readonly FactGroup[];
}

/** Whether a directory holds a test of the SNIA PTS. */
export function holdsSnia(dir: string): boolean {
  const file = join(dir, "sweep.json");
  return fileExists(file) && (readJson(file) as SweepRecord | null)?.snia !== undefined;
}

/** Reads `dir`. @throws OsdynoError `bad-input` when it holds no test of the SNIA PTS. */
export function loadSnia(dir: string): SniaModel {
  return sniaModelOf(dir, readJson(join(dir, "sweep.json")) as SweepRecord);
}

/** Of a record that may not be the one in `dir`, where its runs are. */
export function sniaModelOf(dir: string, sweep: SweepRecord): SniaModel {
  const { snia } = sweep;
  if (snia === undefined) {
    throw new OsdynoError("bad-input", "holds no test of the SNIA PTS", { file: dir });
  }
  const first = snia.runs.map(({ run }) => completeRun(dir, run)).find((run) => run !== null);
  const last = snia.runs.at(-1);
  const lastMs = last === undefined ? 0 : Date.parse(last.started) + last.seconds * 1000;
  return {
    schema: "osdyno-snia-report-1",
    name: sweep.name,
    question: sweep.question,
    state: sweep.state,
    reason: sweep.reason ?? null,
    started: snia.runs[0]?.started ?? "",
    ended: lastMs > 0 ? new Date(lastMs).toISOString() : "",
    source: basename(resolve(dir)),
    command: sweep.command ?? [],
    seed: sweep.seed ?? 1,
    snia,
    rounds: snia.verdicts.flatMap((verdict) => roundsOf(snia, verdict)),
    series: seriesOf(dir, snia),
    devices: first === undefined ? [] : factsOf(first, snia.target),
    environment: first === undefined ? [] : factGroups(first.environment),
  };
}

function factsOf(record: RunRecord, target: string): readonly FactGroup[] {
  return deviceFacts(record.environment, [target]);
}

function roundsOf(snia: SniaRecord, verdict: SniaVerdict): readonly RoundsModel[] {
  const runs = snia.runs.filter(
    ({ kind, section, step }) =>
      kind === "rounds" && section === verdict.section && step === verdict.step,
  );
  if (runs.length === 0) {
    return [];
  }
  const names = runs[0]?.cells.map(({ cell }) => cell) ?? [];
  const byRound = names.map((cell) => ({
    cell,
    rounds: runs.flatMap(({ cells }) => cells.filter((each) => each.cell === cell)),
  }));
  const first = (verdict.window?.first ?? 1) - 1;
  const last = verdict.window?.last ?? runs.length;
  const followed = verdict.followed.map(({ label }, place) => ({
    label,
    values: runs.map((run) => followedOf(verdict, place, run)),
  }));
  const cells = byRound.flatMap(({ rounds }) => meanOf(rounds.slice(first, last)));
  return [{ section: verdict.section, verdict, followed, byRound, cells }];
}

function followedOf({ followed }: SniaVerdict, place: number, run: SniaRun): number {
  const of = followed[place];
  const found = run.cells.find(({ cell }) => cell === of?.cell);
  return of === undefined ? 0 : (found?.[of.figure] ?? 0);
}

function meanOf(rounds: readonly CellFigures[]): readonly CellFigures[] {
  const [first] = rounds;
  if (first === undefined) {
    return [];
  }
  const mean = (pick: (figures: CellFigures) => number) =>
    rounds.reduce((sum, figures) => sum + pick(figures), 0) / rounds.length;
  return [
    {
      cell: first.cell,
      ios: rounds.reduce((sum, { ios }) => sum + ios, 0),
      iops: mean(({ iops }) => iops),
      bw_bytes: mean(({ bw_bytes: bytes }) => bytes),
      latency_mean_ns: mean(({ latency_mean_ns: ns }) => ns),
      latency_max_ns: Math.max(...rounds.map(({ latency_max_ns: ns }) => ns)),
      percentile: {},
    },
  ];
}

/** Steps that are looked at over time, by test. */
function seriesOf(dir: string, snia: SniaRecord): readonly SeriesModel[] {
  const minute = snia.minute_seconds;
  const series = (
    id: string,
    title: string,
    runs: readonly SniaRun[],
    seconds: number,
    end: RunEnd = "apart",
  ) => ({
    ...{ id, title, points: pointsOf(dir, runs, seconds, end) },
  });
  const named = (id: string) => snia.runs.filter((run) => run.id === id);
  switch (snia.test) {
    case "write-saturation": {
      const runs = snia.runs.filter(({ kind }) => kind === "saturate");
      return [series("write", "Random writes of 4 KiB", runs, minute)];
    }
    case "cross-stimulus": {
      const runs = snia.runs.filter(({ kind }) => kind === "drive");
      return runs.map((run) => series(run.id, run.id.replace(/-(\d)$/, " $1"), [run], minute));
    }
    case "host-idle": {
      const short = burstSampleSeconds(minute);
      return [
        series("before", "before", named("before"), minute),
        ...idleSeconds.flatMap((idle) => [
          burstsOf(
            dir,
            series(`idle-${idle}`, `${idle} s idle`, named(`idle-${idle}`), short, "within"),
            snia,
          ),
          series(`after-${idle}`, `after ${idle} s idle`, named(`after-${idle}`), minute),
        ]),
      ].filter(({ points }) => points.length > 0);
    }
    default:
      return [];
  }
}

function pointsOf(
  dir: string,
  runs: readonly SniaRun[],
  sampleSeconds: number,
  end: RunEnd,
): readonly SeriesPoint[] {
  const points: SeriesPoint[] = [];
  let [began, written] = [0, 0];
  for (const run of runs) {
    const figures = run.cells.at(-1);
    const perOp = figures === undefined || figures.ios === 0 ? 0 : run.written_bytes / figures.ios;
    const samples = samplesOf(join(dir, run.run), sampleSeconds, figures?.cell ?? "", end);
    for (const { startSeconds, lengthSeconds, ios, iops, meanNs, maxNs } of samples) {
      written += ios * perOp;
      points.push({
        seconds: began + startSeconds + lengthSeconds,
        iops,
        bw_bytes: iops * perOp,
        mean_ns: meanNs,
        max_ns: maxNs,
        written_bytes: written,
      });
    }
    began += run.seconds;
  }
  return points;
}

/** How long a burst job wrote, and how long it paused between its bursts. */
function burstTimes(dir: string, run: SniaRun | undefined) {
  const record = run === undefined ? null : completeRun(dir, run.run);
  const all = record?.osdyno.totals.all;
  const [job] = (record?.job.resolved ?? []) as readonly { readonly thinktimeNs?: number }[];
  return all === undefined || all.iops === 0
    ? null
    : {
        ...{ ios: all.ios, bytes: all.bytes, wholeSeconds: all.ios / all.iops },
        pauseSeconds: (job?.thinktimeNs ?? 0) / 1e9,
      };
}

/**
 * Bursts of a state as one point each: what was done between two pauses. Their time is what the pauses
 * leave of that from the first operation sent to the last one completed: a burst lasts until what was
 * under way at its end is done, as a cell does. A burst has the part of it that its operations' time has
 * of all operations' time, since equally many are under way in all bursts.
 */
function burstsOf(dir: string, series: SeriesModel, snia: SniaRecord): SeriesModel {
  const times = burstTimes(
    dir,
    snia.runs.find(({ id }) => id === series.id),
  );
  if (times === null) {
    return { ...series, points: [] };
  }
  const sample = burstSampleSeconds(snia.minute_seconds);
  // The first operation of the next burst completes later than its pause ends.
  const least = Math.max(1, Math.floor(times.pauseSeconds / sample) - 1);
  const bursts = partsOf(series.points, least);
  const rateOf = (burst: readonly SeriesPoint[]) => burst.reduce((sum, { iops }) => sum + iops, 0);
  const responseOf = (burst: readonly SeriesPoint[]) =>
    burst.reduce((sum, { iops, mean_ns: ns }) => sum + iops * ns, 0);
  const active = times.wholeSeconds - (bursts.length - 1) * times.pauseSeconds;
  const secondsPerResponse = active / responseOf(bursts.flat());
  const iosPerRate = times.ios / rateOf(bursts.flat());
  const points = bursts.map((burst): SeriesPoint => {
    const iops = (rateOf(burst) * iosPerRate) / (responseOf(burst) * secondsPerResponse);
    return {
      seconds: burst.at(-1)?.seconds ?? 0,
      iops,
      bw_bytes: (iops * times.bytes) / times.ios,
      mean_ns: responseOf(burst) / rateOf(burst),
      max_ns: Math.max(...burst.map(({ max_ns: ns }) => ns)),
      written_bytes: burst.at(-1)?.written_bytes ?? 0,
    };
  });
  return { ...series, points };
}

/** Points between gaps of at least `least` in which nothing completed. */
function partsOf(points: readonly SeriesPoint[], least: number): readonly SeriesPoint[][] {
  const parts: SeriesPoint[][] = [];
  let gap = least;
  for (const point of points) {
    if (point.iops === 0) {
      gap += 1;
      continue;
    }
    if (gap >= least) {
      parts.push([]);
    }
    parts.at(-1)?.push(point);
    gap = 0;
  }
  return parts;
}
