/** `osdyno options`: every tuning parameter, by its name in Ceph. */
import Table from "cli-table3";
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { type OptionDefinition, optionLayers } from "../../engine/options/option.ts";
import { presets } from "../../engine/options/presets.ts";
import { findOption, optionTable, unknownOptionHint } from "../../engine/options/registry.ts";
import { optionValueText } from "../../engine/options/value.ts";

const changeTexts = {
  runtime: "at run time",
  startup: "at the next start",
  create: "when it is made anew",
} as const;

/** Options whose name is the pattern, matches it (`*`, `?`), or holds it. */
function matching(pattern: string | undefined): readonly OptionDefinition[] {
  if (pattern === undefined) {
    return optionTable;
  }
  const exact = findOption(pattern);
  if (exact !== undefined) {
    return [exact];
  }
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  const regular = escaped.replaceAll("*", ".*").replaceAll("?", ".");
  const expression = new RegExp(/[*?]/.test(pattern) ? `^${regular}$` : regular);
  const found = optionTable.filter(({ name }) => expression.test(name));
  if (found.length === 0) {
    throw new OsdynoError(
      "bad-input",
      `there is no option ${pattern}${unknownOptionHint(pattern)}`,
    );
  }
  return found;
}

function rangeText({ choices, min, max, step, type }: OptionDefinition): string {
  if (choices !== undefined) {
    return choices.map((choice) => (choice === "" ? '""' : choice)).join(", ");
  }
  const low = min === undefined ? "" : `from ${optionValueText(type, min)}`;
  const high = max === undefined ? "" : `to ${optionValueText(type, max)}`;
  const steps =
    step === undefined
      ? ""
      : step === "power of two"
        ? ", powers of two"
        : `, multiples of ${optionValueText(type, step)}`;
  return `${low} ${high}`.trim() + steps;
}

function defaultText(option: OptionDefinition): string {
  const { byKind, type } = option;
  return byKind === undefined
    ? optionValueText(type, option.default)
    : `${option.default} (hdd ${optionValueText(type, byKind.hdd)}, ssd ${optionValueText(type, byKind.ssd)})`;
}

function printOne(option: OptionDefinition): void {
  const rows: [string, string | undefined][] = [
    ["", option.summary],
    ["also known as", option.aliases?.join(", ")],
    ["type", option.type],
    ["default", defaultText(option)],
    ["range", rangeText(option)],
    ["changes", changeTexts[option.change]],
    ["acts on", option.obsolete === undefined ? optionLayers[option.layer] : undefined],
    ["obsolete", option.obsolete],
    ["sweep", option.sweep],
    [
      "presets",
      presets
        .filter(({ values }) => Object.keys(values).some((key) => findOption(key) === option))
        .map(({ name }) => name)
        .join(", "),
    ],
  ];
  const lines = rows
    .filter(([, text]) => text !== undefined && text !== "")
    .map(([head, text]) => `  ${head === "" ? text : `${head.padEnd(14)} ${text}`}`);
  process.stdout.write(`${option.name}\n${lines.join("\n")}\n`);
}

function printTable(options: readonly OptionDefinition[]): void {
  const table = new Table({
    head: ["option", "default", "range", "changes", "acts on"],
    style: { head: [], border: [], compact: true },
    wordWrap: true,
    colWidths: [46, 26, 34, 12, 14],
  });
  for (const option of options) {
    const layer = option.obsolete === undefined ? option.layer : "nothing (obsolete)";
    table.push([option.name, defaultText(option), rangeText(option), option.change, layer]);
  }
  process.stdout.write(`${table.toString()}\n`);
  if (options.every(({ obsolete }) => obsolete !== undefined)) {
    const reasons = [...new Set(options.map(({ obsolete }) => obsolete))];
    process.stdout.write(reasons.map((reason) => `obsolete: ${reason}\n`).join(""));
  }
}

export function optionsCommand(): Command {
  return new Command("options")
    .description("tuning parameters by their names in Ceph: type, default, range, effect")
    .argument("[name]", "a name, a part of one, or a pattern with * and ?")
    .option("--json", "one JSON document")
    .action((pattern: string | undefined, flags: { json?: boolean }) => {
      const options = matching(pattern);
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify(options, null, 2)}\n`);
      } else if (options.length === 1 && options[0] !== undefined) {
        printOne(options[0]);
      } else {
        printTable(options);
      }
    });
}
