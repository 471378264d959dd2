/** The answer of a sweep that asked what a burden does (`asks: effect`): no value of it is a choice. */
import { differenceText } from "../recorded-difference.ts";
import type { SweepComparison } from "../sweep-record.ts";
import {
  allUnclear,
  type ChoiceInput,
  figuresText,
  judgedOf,
  marginText,
  nameOf,
  placeOf,
  someOf,
  titleOf,
} from "./answer-choice.ts";
import { formatShort } from "./units.ts";

/** More than these are found faster in the table. */
const mostGroups = 4;

/** A sentence for each metric, in the order of the sweep file; empty when nothing was compared. */
export function effectSentences(input: ChoiceInput): readonly string[] {
  return judgedOf(input).map(({ metric, groups }) => {
    const open = groups.filter(allUnclear);
    const decided = groups.filter((group) => !open.includes(group));
    const title = titleOf(metric).replace(/^[a-z]/, (letter) => letter.toUpperCase());
    const burden = Object.keys(input.baseline ?? {}).join(", ");
    if (decided.length === 0) {
      return `${title}: no effect of ${burden} was told from chance.`;
    }
    const parts = decided.slice(0, mostGroups).map((group) => groupText(input, group));
    const left = decided.length - mostGroups;
    const places = open.map(([first]) => placeOf(input, first?.base ?? "").replace(/, $/, ""));
    const tail = [
      ...(left > 0 ? [`${left} more groups in the table`] : []),
      ...(open.length > 0 ? [`not told from chance ${someOf(places)}`] : []),
    ];
    return `${title}: ${[...parts, ...tail].join("; ")}.`;
  });
}

/** What each value of the burden did beside the baseline's, in the order of the sweep file. */
function groupText(input: ChoiceInput, group: readonly SweepComparison[]): string {
  const of = (...verdicts: readonly SweepComparison["verdict"][]) =>
    group.filter(({ verdict }) => verdicts.includes(verdict));
  const name = ({ candidate }: SweepComparison) => nameOf(input, candidate);
  const [base = ""] = group.map((each) => nameOf(input, each.base));
  const burden = Object.keys(input.baseline ?? {}).join(", ");
  const shown = of("better", "worse").map(
    (each) => `${name(each)} ${differenceText(each, formatShort)} (${figuresText(each)})`,
  );
  const same = of("same").map(name);
  const unclear = of("unclear").map(name);
  const parts = [
    ...shown,
    ...(same.length > 0 ? [`${someOf(same)} less than ${marginText(input)}`] : []),
    ...(unclear.length > 0 ? [`${someOf(unclear)} undecided`] : []),
  ];
  return `${placeOf(input, group[0]?.base ?? "")}${burden} against ${base}: ${parts.join(", ")}`;
}
