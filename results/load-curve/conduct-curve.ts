/** Measures a response curve: the job as a closed loop, then as an open loop at rising rates. */
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { holdFile } from "../../engine/os/hold.ts";
import type { ParsedJobs } from "../../workloads/job/model.ts";
import { fileExists, readText } from "../files.ts";
import { metric, metricSupported } from "../metrics.ts";
import { wholeSeriesName } from "../pack/names.ts";
import { performRun, type RunEvents, type RunSettings } from "../perform.ts";
import type { RunRecord } from "../run-record.ts";
import { parseSeries } from "../series.ts";
import { medianInterval } from "../stats/order-statistics.ts";
import { makeDirectory, sweepSchemaName, writeRecord } from "../sweep/sweep-directory.ts";
import type { SweepPoint, SweepRecord } from "../sweep-record.ts";
import { keepsAll } from "../threshold.ts";
import {
  type Capacity,
  type CurvePoint,
  curveOf,
  isSaturated,
  type Load,
  type LoadCurve,
  lowestOf,
  nextRate,
} from "./curve.ts";

export interface CurveRequest {
  readonly name: string;
  readonly directory: string;
  readonly settings: RunSettings;
  readonly events: RunEvents;
  /** The job with further keys, `--KEY=VALUE`. */
  readonly parse: (keys: readonly string[]) => ParsedJobs;
  /** A rate is about to be measured. */
  readonly step: (title: string) => void;
}

export interface CurveResult {
  readonly curve: LoadCurve;
  readonly directory: string;
  /** What ended it early. */
  readonly failure: OsdynoError | null;
}

/** How long each rate is measured when the job says nothing. */
const usualRuntime = "5s";

/** Keys that make the job fit for a curve: every rate for the same time. Throws `bad-input`. */
export function curveKeys(parsed: ParsedJobs): readonly string[] {
  const [job, ...others] = parsed.jobs;
  if (job === undefined || others.length > 0) {
    const names = parsed.jobs.map(({ name }) => name).join(", ");
    throw new OsdynoError(
      "bad-input",
      `--load-curve takes one job, whose rate it sets (there are ${names}); choose with --section`,
    );
  }
  if (job.replay !== null) {
    throw new OsdynoError(
      "bad-input",
      `--load-curve: job ${job.name} replays a trace, whose rate is its own`,
    );
  }
  if (job.arrival.some((rule) => rule !== null)) {
    throw new OsdynoError(
      "bad-input",
      `--load-curve sets the rate of job ${job.name} itself; leave rate, rate_iops and arrival out`,
    );
  }
  return ["--time_based", ...(job.runtimeNs === null ? [`--runtime=${usualRuntime}`] : [])];
}

interface Mix {
  readonly read: number;
  readonly write: number;
  readonly trim: number;
}

/** How the operations of the closed loop were shared among directions. */
function mixOf(record: RunRecord): Mix {
  const { totals } = record.osdyno;
  const all = totals.all?.ios ?? 0;
  const share = (ios: number | undefined) => (all === 0 ? 0 : (ios ?? 0) / all);
  return {
    read: share(totals.read?.ios),
    write: share(totals.write?.ios),
    trim: share(totals.trim?.ios),
  };
}

/** Rates of one clone by direction, whole numbers as fio's key wants them; and what they come to. */
function ratesOf(iops: number, { read, write, trim }: Mix, clones: number) {
  const rates = [read, write, trim].map((share) =>
    share > 0 ? Math.max(1, Math.round((iops * share) / clones)) : 0,
  );
  const last = rates[2] === 0 ? rates.slice(0, 2) : rates;
  return {
    key: `--rate_iops=${last.map((rate) => (rate === 0 ? "" : rate)).join(",")}`,
    offeredIops: clones * rates.reduce((sum, rate) => sum + rate, 0),
  };
}

/** Fewer samples a third say nothing of how response times went. */
const leastInThird = 2;

