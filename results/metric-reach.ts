/**
 * Whether a run can have a metric at all, told from its plan: a threshold on a job that is not there, on writes
 * of a job that reads, or on a store where there is none would be missed after minutes of measuring, by a run in
 * which nothing was wrong.
 */
import { OsdynoError } from "../engine/base/error.ts";
import { nearestName } from "../engine/base/nearest-name.ts";
import { plannedDirections } from "../workloads/job-reach.ts";
import type { PlannedJob, RunPlan } from "../workloads/plan-model.ts";
import type { Direction } from "../workloads/run-outcome.ts";
import { counterNames, counterSource, isOfOneStore } from "./counter-names.ts";
import { standardPercentiles } from "./histogram.ts";
import { type ParsedMetric, parseMetric } from "./metrics.ts";
import { ofOneStore, splitCounter, targetCalled } from "./store-metrics.ts";
import type { Threshold } from "./threshold.ts";

/** Counters of every job; stores and layers have more. */
export const jobCounters = [
  ...["ios", "bytes", "short_ios", "errors", "flushes", "late", "dropped_arrivals"],
  ...["verified_blocks", "verify_mismatches"],
] as const;

/** Layers that have stages of their own where they are in the chain. */
const chainLayers: readonly string[] = ["qos", "clientcache", "writelog", "scheduler"];

const measured = (plan: RunPlan) =>
  plan.phases.flatMap(({ jobs }) =>
    jobs.filter(({ resolved }) => resolved.measures.stats && !resolved.createOnly),
  );

/** Written data may be read back (`verify=`) or trimmed; a job may report all directions as one. */
function goes(job: PlannedJob, direction: Direction): boolean {
  const { verify, trims } = job.resolved;
  return (
    plannedDirections(job)[direction] ||
    job.resolved.unifiedRwReporting !== "none" ||
    (direction === "read" && verify !== null) ||
    (direction === "trim" && trims !== null)
  );
}

const noStore = "there is no object store among the targets";

/** Why the jobs of a run cannot have it; null when they may. */
function absent(parsed: ParsedMetric, plan: RunPlan, stages: boolean): string | null {
  const jobs = measured(plan);
  switch (parsed.kind) {
    case "part": {
      const own = jobs.filter(({ resolved }) => {
        return resolved.name === parsed.name || resolved.opClass === parsed.name;
      });
      return own.length === 0
        ? unknownPart(parsed.name, jobs)
        : absentTime(parsed.of, own, `of ${parsed.name} `);
    }
    case "rate":
    case "latency":
      return absentTime(parsed, jobs, "");
    case "stage":
      return absentDirection(parsed.direction, jobs, "") ?? absentStage(parsed, plan, stages);
    case "share":
      return absentShare(parsed, plan, jobs);
    case "plain":
      return absentPlain(parsed.name, plan);
    case "counter":
      return absentCounter(parsed.name, plan);
  }
}

function absentPlain(name: string, { stores }: RunPlan): string | null {
  if (!ofStores.includes(name)) {
    return null;
  }
  const counter = ofOneStore[name];
  return stores.length === 0 ? noStore : counter === undefined ? null : whichStore(counter, stores);
}

/** Of several stores one must be named where their figures cannot be added up. */
function whichStore(counter: string, stores: RunPlan["stores"]): string | null {
  const [first] = stores;
  return first === undefined || stores.length === 1
    ? null
    : `it is of one store, and there are ${stores.length}; name one: counter.${counter}@${first.text}`;
}

/** Names of jobs' own counters, then those of the store and of the layers that are there. */
function absentCounter(full: string, { stores, chains }: RunPlan): string | null {
  const { counter: name, store } = splitCounter(full);
  const names = stores.map(({ text }) => text);
  if (store !== null && targetCalled(store, names) === null) {
    return stores.length === 0
      ? noStore
      : `'${store}' is none of its stores, or several; there are ${names.join(", ")}`;
  }
  if (store !== null && counterSource(name) !== "store" && counterSource(name) !== null) {
    return `${name} is no counter of a store`;
  }
  const own: readonly string[] = store === null ? jobCounters : [];
  if (own.includes(name)) {
    return null;
  }
  const source = counterSource(name);
  const layers = new Set<string>(chains.flatMap((chain) => chain.layers));
  if (source === "shape") {
    return null;
  }
  if (stores.length === 0 && layers.size === 0) {
    return `without a store or a layer there are the counters ${own.join(", ")}`;
  }
  if (source === null) {
    const near = nearestName(name, [...own, ...counterNames]);
    const hint = near === null ? "" : `; did you mean counter.${near}?`;
    return `nothing here counts that${hint}`;
  }
  if (source === "store") {
    const alone = store === null && isOfOneStore(name);
    return stores.length === 0 ? noStore : alone ? whichStore(name, stores) : null;
  }
  return layers.has(source) ? null : `there is no layer ${source} above the targets`;
}

