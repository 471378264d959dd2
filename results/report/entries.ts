/** Arranges measures into entries: which panel, which colour, which place on the line of depths. */
import type { Direction } from "../../workloads/run-outcome.ts";
import { directions } from "../fio-record.ts";
import { splitPart } from "../metrics.ts";
import type { JobRecord, OsdynoPart, RunRecord } from "../run-record.ts";
import { HeatGrid } from "./heat-grid.ts";
import { type JobFacts, jobFacts } from "./job-facts.ts";
import { cdfOf, isSolid, type Measure, measureOf, spectrumOf } from "./measure.ts";
import type { Entry, HeatMap, MetricValue } from "./model.ts";
import type { RunFiles } from "./run-files.ts";
import { formatCount } from "./units.ts";

/** One point as loaded: its parameters and the runs that repeat it. */
export interface LoadedPoint {
  readonly id: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly runs: readonly RunFiles[];
}

/** An entry before its place is decided. */
interface Draft {
  readonly point: string;
  /** The job or class that it is of, where several ran at once; else empty. */
  readonly part: string;
  readonly job: string;
  readonly direction: Direction;
  readonly parameters: Readonly<Record<string, string>>;
  readonly facts: RowFacts;
  readonly measures: readonly Measure[];
  /** Names in `series.csv` and `hist/` that it stands for. */
  readonly sources: ReadonlySet<string>;
  readonly openLoop: boolean;
}

export interface PlacedEntry {
  readonly entry: Entry;
  /** Latency over time, all repeats together. */
  readonly heatMaps: readonly HeatMap[];
  /** Names in `series.csv` and `hist/` that it stands for. */
  readonly sources: ReadonlySet<string>;
}

/** Columns of a heat map, which decide the size of a report. */
const columnsInRun = 160;
const columnsInSweep = 48;

/** Parameters that the job's own facts already tell. */
const factual = new Set(
  "rw readwrite bs blocksize ioengine iodepth numjobs rate_iops sync fsync fdatasync".split(" "),
);

/**
 * Makes the entries of all points. `wholePoint`: jobs of a point that run at once are added up, by class where
 * there are several (a sweep); otherwise each job stands for itself (a run). `asked`: metrics beside the usual ones.
 */
export function makeEntries(
  points: readonly LoadedPoint[],
  wholePoint: boolean,
  asked: readonly string[],
): readonly PlacedEntry[] {
  const drafts = points.flatMap((point) => draftsOf(point, wholePoint, asked));
  const facts = drafts.map((draft) => facetOf(draft, drafts));
  const facets = ownNames(drafts, facts) ?? facts;
  const series = seriesOf(drafts, facets);
  const severalDepths = (facet: string) =>
    // Jobs that run at once differ in their depths everywhere: there only those of one row's panel count.
    new Set(drafts.filter((one, at) => one.part === "" || facets[at] === facet).map(depthOf)).size >
    1;
  return drafts.map((draft, index) => {
    const facet = facets[index] ?? "";
    const own = series[index] ?? "";
    const load = draft.facts.load(draft.direction);
    const entry: Entry = {
      id: `${draft.point}/${draft.job}/${draft.direction}`,
      point: draft.point,
      label: severalDepths(facet) || load.open ? `${own}, ${load.text}` : own,
      direction: draft.direction,
      facet,
      facetDetail: facet === facts[index] ? "" : (facts[index] ?? ""),
      series: own,
      depth: depthOf(draft),
      ...(load.open ? { load: load.text, offered: load.rate } : {}),
      parameters: draft.parameters,
      replicates: draft.measures.length,
      samples: draft.measures.reduce((sum, m) => sum + m.samples, 0),
      metrics: metricsOf(draft.measures),
      spectrum: {
        service: spectrumOf(draft.measures.map((m) => m.histograms.service)),
        response: spectrumOf(draft.measures.map((m) => m.histograms.response)),
      },
      cdf: cdfOf(draft.measures.map((m) => m.histograms.response)),
      openLoop: draft.openLoop,
    };
    return { entry, sources: draft.sources, heatMaps: heatMapsOf(entry, draft.measures) };
  });
}

/**
 * Response times, and service times where the two may part. All repeats are laid over one another:
 * what happens at the same time in each of them stands out.
 */
function heatMapsOf(entry: Entry, measures: readonly Measure[]): readonly HeatMap[] {
  const kinds = entry.openLoop ? (["response", "service"] as const) : (["response"] as const);
  return kinds.flatMap((kind) => {
    const sum = new HeatGrid(Number.POSITIVE_INFINITY);
    for (const measure of measures) {
      sum.merge(measure.grids[kind]);
    }
    const columns = sum.toColumns();
    return columns === null ? [] : [{ entry: entry.id, kind, ...columns }];
  });
}

