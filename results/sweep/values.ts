/** Values of parameters as text: numbers with suffixes, ranges, and the rules that choose among points. */
import { OsdynoError } from "../../engine/base/error.ts";

const suffixes = ["", "k", "m", "g", "t"];

/** A number with fio's binary suffix (`4k`, `1.5m`, `64KiB`) or a percent sign; null for other text. */
export function numberOf(text: string): number | null {
  const match = /^([+-]?\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?|b|%)?$/i.exec(text.trim());
  if (match === null) {
    return null;
  }
  return Number(match[1]) * 1024 ** suffixes.indexOf((match[2] ?? "").toLowerCase());
}

/** `65536` as `64k`: the largest suffix that leaves a whole number. */
export function withSuffix(value: number): string {
  for (let power = suffixes.length - 1; power > 0; power -= 1) {
    const unit = 1024 ** power;
    if (value >= unit && value % unit === 0) {
      return `${value / unit}${suffixes[power]}`;
    }
  }
  return String(value);
}

export interface Range {
  readonly from: string;
  readonly to: string;
  readonly step?: string | undefined;
  readonly factor?: number | undefined;
}

/** More values than this are a typing error. */
const mostValues = 1000;

/** The values of a range, both ends included where the steps meet them. */
export function rangeValues({ from, to, step, factor }: Range): string[] {
  const [low, high] = [numberOf(from), numberOf(to)];
  const width = step === undefined ? null : numberOf(step);
  const wrong = (what: string) => new OsdynoError("bad-input", what);
  if (low === null || high === null || low > high) {
    throw wrong(`from ${from} to ${to}: two numbers are needed, the smaller one first`);
  }
  if ((step === undefined) === (factor === undefined) || (width !== null && width <= 0)) {
    throw wrong("give either step: or factor:, above 0");
  }
  if (factor !== undefined && low <= 0) {
    throw wrong(`from ${from}: a factor needs a start above 0`);
  }
  const suffixed = /[a-z]/i.test(from + to);
  const values: string[] = [];
  // The tolerance keeps the end of a range of fractions.
  for (let value = low; value <= high * (1 + 1e-9); ) {
    const plain = Number(value.toPrecision(12));
    values.push(suffixed ? withSuffix(plain) : String(plain));
    if (values.length > mostValues) {
      throw wrong(`more than ${mostValues} values`);
    }
    value = factor === undefined ? value + (width ?? 1) : value * factor;
  }
  return values;
}

/** Replaces `${name}` where the name is known; leaves others to the job file's own expansion. */
export function fillIn(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? (values[name] ?? whole) : whole,
  );
}

/** For each parameter the values that are meant, one of which holds: `16k`, `< ${bs}`, `!= none`. */
export type Rule = Readonly<Record<string, readonly string[]>>;

const orders: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

function holds(wanted: string, value: string, all: Readonly<Record<string, string>>): boolean {
  const match = /^(<=|>=|!=|<|>)\s*(.+)$/.exec(wanted);
  if (match === null) {
    return value === wanted;
  }
  const [, sign = "", text = ""] = match;
  const other = fillIn(text, all);
  if (sign === "!=") {
    return value !== other;
  }
  const [left, right] = [numberOf(value), numberOf(other)];
  return left !== null && right !== null && (orders[sign]?.(left, right) ?? false);
}

/** Whether the rule holds of these parameters: each of its names has one of the values meant. */
export function ruleHolds(rule: Rule, parameters: Readonly<Record<string, string>>): boolean {
  return Object.entries(rule).every(([name, wanted]) =>
    wanted.some((each) => holds(each, parameters[name] ?? "", parameters)),
  );
}