/** Response times of the run's first and last third, from its `series.csv`. */
function courseOf(directory: string): Pick<Load, "earlyNs" | "lateNs" | "apartNs"> {
  const unknown = { earlyNs: null, lateNs: null, apartNs: 0 };
  // That of a packed run has the sums only; beside it is the whole one.
  const names = [wholeSeriesName, "series.csv"].map((name) => join(directory, name));
  const file = names.find((name) => fileExists(name));
  if (file === undefined) {
    return unknown;
  }
  // Directions and clones of one interval together, by what each completed.
  const slots = new Map<number, { ios: number; sum: number }>();
  for (const { timeMs, iops, responseP50Ns } of parseSeries(readText(file))) {
    if (responseP50Ns !== null && iops > 0) {
      const { ios, sum } = slots.get(timeMs) ?? { ios: 0, sum: 0 };
      slots.set(timeMs, { ios: ios + iops, sum: sum + iops * responseP50Ns });
    }
  }
  const times = [...slots.keys()].sort((a, b) => a - b);
  const [first = 0] = times;
  const third = ((times.at(-1) ?? 0) - first) / 3;
  const middleOf = (chosen: readonly number[]) =>
    chosen.length < leastInThird
      ? null
      : medianInterval(
          chosen.flatMap((time) => {
            const slot = slots.get(time);
            return slot === undefined ? [] : [slot.sum / slot.ios];
          }),
        ).median;
  const earlyNs = middleOf(times.filter((time) => time <= first + third));
  const lateNs = middleOf(times.filter((time) => time >= first + 2 * third));
  return earlyNs === null || lateNs === null
    ? unknown
    : { earlyNs, lateNs, apartNs: 2 * third * 1e6 };
}

/** What the closed loop says of the target, with the lowest rate's point if that is known. */
export function capacityOf(
  closed: RunRecord | null,
  iops: number,
  lowest: CurvePoint | undefined,
): Capacity {
  return {
    iops,
    ios: closed?.osdyno.totals.all?.ios ?? Number.POSITIVE_INFINITY,
    idleNs: lowest?.p50_ns ?? null,
  };
}

/** Figures of one rate from its run, whose directory holds the sweep's `run`. */
export function pointOf(
  record: RunRecord,
  where: { readonly id: string; readonly run: string },
  offeredIops: number,
  { directory, thresholds, capacity }: PointRules,
): CurvePoint {
  const figure = (name: string) => metric(record, name);
  const supported = (name: string) => (metricSupported(record, name) ? figure(name) : null);
  const iops = figure("iops") ?? 0;
  const ios = record.osdyno.totals.all?.ios ?? 0;
  const generators = record.jobs.map((job) => job.osdyno.generator);
  const dropped = generators.reduce((sum, one) => sum + one.dropped_arrivals, 0);
  const waiting = generators.reduce((sum, one) => sum + (one.backlog_end ?? 0), 0);
  const holds = keepsAll(record, thresholds);
  const unsent = dropped + waiting;
  const course = courseOf(join(directory, where.run));
  const load = { offeredIops, due: ios + unsent, unsent, dropped, ...course };
  return {
    ...where,
    offered_iops: offeredIops,
    iops,
    mean_ns: figure("response.mean") ?? 0,
    p50_ns: supported("response.p50"),
    p99_ns: supported("response.p99"),
    p999_ns: supported("response.p99.9"),
    max_ns: figure("response.max") ?? 0,
    due_ios: load.due,
    unsent_ios: unsent,
    early_ns: course.earlyNs,
    late_ns: course.lateNs,
    saturated: isSaturated(load, capacity),
    generator_late: generators.some(({ late, saturated }) => late || saturated),
    ...(thresholds.length === 0 || holds === null ? {} : { holds }),
  };
}

/** What a point is made by. */
export interface PointRules {
  /** The sweep's. */
  readonly directory: string;
  readonly thresholds: RunSettings["thresholds"];
  readonly capacity: Capacity;
}

class Curve {
  readonly request: CurveRequest;
  readonly points: CurvePoint[] = [];
  readonly #keys: readonly string[];
  readonly #clones: number;
  #closed: LoadCurve["closed"] = { run: "", iops: 0 };
  #files: string[] = [];
  /** Rates of clones are whole numbers: what is offered may be a little off what was asked for. */
  #askedIops = 0;