const ofStores: readonly string[] = [
  ...["write_amplification.data", "write_amplification.deferred", "write_amplification.kv"],
  ...["write_amplification", "fragmentation", "alloc_ns.p50", "alloc_ns.p99", "cache_hit_ratio"],
  "store_memory_bytes",
];

function unknownPart(name: string, jobs: readonly PlannedJob[]): string {
  const known = [
    ...new Set(jobs.flatMap(({ resolved: { name: job, opClass } }) => [job, opClass])),
  ];
  const near = nearestName(name, known);
  return `no job and no class is called '${name}'${near === null ? "" : `, did you mean '${near}'?`}; there are ${known.join(", ")}`;
}

type Timed = Extract<ParsedMetric, { readonly kind: "rate" | "latency" }>;

function absentDirection(
  direction: Timed["direction"],
  jobs: readonly PlannedJob[],
  whose: string,
): string | null {
  const none = direction !== "all" && !jobs.some((job) => goes(job, direction));
  return none
    ? `no job ${whose}${{ read: "reads", write: "writes", trim: "trims" }[direction]}`
    : null;
}

/** fio's own times have bins, from which any percentile is told. */
const fioTimes: readonly string[] = ["clat", "lat", "slat"];

function absentTime(of: Timed, jobs: readonly PlannedJob[], whose: string): string | null {
  const without = absentDirection(of.direction, jobs, whose);
  if (without !== null || of.kind === "rate" || typeof of.statistic !== "number") {
    return without;
  }
  const listed = [
    ...new Set([100, ...standardPercentiles, ...jobs.flatMap((job) => job.resolved.percentiles)]),
  ];
  return fioTimes.includes(of.time) || listed.includes(of.statistic)
    ? null
    : `percentile ${of.statistic} is not kept; add percentile_list=${of.statistic} to the job`;
}

function absentStage(
  { stage }: Extract<ParsedMetric, { readonly kind: "stage" }>,
  { path, chains, stores }: RunPlan,
  stages: boolean,
): string | null {
  if (!stages) {
    return "stages are not taken: leave out --stages off";
  }
  if (path === "native") {
    return "the native path takes no stages; add --path engine";
  }
  if (chainLayers.includes(stage.layer)) {
    const there = chains.some(({ layers }) => layers.some((layer) => layer === stage.layer));
    return there ? null : `there is no layer ${stage.layer} above the targets`;
  }
  return stage.layer === "store" && stores.length === 0 ? noStore : null;
}

/** Shares are of the capacity, which a scheduler has; parts of what was served need two classes otherwise. */
function absentShare(
  { of, name }: Extract<ParsedMetric, { readonly kind: "share" }>,
  { chains }: RunPlan,
  jobs: readonly PlannedJob[],
): string | null {
  const classes = [...new Set(jobs.map(({ resolved }) => resolved.opClass))];
  if (!classes.some((each) => each === name)) {
    return `no job has op_class=${name}; there are ${classes.join(", ")}`;
  }
  const scheduled = chains.some(({ layers }) => layers.includes("scheduler"));
  if (scheduled || (of === "served" && classes.length > 1)) {
    return null;
  }
  return "there is no scheduler above the targets; add --set osd_op_queue=mclock_scheduler";
}

/**
 * Throws `bad-input` when a metric can be had from none of these runs. `what` is where it was named:
 * `threshold 'p99 < 2ms'`.
 */
export function checkReach(
  name: string,
  what: string,
  plans: readonly RunPlan[],
  stages: boolean,
  context: { readonly file?: string } = {},
): void {
  const parsed = parseMetric(name);
  const whys = parsed === null ? [] : plans.map((plan) => absent(parsed, plan, stages));
  const [first] = whys;
  if (typeof first === "string" && whys.every((why) => why !== null)) {
    const runs = whys.length === 1 ? "this run has" : "these runs have";
    throw new OsdynoError("bad-input", `${what}: ${runs} no ${name}: ${first}`, context);
  }
}

/** What of a command's settings decides which metrics its runs have. */
export interface ReachSettings {
  readonly thresholds: readonly Threshold[];
  /** 0 or absent: no stages are taken. */
  readonly stagesOneIn?: number | "auto";
}

/** Throws `bad-input` for a threshold on what none of these runs can have. */
export function checkThresholds(settings: ReachSettings, plans: readonly RunPlan[]): void {
  for (const { text, metric } of settings.thresholds) {
    checkReach(metric, `threshold '${text}'`, plans, (settings.stagesOneIn ?? 0) !== 0);
  }
}
