/** What a sweep knows while it goes on: figures by point and block, and the table of the moment. */
import Table from "cli-table3";
import { nearestName } from "../../engine/base/nearest-name.ts";
import { formatMetric, metric, metricFacts, metricSupported } from "../metrics.ts";
import { floorOf, isOf, type NoiseRecord, noiseWarning } from "../noise-record.ts";
import { differenceText, intervalText } from "../recorded-difference.ts";
import type { RunRecord } from "../run-record.ts";
import { lookAt } from "../stats/looks.ts";
import { medianInterval } from "../stats/order-statistics.ts";
import type { SweepComparison, SweepRequirement } from "../sweep-record.ts";
import { type JudgeInput, judge, relativeWidth } from "./judge.ts";
import { judgeSteps } from "./judge-steps.ts";
import { type LayerTax, LayerTaxes } from "./layer-tax.ts";
import type { Point } from "./points.ts";
import { judgeRequirements } from "./require.ts";
import type { SweepSpec } from "./spec.ts";
import { levelAt, looksOf } from "./stop.ts";

/** Metrics that the table has room for. */
const mostShown = 3;
/** Points that it has room for; of more the best are shown. */
const mostRows = 24;

export class Standing {
  readonly #spec: SweepSpec;
  readonly #points: readonly Point[];
  readonly #preview: boolean;
  readonly #noise: NoiseRecord | null;
  /** Jobs of points that were run where the noise was measured. */
  readonly #jobs = new Map<string, string>();
  /** By point and metric: figures by block, null without one. */
  readonly #figures = new Map<string, (number | null)[]>();
  readonly #taxes: LayerTaxes;
  /** Percentiles that some run had too few operations for, which the table says. */
  readonly #tooFew = new Set<string>();
  /** Names of all that the runs counted. */
  readonly #counters = new Set<string>();
  /** Blocks that were begun. */
  #blocks = 0;

  constructor(
    spec: SweepSpec,
    points: readonly Point[],
    preview: boolean,
    noise: NoiseRecord | null = null,
  ) {
    this.#noise = noise;
    this.#spec = spec;
    this.#points = points;
    this.#preview = preview;
    this.#taxes = new LayerTaxes(points);
  }

  add(point: Point, block: number, record: RunRecord): void {
    this.#blocks = Math.max(this.#blocks, block + 1);
    if (this.#spec.targets.length > 1) {
      this.#taxes.add(point, block, record);
    }
    if (this.#noise !== null && isOf(this.#noise, record)) {
      this.#jobs.set(point.id, record.job.text);
    }
    for (const counter of record.jobs.flatMap((job) => Object.keys(job.osdyno.counters ?? {}))) {
      this.#counters.add(counter);
    }
    for (const name of this.#wanted()) {
      const key = `${point.id}|${name}`;
      const figures = this.#figures.get(key) ?? [];
      const supported = metricSupported(record, name);
      figures[block] = supported ? metric(record, name) : null;
      if (!supported) {
        this.#tooFew.add(name);
      }
      this.#figures.set(key, figures);
    }
  }