  constructor(request: CurveRequest) {
    this.request = request;
    const plain = request.parse([]);
    this.#keys = curveKeys(plain);
    this.#clones = plain.jobs[0]?.numjobs ?? 1;
  }

  async #run(id: string, keys: readonly string[]): Promise<RunRecord> {
    const { request } = this;
    const { failure, record, created } = await performRun({
      parsed: request.parse([...this.#keys, ...keys]),
      directory: join(request.directory, "points", id, "1"),
      settings: { ...request.settings, label: id, thresholds: [], report: false },
      events: request.events,
      ownFiles: this.#files,
    });
    this.#files.push(...created);
    if (failure !== null) {
      throw failure;
    }
    return record;
  }

  async measure(): Promise<void> {
    const { request, points } = this;
    const { thresholds } = request.settings;
    request.step("closed loop, for the highest rate");
    const closed = await this.#run("closed", []);
    const iops = metric(closed, "iops") ?? 0;
    if (iops < 1) {
      throw new OsdynoError("io", "--load-curve: the closed loop completed nothing");
    }
    this.#closed = { run: join("points", "closed", "1"), iops };
    const mix = mixOf(closed);
    const looked = { capacity: 0, knee: 0, thresholds: 0 };
    for (;;) {
      this.keep(null);
      const askedIops = this.#askedIops;
      const held = thresholds.length > 0;
      const state = { closedIops: iops, points, thresholds: held, looked, askedIops };
      const next = nextRate(state);
      if (next === null) {
        return;
      }
      if (next.why === "ladder") {
        this.#askedIops = next.iops;
      } else {
        looked[next.why] += 1;
      }
      const { key, offeredIops } = ratesOf(next.iops, mix, this.#clones);
      if (points.some(({ offered_iops: known }) => known === offeredIops)) {
        continue;
      }
      request.step(`${offeredIops} IOPS`);
      const id = `r${offeredIops}`;
      const record = await this.#run(id, [key, "--rate_process=poisson"]);
      const where = { id, run: join("points", id, "1") };
      const capacity = capacityOf(closed, iops, lowestOf(points));
      const { directory } = request;
      points.push(pointOf(record, where, offeredIops, { directory, thresholds, capacity }));
    }
  }

  /** `cutShort`: not all rates were measured that it takes. */
  curve(cutShort: boolean): LoadCurve {
    const texts = this.request.settings.thresholds.map(({ text }) => text);
    return curveOf(this.#closed, "poisson", this.points, texts, cutShort);
  }

  /** Writes what there is; `state` null while it goes on. */
  keep(state: { readonly failure: OsdynoError | null } | null): void {
    const { name, directory, settings } = this.request;
    const failure = state?.failure?.line ?? "not finished";
    const complete = state !== null && state.failure === null;
    const curve = this.curve(!complete);
    const points: SweepPoint[] = curve.points.map(({ id, run, offered_iops: rate }) => ({
      ...{ id, parameters: { rate_iops: String(rate) }, runs: [run] },
    }));
    const record: SweepRecord = {
      schema: sweepSchemaName,
      ...(complete
        ? ({ state: "complete" } as const)
        : ({ state: "partial", reason: failure } as const)),
      name,
      question: "How do response times rise with the load, and where is the knee?",
      command: settings.command,
      ...(settings.seed === null ? {} : { seed: settings.seed }),
      parameters: { rate_iops: points.map(({ parameters }) => parameters["rate_iops"] ?? "") },
      repeat: 1,
      preview: false,
      metrics: ["iops", "response.p50", "response.p99", "response.p99.9"],
      points,
      comparisons: [],
      load_curve: curve,
    };
    writeRecord(directory, record);
  }
}

/** Measures the curve; what ends it early leaves what was measured, and says so. */
export async function measureCurve(request: CurveRequest): Promise<CurveResult> {
  const curve = new Curve(request);
  makeDirectory(request.directory);
  const hold = holdFile(request.directory);
  let failure: OsdynoError | null = null;
  try {
    await curve.measure();
  } catch (error) {
    failure =
      error instanceof OsdynoError ? error : new OsdynoError("io", String(error), {}, error);
  }
  curve.keep({ failure });
  hold.close();
  return { curve: curve.curve(failure !== null), directory: request.directory, failure };
}
