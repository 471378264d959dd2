/** Response times of the points compared, quantile by quantile, as folded tables. */
import type { DistributionComparison } from "../compare/distributions.ts";
import { html, type Markup, nothing } from "./html-markup.ts";
import { formatNs } from "./units.ts";

/** Half a day's reading helps nobody: of more comparisons those that differ most are shown. */
const mostTables = 24;

const signed = (ratio: number) => `${ratio < 1 ? "" : "+"}${(100 * (ratio - 1)).toFixed(1)}%`;

/** By which the quantiles of a comparison differ at most. */
function largest({ quantiles }: DistributionComparison): number {
  return Math.max(0, ...quantiles.map(({ ratio }) => Math.abs(Math.log(ratio))));
}

/** The comparisons that are shown, in the order of the sweep. */
export function shownDistributions(
  all: readonly DistributionComparison[],
): readonly DistributionComparison[] {
  const most = [...all].sort((a, b) => largest(b) - largest(a)).slice(0, mostTables);
  return all.filter((each) => each.quantiles.length > 0 && most.includes(each));
}

export function distributionTitle(comparison: DistributionComparison): string {
  const { direction, base, candidate, p } = comparison;
  const chance = p === null ? "" : `, p of one distribution ${p.toPrecision(2)}`;
  return `${candidate} against ${base}: ${direction}s${chance}`;
}

/** Cells of each quantile: percentile, base, candidate, difference, interval. */
export function quantileRows({
  quantiles,
}: DistributionComparison): readonly (readonly string[])[] {
  return quantiles.map(
    ({ percentile, base_ns: base, candidate_ns: candidate, ratio, low, high }) => [
      `p${percentile}`,
      formatNs(base),
      formatNs(candidate),
      signed(ratio),
      low === null || high === null ? "-" : `${signed(low)} to ${signed(high)}`,
    ],
  );
}

export const quantileHeads = ["Base", "Candidate", "Difference", "Interval"] as const;

export function quantileNote(all: number, shown: number): string {
  const left = all > shown ? ` ${all - shown} comparisons that differ less are in sweep.json.` : "";
  return (
    "Quantiles of all operations of a point together; the 95% intervals are over its runs. Percentiles with " +
    `fewer than 10 samples beyond them are left out.${left}`
  );
}

export function quantileTables(all: readonly DistributionComparison[]): Markup {
  const shown = shownDistributions(all);
  if (shown.length === 0) {
    return nothing;
  }
  const tables = shown.map((each) => {
    const rows = quantileRows(each).map(([name = "", ...cells]) => {
      return html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>
`;
    });
    const title = distributionTitle(each);
    const head = quantileHeads.map((one) => html`<th scope="col">${one}</th>`);
    return html`<details><summary>${title}</summary>
<div class="scroll" tabindex="0" role="group" aria-label="Quantiles of ${title}, scrolls sideways"><table>
<caption class="hidden">${title}</caption>
<thead><tr><th scope="col" class="text">Response time</th>${head}</tr></thead>
<tbody>
${rows}</tbody></table></div></details>
`;
  });
  return html`<section aria-labelledby="quantiles"><h2 id="quantiles">Response times as distributions</h2>
<p class="note">${quantileNote(all.length, shown.length)}</p>
${tables}</section>`;
}
