/** The answer of a sweep over layers: what each adds to the one below, stack by stack. */
import type { LayerTax, TaxFigure } from "../sweep/layer-tax.ts";
import { addedTitle, signedNs, stacksOf, type TaxStack } from "./layer-tax-text.ts";
import { formatCount, formatNs } from "./units.ts";

/** More than these are found faster in the table. */
const mostStacks = 4;

/** A sentence a stack; empty where nothing lies on anything. */
export function layerSentences(taxes: readonly LayerTax[]): readonly string[] {
  const stacks = stacksOf(taxes);
  const left = stacks.length - mostStacks;
  const more = left > 0 ? [`${left} more stacks are in the table of the layer tax.`] : [];
  return [...stacks.slice(0, mostStacks).map(stackSentence), ...more];
}

function stackSentence({ title, rows }: TaxStack): string {
  const [lowest, ...above] = rows;
  const base = lowest === undefined ? "" : baseText(lowest);
  return `With ${title}: ${[base, ...above.map(layerText)].join("; ")}.`;
}

function baseText(tax: LayerTax): string {
  const p50 = tax.response_ns.p50;
  const time = p50 === undefined ? "" : `response p50 ${formatNs(p50.median)}, `;
  return `${addedTitle(tax)}: ${time}${formatCount(tax.iops.median)} IOPS`;
}

/** What is certain is said as a fact; where the interval reaches over no change, it is called undecided. */
function layerText(tax: LayerTax): string {
  const time = tax.added_ns?.p50;
  const kept = tax.iops_kept;
  const parts = [
    ...(time === undefined ? [] : [`p50 ${changeOf(time, 0, signedNs)}`]),
    ...(kept === undefined ? [] : [`IOPS kept ${changeOf(kept, 1, percent)}`]),
  ];
  return `${addedTitle(tax)} ${parts.join(", ")}`;
}

function changeOf(figure: TaxFigure, none: number, show: (value: number) => string): string {
  const { median, low, high } = figure;
  if (low === null || high === null) {
    return `${show(median)} (too few runs for an interval)`;
  }
  const decided = low > none || high < none;
  return `${show(median)} (${show(low)} to ${show(high)}${decided ? "" : ", undecided"})`;
}

function percent(ratio: number): string {
  return `${(100 * ratio).toFixed(1)}%`;
}