function draftsOf(
  point: LoadedPoint,
  wholePoint: boolean,
  asked: readonly string[],
): readonly Draft[] {
  const [first] = point.runs;
  if (first === undefined) {
    return [];
  }
  const split = splitOf(first.record, wholePoint, asked);
  const keyOf = (record: RunRecord, job: JobRecord) =>
    wholePoint ? `${job.osdyno.phase} ${partOf(record, job, split)?.name ?? ""}` : job.jobname;
  const keys = [...new Set(first.record.jobs.map((job) => keyOf(first.record, job)))];
  const columns = wholePoint ? columnsInSweep : columnsInRun;
  return keys.flatMap((key) => {
    const groupOf = ({ record }: RunFiles) =>
      record.jobs.filter((job) => keyOf(record, job) === key);
    const own = groupOf(first);
    const [any] = own;
    const part = any === undefined ? null : partOf(first.record, any, split);
    return directions.flatMap((direction): Draft[] => {
      const measures = point.runs.flatMap((run) => {
        const mine = run.record.osdyno.parts?.find(
          ({ kind, name }) => kind === part?.kind && name === part.name,
        );
        return measureOf(run, groupOf(run), direction, { columns, asked, part: mine }) ?? [];
      });
      // Of several jobs at once those that go this way are what the row is about.
      const going = own.filter((job) => (job.osdyno[direction]?.service_ns.N ?? 0) > 0);
      const names = [...new Set((going.length > 0 ? going : own).map((job) => job.jobname))];
      const facts = together(names.map((name) => jobFacts(first.record, name)));
      return measures.length === 0 || facts === null
        ? []
        : [
            {
              ...{ point: point.id, job: names[0] ?? key, direction, facts, measures },
              ...{ part: partText(first.record, part), parameters: point.parameters },
              sources: new Set(own.flatMap((job) => job.osdyno.sources)),
              openLoop: own.every((job) => !job.osdyno.generator.loop.includes("closed")),
            },
          ];
    });
  });
}

/** What one or several jobs at once are asked to do, as a row is labelled by it. */
interface Load {
  /** `8 outstanding`, `500 offered/s, Poisson`, or both where some jobs wait and others do not. */
  readonly text: string;
  /** Operations a second that all of it comes to; null where something has no rate. */
  readonly rate: number | null;
  /** Some of it keeps a schedule. */
  readonly open: boolean;
}

/** Facts of all jobs that a row is of. */
interface RowFacts extends Pick<JobFacts, "rw" | "ioengine" | "outstanding" | "blockSize"> {
  readonly durability: string;
  readonly load: (direction: Direction) => Load;
}

const rateText = (rate: number) => `${formatCount(rate).replace(/\.0+(?=k|M|G|$)/, "")} offered/s`;

function loadOf(facts: readonly JobFacts[], direction: Direction): Load {
  const open = facts.flatMap((each) => each.arrival(direction) ?? []);
  const closed = facts.filter((each) => each.arrival(direction) === null);
  const rates = open.flatMap(({ rate }) => rate ?? []);
  const rate = rates.reduce((sum, each) => sum + each, 0);
  const laws = [...new Set(open.map(({ law }) => law))];
  const outstanding = closed.reduce((sum, each) => sum + each.outstanding, 0);
  const parts = [
    ...(rates.length === 0 ? [] : [rateText(rate)]),
    ...(laws.length > 1 ? ["several laws"] : laws),
    ...(closed.length === 0 ? [] : [`${outstanding} outstanding`]),
  ];
  const known = closed.length === 0 && open.length > 0 && rates.length === open.length;
  return { text: parts.join(", "), rate: known ? rate : null, open: open.length > 0 };
}

/** What several jobs at once keep outstanding, or offer, together; what they do is the first one's. */
function together(facts: readonly JobFacts[]): RowFacts | null {
  const [first] = facts;
  if (first === undefined) {
    return null;
  }
  const sizes = (direction: Direction) => new Set(facts.map((each) => each.blockSize(direction)));
  return {
    ...first,
    rw: new Set(facts.map(({ rw }) => rw)).size === 1 ? first.rw : "several jobs",
    blockSize: (direction) => (sizes(direction).size === 1 ? first.blockSize(direction) : ""),
    outstanding: facts.reduce((sum, { outstanding }) => sum + outstanding, 0),
    load: (direction) => loadOf(facts, direction),
  };
}

/** More jobs at once than these do not get a panel each. */
const mostParts = 6;

/** Whether the jobs of a run that ran at once stand by themselves, and as what. */
function splitOf(
  record: RunRecord,
  wholePoint: boolean,
  asked: readonly string[],
): OsdynoPart["kind"] | null {
  const parts = record.osdyno?.parts ?? [];
  const of = (kind: OsdynoPart["kind"]) => parts.filter((part) => part.kind === kind);
  if (!wholePoint) {
    const phases = new Set(record.jobs.map((job) => job.osdyno.phase));
    return phases.size === 1 && of("job").length <= mostParts ? "job" : null;
  }
  const named = asked.flatMap((name) => splitPart(name)?.part ?? []);
  const isOf = (kind: OsdynoPart["kind"], name: string) =>
    of(kind).some((part) => part.name === name);
  const byJob = named.some((name) => isOf("job", name) && !isOf("class", name));
  return byJob ? "job" : of("class").length > 1 ? "class" : null;
}

