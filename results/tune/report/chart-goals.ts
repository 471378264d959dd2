/** Two things that cannot be had together: both goals with their front, or the goal beside its first limit. */
import { type Form, formWidth, ink, palette, softInk, styled } from "../../report/chart-style.ts";
import type { Chart } from "../../report/charts.ts";
import { markCode } from "../../report/mark-codes.ts";
import { formatMetric, metricHeading, metricTitle } from "../../report/units.ts";
import { parseThreshold } from "../../threshold.ts";
import { settingsText } from "../answer.ts";
import { mediansOf } from "../conclude.ts";
import { defaultId } from "../trials.ts";
import type { TuneRecord } from "../tune-record.ts";
import { winnerOf } from "../write-answer.ts";
import { figureScale } from "./figure-scale.ts";

const kinds = ["default", "tuned", "on the front", "beaten", "measured", "breaks a limit"] as const;
type Kind = (typeof kinds)[number];
const colours = [palette[1], palette[2], palette[0], "#9a9a9a", palette[0], softInk];
const marks = ["square", "diamond", "circle", "circle", "circle", "cross"];

interface Row {
  readonly x: number;
  readonly y: number;
  readonly kind: Kind;
  readonly code: string;
}

export function goalsChart(record: TuneRecord): Chart | null {
  const axes = axesOf(record);
  if (axes === null || rowsOf(record, axes).length < 2) {
    return null;
  }
  const two = record.goals.length > 1;
  const [x, y] = axes.map(metricTitle);
  return {
    name: "goals",
    title: two ? "What can be had together" : `${metricHeading(axes[1])} against ${x}`,
    caption: two
      ? `Each mark is a configuration, by the medians of its runs. On the line are those that no other one beats in ${x} and ${y} together.`
      : `Each mark is a configuration, by the medians of its runs; the dashed line is the limit.`,
    folded: null,
    spec: (form) => specOf(record, axes, form),
  };
}

/** Metrics of both axes: the second goal, or a limit, against the first goal. */
function axesOf({ goals, limits }: TuneRecord): readonly [string, string] | null {
  const [first, second] = goals;
  const limit = limits.map((text) => parseThreshold(text).metric);
  const other = second?.metric ?? limit.find((metric) => metric !== first?.metric);
  return first === undefined || other === undefined ? null : [other, first.metric];
}

function kindOf(record: TuneRecord, trial: string): Kind {
  if (trial === defaultId) {
    return "default";
  }
  if (trial === winnerOf(record)?.id) {
    return "tuned";
  }
  if (record.beliefs.find((each) => each.trial === trial)?.keeps !== true) {
    return "breaks a limit";
  }
  if (record.goals.length === 1) {
    return "measured";
  }
  return record.front.includes(trial) ? "on the front" : "beaten";
}

function rowsOf(record: TuneRecord, [across, up]: readonly [string, string]): readonly Row[] {
  return record.trials.flatMap(({ id, parameters }) => {
    const runs = record.steps.filter(({ trial }) => trial === id).map(({ figures }) => figures);
    const figures = mediansOf([across, up], runs);
    const [x = null, y = null] = [figures[across], figures[up]];
    if (x === null || y === null || x <= 0 || y <= 0) {
      return [];
    }
    const tip = `${id}: ${formatMetric(up, y)}, ${formatMetric(across, x)}; ${settingsText(parameters, record.standard)}`;
    return [{ x, y, kind: kindOf(record, id), code: markCode({ entry: -1, tip }) }];
  });
}

function axisOf(field: string, metric: string, values: readonly number[]): object {
  return {
    field,
    type: "quantitative",
    title: metricHeading(metric),
    ...figureScale(metric, values),
  };
}

function specOf(record: TuneRecord, axes: readonly [string, string], form: Form) {
  // What the eye looks for is drawn last, over the rest.
  const rows = [...rowsOf(record, axes)].sort(
    (a, b) => kinds.indexOf(b.kind) - kinds.indexOf(a.kind),
  );
  const [across, up] = axes;
  const bound = record.limits.map(parseThreshold).find(({ metric }) => metric === across)?.limit;
  const xs = [...rows.map((row) => row.x), ...(bound === undefined ? [] : [bound])];
  const x = axisOf("x", across, xs);
  const y = axisOf(
    "y",
    up,
    rows.map((row) => row.y),
  );
  const there = kinds.filter((kind) => rows.some((row) => row.kind === kind));
  const pick = <T>(list: readonly T[]) => there.map((kind) => list[kinds.indexOf(kind)]);
  const legend = { orient: "top", direction: "horizontal", title: null };
  const of = { field: "kind", type: "nominal", legend };
  const front = rows.filter(({ kind }) => kind === "on the front" || kind === "tuned");
  const layers = [
    ...(record.goals.length > 1
      ? [
          {
            data: { values: front },
            mark: { type: "line", color: ink, strokeWidth: 1, aria: false },
            encoding: { x, y, order: { field: "x" } },
          },
        ]
      : []),
    ...(bound === undefined
      ? []
      : [
          {
            data: { values: [{}] },
            mark: { type: "rule", color: softInk, strokeDash: [5, 4], aria: false },
            encoding: { x: { datum: bound, type: "quantitative" } },
          },
        ]),
    {
      data: { values: rows },
      mark: { type: "point", filled: true, size: 70, opacity: 0.95 },
      encoding: {
        x,
        y,
        color: { ...of, scale: { domain: there, range: pick(colours) } },
        shape: { ...of, scale: { domain: there, range: pick(marks) } },
        description: { field: "code", type: "nominal" },
      },
    },
  ];
  const spec = { width: formWidth[form] - 90, height: 280, layer: layers };
  return styled(spec, "Both sides of each configuration", form);
}
