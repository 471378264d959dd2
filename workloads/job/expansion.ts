/** `${NAME}` and `$pagesize`, `$mb_memory`, `$ncpus` in an option line, in fio's order. */
import { evaluate } from "./arithmetic.ts";
import type { JobEnvironment } from "./environment.ts";
import type { OptionLine } from "./lexer.ts";
import { badInput, type Notes, shown } from "./place.ts";

/** A value longer than this is no value; a variable may hold anything. */
const longestOption = 8192;

/** The line after expansion. An undefined variable gives nothing, as in fio, and a note. */
export function expand(line: OptionLine, environment: JobEnvironment, notes: Notes): string {
  const withVariables = expandVariables(line, environment, notes);
  const expanded = expandKeywords(withVariables, line, environment, notes);
  if (expanded.length > longestOption) {
    throw badInput(
      line.place,
      `the option is longer than ${longestOption} characters when expanded`,
    );
  }
  return expanded;
}

function expandVariables(line: OptionLine, environment: JobEnvironment, notes: Notes): string {
  return line.text.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
    const value = environment.variables[name];
    if (value === undefined) {
      notes.add(
        line.place,
        keyOf(line.text),
        `the environment has no variable ${shown(name)}: it reads as nothing, as in fio`,
      );
    }
    return value ?? "";
  });
}

function expandKeywords(
  text: string,
  line: OptionLine,
  environment: JobEnvironment,
  notes: Notes,
): string {
  let replaced = text;
  const keywords: readonly (readonly [string, number])[] = [
    ["$pagesize", environment.pageSizeBytes],
    ["$mb_memory", environment.memoryMib],
    ["$ncpus", environment.cpuCount],
  ];
  for (const [keyword, value] of keywords) {
    replaced = replaced.replaceAll(keyword, String(value));
  }
  const equals = replaced.indexOf("=");
  if (replaced === text || equals < 0) {
    return replaced;
  }
  // fio computes only after it replaced a keyword.
  const value = replaced.slice(equals + 1);
  const result = /[-+*/]/.test(value)
    ? evaluate(value, { unitFactor: () => null, impliedFactor: 1, wholeDivision: true })
    : null;
  if (text.includes("$mb_memory") && Number(result ?? value) > 0) {
    notes.add(
      line.place,
      keyOf(text),
      `$mb_memory is a plain number: ${shown(text)} reads ${result ?? value}, without a unit; add one if megabytes were meant`,
    );
  }
  return result === null ? replaced : `${replaced.slice(0, equals)}=${BigInt(Math.trunc(result))}`;
}

function keyOf(text: string): string {
  return (text.split("=")[0] ?? "").trim();
}