  #wanted(): ReadonlySet<string> {
    const required = this.#spec.require.map(({ threshold }) => threshold.metric);
    return new Set([...this.#spec.metrics, ...required]);
  }

  /** Metrics that no run has, one line each; none before the first run. */
  notes(): string[] {
    const measured = (name: string) =>
      this.#tooFew.has(name) ||
      this.#points.some(({ id }) => this.figures(id, name).some((figure) => figure !== null));
    return this.#blocks === 0
      ? []
      : [...this.#wanted()].filter((name) => !measured(name)).map((name) => this.#absent(name));
  }

  #absent(name: string): string {
    const counter = name.startsWith("counter.") ? name.slice("counter.".length) : null;
    if (counter === null || this.#counters.has(counter)) {
      return `metric ${name}: no run measured it`;
    }
    const guess = nearestName(counter, this.#counters);
    const hint = guess === null ? "" : `; the nearest is counter.${guess}`;
    return `metric ${name}: no run has such a counter${hint}`;
  }

  readonly figures = (point: string, name: string): readonly (number | null)[] =>
    Array.from(this.#figures.get(`${point}|${name}`) ?? [], (value) => value ?? null);

  comparisons(): SweepComparison[] {
    const { baseline } = this.#spec;
    return this.#preview
      ? []
      : judge({ ...this.#judged(), baseline }).map((each) => this.#withNoise(each));
  }

  /** Each value of a parameter against the one before it; none unless the sweep file asks for it. */
  steps(): SweepComparison[] {
    const { steps: along, axes } = this.#spec;
    if (this.#preview || along === undefined) {
      return [];
    }
    const values = axes.flatMap((axis) => axis.values.map(({ parameters }) => parameters[along]));
    const known = [...new Set(values)].filter((value) => value !== undefined);
    return judgeSteps({ ...this.#judged(), along, values: known }).map((each) =>
      this.#withNoise(each),
    );
  }

  #judged(): Omit<JudgeInput, "baseline"> {
    const { metrics, minEffect: margin } = this.#spec;
    const confidence = 1 - levelAt(looksOf(this.#spec), this.#blocks);
    return { points: this.#points, metrics, figures: this.figures, confidence, margin };
  }

  /** Of what is called better or worse although equal runs differ as much, the reason says so. */
  #withNoise(comparison: SweepComparison): SweepComparison {
    const { metric: name, base, candidate, ratio, verdict, reason } = comparison;
    const job = this.#jobs.get(base);
    if (
      this.#noise === null ||
      job === undefined ||
      !(verdict === "better" || verdict === "worse")
    ) {
      return comparison;
    }
    const runs = this.figures(candidate, name).filter((figure) => figure !== null).length;
    const floor = floorOf(this.#noise, name, job);
    const warning = ratio === null ? null : noiseWarning(floor, ratio, runs);
    return warning === null
      ? comparison
      : { ...comparison, reason: `${reason}; but ${warning}`, below_noise: true };
  }

  /** Whether a stop rule is satisfied after so many blocks; only ever at a look. */
  enough(blocks: number): boolean {
    const { until } = this.#spec;
    if (until === null || lookAt(looksOf(this.#spec), blocks) === null) {
      return false;
    }
    const { within, decided } = until;
    const asked = within !== null || decided;
    return asked && (within === null || this.#precise(within)) && (!decided || this.#decided());
  }

  /** Of a preview nothing is judged. */
  requirements(): SweepRequirement[] {
    return this.#preview ? [] : judgeRequirements(this.#spec.require, this.#points, this.figures);
  }

  /** What each layer costs over the one below; only of a sweep over several targets. */
  layerTaxes(): LayerTax[] {
    return this.#preview ? [] : this.#taxes.rows();
  }

  /** Whether the first metric's median is known well enough at every point. */
  #precise(within: number): boolean {
    const [name = ""] = this.#spec.metrics;
    return this.#points.every((point) => {
      const width = relativeWidth(this.figures(point.id, name));
      return width !== null && width <= within;
    });
  }

  #decided(): boolean {
    const [name = ""] = this.#spec.metrics;
    const own = this.comparisons().filter(({ metric: each }) => each === name);
    return own.length > 0 && own.every(({ verdict }) => verdict !== "unclear");
  }

  /** The points with the medians so far, the best of the first metric on top, and the verdicts. */
  text(): string {
    const names = this.#spec.metrics.slice(0, mostShown);
    const [first = ""] = names;
    const values = (point: Point, name: string) =>
      this.figures(point.id, name).filter((value) => value !== null);
    const middle = (point: Point) => medianInterval(values(point, first)).median;
    const sign = metricFacts(first)?.better === "higher" ? -1 : 1;
    const measured = this.#points
      .filter((point) => values(point, first).length > 0)
      .sort((a, b) => sign * (middle(a) - middle(b)));
    const verdicts = new Map(
      this.comparisons()
        .filter((each) => each.metric === first)
        .map((each) => [each.candidate, each]),
    );
    const table = new Table({
      head: ["", "runs", ...names.map((name) => metricFacts(name)?.label ?? name), ""],
      style: { head: [], border: [], compact: true },
      colAligns: ["left", "right", ...names.map(() => "right" as const), "left"],
    });
    for (const point of measured.slice(0, mostRows)) {
      const figures = names.map((name) => {
        const own = values(point, name);
        return own.length === 0 ? "-" : formatMetric(name, medianInterval(own).median);
      });
      const label = Object.values(point.parameters).join(", ") || point.id;
      const runs = String(values(point, first).length);
      table.push([label, runs, ...figures, verdictText(verdicts.get(point.id), Number(runs))]);
    }
    const left = measured.length - mostRows;
    return `${table.toString()}${left > 0 ? `\n... and ${left} more` : ""}`;
  }
}

function verdictText(comparison: SweepComparison | undefined, runs: number): string {
  if (comparison === undefined) {
    return "";
  }
  const { verdict, runs_needed: needed } = comparison;
  const interval = intervalText(comparison);
  const range = interval === null ? "" : ` [${interval}]`;
  const more = needed === null ? "" : `; needs about ${Math.max(1, needed - runs)} more runs`;
  return `${verdict}: ${differenceText(comparison)}${range}${more}`;
}
