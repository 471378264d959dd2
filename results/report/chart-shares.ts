/** The share of each class of operations over time, against reservation and limit. */
import { type Form, formWidth, keyOf, styled, topLegend } from "./chart-style.ts";
import type { Chart } from "./charts.ts";
import type { ReportModel } from "./model.ts";

/** Null when no run had several classes. */
export function shareChart({ shares, kind }: ReportModel): Chart | null {
  if (shares.length === 0) {
    return null;
  }
  const small = kind === "sweep" && shares.length > 1;
  const name = (text: string) => text.replace("_", " ");
  const lines = shares.flatMap(({ point, classes }) =>
    classes.flatMap((each) =>
      each.rows.map(({ ms, share }) => ({
        point,
        class: name(each.name),
        seconds: ms / 1000,
        share,
      })),
    ),
  );
  const rules = shares.flatMap(({ point, classes }) =>
    classes.flatMap((each) =>
      (["reservation", "limit"] as const).flatMap((kindOf) => {
        const value = each[kindOf];
        return value === null
          ? []
          : [{ point, class: name(each.name), rule: kindOf, share: value }];
      }),
    ),
  );
  const ruled = rules.length > 0;
  const units = new Set(shares.map(({ ofCapacity }) => ofCapacity));
  const what = units.size > 1 ? null : units.has(true) ? "the capacity" : "what was served";
  return {
    name: "shares",
    title: "Share of each class",
    caption:
      captions[what ?? "both"] +
      (ruled ? " Dashed what is reserved for a class, dotted its limit." : "") +
      (small ? " The first repeat of each point." : ""),
    folded: null,
    spec: (form) => spec(lines, rules, form, small, what),
  };
}

const ofCapacity =
  "What each class had in an interval, as a part of the capacity that was stated or measured, in the cost that mClock counts; above 100% together the target does more than that.";
const ofServed = "Part of all operations that were served which each class had in an interval.";
const captions = {
  "the capacity": ofCapacity,
  "what was served": ofServed,
  both: `${ofCapacity} Where no capacity is known: part of all operations that were served.`,
};

function spec(
  lines: readonly object[],
  rules: readonly object[],
  form: Form,
  small: boolean,
  what: string | null,
) {
  const classes = [...new Set(lines.map((line) => (line as { class: string }).class))];
  const key = keyOf(classes);
  const colour = {
    field: "class",
    type: "nominal",
    scale: { domain: key.domain, range: key.colours },
    legend: topLegend(key.domain, form, true),
  };
  const y = {
    field: "share",
    type: "quantitative",
    title: what === null ? "Share" : `Share of ${what}`,
    scale: { domain: [0, Math.max(1, ...lines.map((line) => (line as { share: number }).share))] },
    axis: { format: ".0%" },
  };
  const columns = form === "wide" ? 3 : 1;
  const width = small ? formWidth[form] / columns - 60 : formWidth[form] - 60;
  const layers = {
    width,
    height: small ? 110 : 220,
    layer: [
      {
        transform: [{ filter: "!isValid(datum.rule)" }],
        mark: { type: "line", strokeWidth: 2 },
        encoding: {
          x: {
            field: "seconds",
            type: "quantitative",
            title: "Time since the run's start (s)",
            scale: { nice: false },
            axis: { tickCount: form === "phone" ? 4 : 8 },
          },
          y,
          color: colour,
        },
      },
      {
        transform: [{ filter: "isValid(datum.rule)" }],
        mark: { type: "rule", strokeWidth: 1.5 },
        encoding: {
          y,
          color: colour,
          strokeDash: {
            field: "rule",
            type: "nominal",
            scale: {
              domain: ["reservation", "limit"],
              range: [
                [6, 4],
                [2, 3],
              ],
            },
            legend: null,
          },
        },
      },
    ],
  };
  const data = { values: [...lines, ...rules] };
  const facet = { field: "point", type: "nominal", title: null, sort: null };
  const whole = small ? { data, facet, columns, spec: layers } : { data, ...layers };
  return styled(whole, "share of each class of operations over time", form);
}