/** The part that a record is wholly of. */
function partOf(
  record: RunRecord,
  job: JobRecord,
  kind: OsdynoPart["kind"] | null,
): OsdynoPart | null {
  const own = (record.osdyno?.parts ?? []).find(
    (part) =>
      part.kind === kind && job.osdyno.sources.every((source) => part.sources.includes(source)),
  );
  return own ?? null;
}

/** `client`; of a job with another name than its class, where there are several: `guest, client`. */
function partText(record: RunRecord, part: OsdynoPart | null): string {
  const classes = (record.osdyno?.parts ?? []).filter(({ kind }) => kind === "class");
  const own = classes.find(({ sources }) => part?.sources.every((each) => sources.includes(each)));
  return part === null
    ? ""
    : own === undefined || own.name === part.name
      ? part.name
      : `${part.name}, ${own.name}`;
}

function depthOf(draft: Draft): number {
  return draft.facts.load(draft.direction).rate ?? draft.facts.outstanding;
}

/** A job that goes both ways (or reads back what it wrote) has a facet for each. */
function facetOf(draft: Draft, all: readonly Draft[]): string {
  const { facts, direction } = draft;
  const size = facts.blockSize(direction);
  const several = all.some(
    (other) =>
      other.point === draft.point && other.job === draft.job && other.direction !== direction,
  );
  const mixed = several ? `, ${direction}s` : "";
  const text = `${size === "" ? "" : `${size} `}${facts.rw}${facts.durability}${mixed}`;
  return draft.part === "" ? text : `${draft.part} (${text})`;
}

/** Values of the parameter that names the facets one to one (`durable write`); null without one. */
function ownNames(drafts: readonly Draft[], facts: readonly string[]): readonly string[] | null {
  const count = new Set(facts).size;
  const parameters = Object.keys(drafts[0]?.parameters ?? {}).filter((name) => !factual.has(name));
  for (const name of count > 1 ? parameters : []) {
    const values = drafts.map((draft) => draft.parameters[name] ?? "");
    const pairs = new Set(values.map((value, index) => `${value}|${facts[index]}`));
    if (new Set(values).size === count && pairs.size === count) {
      return values;
    }
  }
  return null;
}

/** Value of a parameter that does not act at a point. */
const idle = "-";

/** Without what nearly all options of a store begin with. */
function shortName(name: string): string {
  return name.replace(/^bluestore_/, "");
}

/**
 * The series of each draft: the engine, and those parameters (or the job's name) that are needed to
 * tell apart what facet, engine and depth do not.
 */
function seriesOf(drafts: readonly Draft[], facets: readonly string[]): readonly string[] {
  const names = [...new Set(drafts.flatMap((draft) => Object.keys(draft.parameters)))];
  const varied = names.filter((name) => new Set(drafts.map((d) => d.parameters[name])).size > 1);
  const own = varied.filter((name) => !factual.has(name));
  const several = new Set(drafts.map((draft) => draft.facts.ioengine)).size > 1;
  const text = (draft: Draft, wanted: readonly string[], extra: readonly string[]): string => {
    const parts = [
      ...extra,
      ...wanted
        .filter((name) => (draft.parameters[name] ?? idle) !== idle)
        .map((name) => `${shortName(name)}=${draft.parameters[name]}`),
    ];
    return (several || parts.length === 0 ? [draft.facts.ioengine, ...parts] : parts).join(", ");
  };
  const series = (wanted: readonly string[], extra: (draft: Draft) => readonly string[]) =>
    drafts.map((draft) => text(draft, wanted, extra(draft)));
  const unique = (candidate: readonly string[]): boolean => {
    const keys = drafts.map((draft, i) => `${facets[i]}|${candidate[i]}|${depthOf(draft)}`);
    return new Set(keys).size === drafts.length;
  };
  const none = () => [];
  let needed: readonly string[] = own;
  for (const name of own) {
    const without = needed.filter((other) => other !== name);
    if (unique(series(without, none))) {
      needed = without;
    }
  }
  // In the end the names of the point and the job tell apart whatever nothing else does.
  const candidates = [
    series(needed, none),
    series(needed, (draft) => [draft.job]),
    series(varied, none),
    series(varied, (draft) => [draft.point, draft.job]),
  ];
  return candidates.find(unique) ?? candidates[0] ?? [];
}

function metricsOf(measures: readonly Measure[]): Readonly<Record<string, MetricValue>> {
  const names = [...new Set(measures.flatMap((measure) => [...measure.figures.keys()]))];
  const metrics: Record<string, MetricValue> = {};
  for (const name of names) {
    const values = measures.flatMap((measure) => measure.figures.get(name) ?? []);
    const sorted = [...values].sort((a, b) => a - b);
    metrics[name] = {
      value: medianOf(sorted),
      low: sorted[0] ?? Number.NaN,
      high: sorted.at(-1) ?? Number.NaN,
      values,
      solid: measures.every((measure) => isSolid(name, measure.samples)),
    };
  }
  return metrics;
}

function medianOf(sorted: readonly number[]): number {
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const high = sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN;
  return (low + high) / 2;
}
