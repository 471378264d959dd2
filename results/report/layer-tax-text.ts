/** The tax of layers in words and tables: in the page, and in Markdown. */
import { type LayerTax, type TaxFigure, taxPercentiles } from "../sweep/layer-tax.ts";
import { html, type Markup, nothing, unbroken } from "./html-markup.ts";
import type { ReportModel } from "./model.ts";
import { formatCount, formatNs } from "./units.ts";

/** Points of one stack, the lowest first. */
export interface TaxStack {
  readonly title: string;
  readonly rows: readonly LayerTax[];
}

/** Stacks by what their points have in common. Points below several others stand in each of their stacks. */
export function stacksOf(taxes: readonly LayerTax[]): readonly TaxStack[] {
  const titleOf = ({ parameters, direction }: LayerTax) =>
    [
      ...Object.entries(parameters).flatMap(([name, value]) =>
        value === "-" ? [] : [`${name}=${value}`],
      ),
      `${direction}s`,
    ].join(", ");
  const titles = [...new Set(taxes.map(titleOf))];
  return titles.flatMap((title) => {
    const rows = taxes
      .filter((tax) => titleOf(tax) === title)
      .sort((a, b) => a.layers.length - b.layers.length);
    return rows.length < 2 ? [] : [{ title, rows }];
  });
}

/** `raw`, `+ store`, `+ writelog`. */
export function addedTitle({ below, layers, added }: LayerTax): string {
  if (below === null) {
    return layers.length === 0 ? "raw" : layers.join(" + ");
  }
  return `+ ${added.join(" + ")}`;
}

/** `+12.3 us`, `-1.00 ms`. */
export function signedNs(ns: number): string {
  return `${ns < 0 ? "-" : "+"}${formatNs(Math.abs(ns))}`;
}

function figureText(figure: TaxFigure | undefined, show: (value: number) => string): string {
  if (figure === undefined) {
    return "-";
  }
  const { median, low, high } = figure;
  return low === null || high === null
    ? show(median)
    : `${show(median)} [${show(low)}, ${show(high)}]`;
}

const heads = [
  ...taxPercentiles.map((percentile) => `Response ${percentile}`),
  "IOPS",
  "IOPS kept",
  "CPU per I/O",
  "Bytes written per byte",
];

const percent = (ratio: number) => `${(100 * ratio).toFixed(1)}%`;
const signedUs = (us: number) => signedNs(us * 1000);
const plainUs = (us: number) => formatNs(us * 1000);
const perByte = (ratio: number) => ratio.toFixed(2);

function cellsOf(tax: LayerTax): string[] {
  const lowest = tax.below === null;
  return [
    ...taxPercentiles.map((percentile) =>
      lowest
        ? figureText(tax.response_ns[percentile], formatNs)
        : figureText(tax.added_ns?.[percentile], signedNs),
    ),
    figureText(tax.iops, formatCount),
    figureText(tax.iops_kept, percent),
    lowest ? figureText(tax.cpu_us, plainUs) : figureText(tax.added_cpu_us, signedUs),
    (tax.bytes_per_byte ?? [])
      .map((figure) => `${figure.into} ${figureText(figure, perByte)}`)
      .join("; ") || "-",
  ];
}

/** Nothing where no sweep measured a stack. */
export function layerTaxSection({ layerTax }: ReportModel): Markup {
  const stacks = stacksOf(layerTax);
  if (stacks.length === 0) {
    return nothing;
  }
  const bodies = stacks.map(({ title, rows }) => {
    const lines = rows.map((tax) => {
      const tds = cellsOf(tax).map((cell) => html`<td>${unbroken(cell)}</td>`);
      return html`<tr><th scope="row">${addedTitle(tax)}</th>${tds}</tr>`;
    });
    return html`<tbody><tr><th scope="rowgroup" colspan="${heads.length + 1}">${title}</th></tr>
${lines}
</tbody>`;
  });
  const head = heads.map((title) => html`<th scope="col">${title}</th>`);
  return html`<section aria-labelledby="layer-tax-table"><h2 id="layer-tax-table">Layer tax</h2>
<p class="note">The lowest line of each stack has its own figures; of the others times and CPU are what is added to the line
below, IOPS kept what is left of its IOPS. Brackets are 95% intervals over pairs of runs. Bytes are those that each part
was given to write for each byte that the jobs wrote.</p>
<div class="scroll" tabindex="0" role="group" aria-label="Table of the layer tax, scrolls sideways"><table class="long">
<caption class="hidden">What each layer adds to the one below</caption>
<thead><tr><th scope="col" class="text">Layers</th>${head}</tr></thead>
${bodies}
</table></div></section>`;
}

/** Markdown with its heading; empty where no sweep measured a stack. `plain`: for text of users. */
export function layerTaxMarkdown(
  { layerTax }: ReportModel,
  plain: (text: string) => string,
): string {
  const tables = stacksOf(layerTax).map(({ title, rows }) =>
    [
      `| ${plain(title)} | ${heads.join(" | ")} |`,
      `|:---|${heads.map(() => "---:|").join("")}`,
      ...rows.map(
        (tax) => `| ${plain(addedTitle(tax))} | ${cellsOf(tax).map(plain).join(" | ")} |`,
      ),
    ].join("\n"),
  );
  return tables.length === 0 ? "" : ["## Layer tax", ...tables].join("\n\n");
}
