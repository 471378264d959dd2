/** The trace of a search: every run in its order, the default's own runs, and the best so far. */
import { type Form, formWidth, ink, palette, softInk, styled } from "../../report/chart-style.ts";
import type { Chart } from "../../report/charts.ts";
import { markCode } from "../../report/mark-codes.ts";
import { formatMetric, metricHeading } from "../../report/units.ts";
import { settingsText } from "../answer.ts";
import { costOf, type Goal, median } from "../problem.ts";
import type { TuneRecord } from "../tune-record.ts";
import { figureScale } from "./figure-scale.ts";

const kinds = ["search", "repeat", "breaks a limit", "default"] as const;
const colours = [palette[0], palette[4], softInk, palette[1]];
const marks = ["circle", "diamond", "cross", "square"];

interface Row {
  readonly number: number;
  readonly figure: number;
  readonly kind: (typeof kinds)[number];
  readonly code: string;
}

export function traceChart(record: TuneRecord): Chart | null {
  const shown = record.goals.filter((goal) => rowsOf(record, goal).length > 1);
  if (shown.length === 0) {
    return null;
  }
  return {
    name: "trace",
    title: "The search, run by run",
    caption:
      "Each mark is one run. The line is the best configuration so far that keeps the limits, by the median of its " +
      "runs; the dashed one is the median of the default, which runs again now and then.",
    folded: null,
    spec: (form) => specOf(record, shown, form),
  };
}

function rowsOf(record: TuneRecord, goal: Goal): readonly Row[] {
  const keeps = new Map(record.beliefs.map(({ trial, keeps: kept }) => [trial, kept]));
  const parameters = new Map(record.trials.map((trial) => [trial.id, trial.parameters]));
  return record.steps.flatMap(({ trial, why, figures }, place) => {
    const figure = figures?.[goal.metric] ?? null;
    if (figure === null || figure <= 0) {
      return [];
    }
    const kind =
      why === "reference"
        ? "default"
        : keeps.get(trial) === false
          ? "breaks a limit"
          : why === "repeat"
            ? "repeat"
            : "search";
    const what =
      why === "reference" ? "default" : settingsText(parameters.get(trial) ?? {}, record.standard);
    const tip = `run ${place + 1}, ${trial}: ${formatMetric(goal.metric, figure)}; ${what}`;
    return [{ number: place + 1, figure, kind, code: markCode({ entry: -1, tip }) }];
  });
}

/** After each run the best median among configurations that keep the limits. */
function bestOf(record: TuneRecord, goal: Goal): readonly { number: number; figure: number }[] {
  const keeps = new Map(record.beliefs.map(({ trial, keeps: kept }) => [trial, kept]));
  const runs = new Map<string, number[]>();
  return record.steps.flatMap(({ trial, why, figures }, place) => {
    const figure = figures?.[goal.metric] ?? null;
    if (figure !== null && why !== "reference" && keeps.get(trial) === true) {
      runs.set(trial, [...(runs.get(trial) ?? []), figure]);
    }
    const medians = [...runs.values()].map(median);
    const [best] = medians.sort((a, b) => (costOf(goal, a) ?? 0) - (costOf(goal, b) ?? 0));
    return best === undefined ? [] : [{ number: place + 1, figure: best }];
  });
}

function specOf(record: TuneRecord, goals: readonly Goal[], form: Form) {
  const shown = goals.flatMap((goal) => rowsOf(record, goal)).map(({ kind }) => kind);
  const there = kinds.filter((kind) => shown.includes(kind));
  const cells = goals.map((goal) => cell(record, goal, form, there));
  return styled({ vconcat: cells }, "The search, run by run", form);
}

/** `there`: the kinds of all cells, which share one legend. */
function cell(
  record: TuneRecord,
  goal: Goal,
  form: Form,
  there: readonly (typeof kinds)[number][],
): object {
  const rows = rowsOf(record, goal);
  const standard = rows.filter(({ kind }) => kind === "default").map(({ figure }) => figure);
  const figures = rows.map(({ figure }) => figure);
  const x = {
    field: "number",
    type: "quantitative",
    title: "Run",
    scale: { domain: [0, record.steps.length + 1], nice: false },
    axis: { tickMinStep: 1, format: "d" },
  };
  const y = {
    field: "figure",
    type: "quantitative",
    title: metricHeading(goal.metric),
    ...figureScale(goal.metric, figures),
  };
  const pick = <T>(list: readonly T[]) => there.map((kind) => list[kinds.indexOf(kind)]);
  const legend = { orient: "top", direction: "horizontal", title: null };
  const of = { field: "kind", type: "nominal", legend };
  return {
    width: formWidth[form] - 90,
    height: 240,
    layer: [
      {
        data: { values: bestOf(record, goal) },
        mark: {
          type: "line",
          interpolate: "step-after",
          color: ink,
          strokeWidth: 1.5,
          aria: false,
        },
        encoding: { x, y },
      },
      ...(standard.length === 0
        ? []
        : [
            {
              data: { values: [{}] },
              mark: { type: "rule", color: palette[1], strokeDash: [5, 4], aria: false },
              encoding: { y: { datum: median(standard), type: "quantitative" } },
            },
          ]),
      {
        data: { values: rows },
        mark: { type: "point", filled: true, size: 55, opacity: 0.9 },
        encoding: {
          x,
          y,
          color: { ...of, scale: { domain: there, range: pick(colours) } },
          shape: { ...of, scale: { domain: there, range: pick(marks) } },
          description: { field: "code", type: "nominal" },
        },
      },
    ],
  };
}
