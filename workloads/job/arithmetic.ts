/**
 * Arithmetic in values: `(expr)` with units, and what fio hands to `bc` after it replaced `$ncpus` and
 * the like. Operators `+ - * / % ^`, parentheses; `^` binds tightest and to the right.
 */

/** Units of the numbers inside: the factor for a suffix, or `null` for a suffix that has none. */
export type UnitFactor = (suffix: string) => number | null;

export interface ArithmeticRules {
  readonly unitFactor: UnitFactor;
  /** Factor of the whole when no number in it had a unit. */
  readonly impliedFactor: number;
  /** Every division gives a whole number, as in `bc`. */
  readonly wholeDivision: boolean;
}

/** Deeper nesting is nonsense and would only cost stack. */
const deepest = 64;

type Token =
  | { readonly kind: "number"; readonly value: number; readonly unit: string }
  | { readonly kind: "operator"; readonly text: string };

/** The value, or `null` when the text is no expression or its value is beyond exact whole numbers. */
export function evaluate(text: string, rules: ArithmeticRules): number | null {
  const tokens = tokenize(text);
  if (tokens === null) {
    return null;
  }
  const evaluation = new Evaluation(tokens, rules);
  const value = evaluation.whole();
  return value === null || !(Math.abs(value) <= Number.MAX_SAFE_INTEGER) ? null : value;
}

function tokenize(text: string): Token[] | null {
  const tokens: Token[] = [];
  const pattern = /\s*(?:(0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?)([A-Za-z]*)|([-+*/%^()]))/y;
  const end = text.trimEnd().length;
  let at = 0;
  while (at < end) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) {
      return null;
    }
    at = pattern.lastIndex;
    const [, number, unit = "", operator] = match;
    if (number !== undefined) {
      tokens.push({ kind: "number", value: Number(number), unit });
    } else if (operator !== undefined) {
      tokens.push({ kind: "operator", text: operator });
    }
  }
  return tokens.length === 0 ? null : tokens;
}

class Evaluation {
  readonly #tokens: readonly Token[];
  readonly #rules: ArithmeticRules;
  #at = 0;
  #depth = 0;
  #sawUnit = false;

  constructor(tokens: readonly Token[], rules: ArithmeticRules) {
    this.#tokens = tokens;
    this.#rules = rules;
  }

  whole(): number | null {
    const value = this.#sum();
    if (value === null || this.#at !== this.#tokens.length) {
      return null;
    }
    return this.#sawUnit ? value : value * this.#rules.impliedFactor;
  }

  #sum(): number | null {
    let left = this.#product();
    for (;;) {
      const operator = this.#take("+", "-");
      if (left === null || operator === null) {
        return left;
      }
      const right = this.#product();
      left = right === null ? null : operator === "+" ? left + right : left - right;
    }
  }

  #product(): number | null {
    let left = this.#power();
    for (;;) {
      const operator = this.#take("*", "/", "%");
      if (left === null || operator === null) {
        return left;
      }
      const right = this.#power();
      if (right === null || (operator !== "*" && right === 0)) {
        return null;
      }
      left = operator === "*" ? left * right : this.#divide(left, right, operator);
    }
  }

  #divide(left: number, right: number, operator: string): number {
    if (operator === "%") {
      return Math.trunc(left) % Math.trunc(right);
    }
    return this.#rules.wholeDivision ? Math.trunc(left / right) : left / right;
  }

  #power(): number | null {
    const base = this.#unary();
    if (base === null || this.#take("^") === null) {
      return base;
    }
    this.#depth++;
    const exponent = this.#depth > deepest ? null : this.#power();
    this.#depth--;
    return exponent === null ? null : base ** exponent;
  }

  #unary(): number | null {
    let sign = 1;
    for (let operator = this.#take("+", "-"); operator !== null; ) {
      sign = operator === "-" ? -sign : sign;
      operator = this.#take("+", "-");
    }
    const value = this.#atom();
    return value === null ? null : sign * value;
  }

  #atom(): number | null {
    const token = this.#tokens[this.#at];
    if (token?.kind === "number") {
      this.#at++;
      return this.#withUnit(token.value, token.unit);
    }
    if (this.#take("(") === null) {
      return null;
    }
    this.#depth++;
    const value = this.#depth > deepest ? null : this.#sum();
    this.#depth--;
    return this.#take(")") === null ? null : value;
  }

  #withUnit(value: number, unit: string): number | null {
    if (unit === "") {
      return value;
    }
    this.#sawUnit = true;
    const factor = this.#rules.unitFactor(unit);
    return factor === null ? null : value * factor;
  }

  #take(...operators: readonly string[]): string | null {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "operator" || !operators.includes(token.text)) {
      return null;
    }
    this.#at++;
    return token.text;
  }
}
