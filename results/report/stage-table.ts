/** The stages as tables: in the page, and in Markdown. */
import { stagedTitle } from "./chart-stages.ts";
import { html, type Markup, nothing } from "./html-markup.ts";
import type { ReportModel } from "./model.ts";
import { type StageShare, stageTitle } from "./stage-entries.ts";
import { formatNs, formatShare } from "./units.ts";

const heads = ["Share", "Mean per operation", "Passed by", "p50", "p99"];

function cellsOf({ share, perOpNs, passed, p50Ns, p99Ns }: StageShare): string[] {
  const time = (ns: number | null) => (ns === null ? "-" : formatNs(ns));
  return [formatShare(share), formatNs(perOpNs), formatShare(passed), time(p50Ns), time(p99Ns)];
}

interface Block {
  readonly title: string;
  readonly rows: readonly {
    readonly title: string;
    readonly kind: string;
    readonly cells: readonly string[];
  }[];
}

function blocksOf({ stages, entries }: ReportModel): readonly Block[] {
  return stages.map(({ entry, direction, meanNs, stages: own }) => ({
    title: `${stagedTitle(entries, entry, direction)}: ${formatNs(meanNs)} of service`,
    rows: own.map((stage) => ({
      title: stageTitle(stage),
      kind: stage.kind,
      cells: cellsOf(stage),
    })),
  }));
}

/** Folded; nothing where the model has no stages. */
export function stageSection(model: ReportModel): Markup {
  const blocks = blocksOf(model);
  if (blocks.length === 0) {
    return nothing;
  }
  const bodies = blocks.map(({ title, rows }) => {
    const lines = rows.map(({ title: name, kind, cells }) => {
      const tds = cells.map((cell) => html`<td>${cell}</td>`);
      return html`<tr><th scope="row">${name}</th><td class="text">${kind}</td>${tds}</tr>`;
    });
    return html`<tbody><tr><th scope="rowgroup" colspan="${heads.length + 2}">${title}</th></tr>
${lines}
</tbody>`;
  });
  const head = heads.map((title) => html`<th scope="col">${title}</th>`);
  return html`<section aria-labelledby="stage-table"><h2 id="stage-table">Stages</h2>
<p class="note">An operation is in one stage of one layer at any time: it waits there for its turn (queued) or something is
done for it (worked). Percentiles are of the operations that passed the stage.</p>
<details><summary>All stages as a table</summary>
<div class="scroll" tabindex="0" role="group" aria-label="Table of stages, scrolls sideways"><table>
<caption class="hidden">Time of operations by layer and stage</caption>
<thead><tr><th scope="col" class="text">Stage</th><th scope="col" class="text">Kind</th>${head}</tr></thead>
${bodies}
</table></div></details></section>`;
}

/** Lines of Markdown; empty where the model has no stages. `plain` for text of users. */
export function stageMarkdown(model: ReportModel, plain: (text: string) => string): string {
  return blocksOf(model)
    .map(({ title, rows }) =>
      [
        `| ${plain(title)} | Kind | ${heads.join(" | ")} |`,
        `|:---|:---|${heads.map(() => "---:|").join("")}`,
        ...rows.map(
          ({ title: name, kind, cells }) => `| ${plain(name)} | ${kind} | ${cells.join(" | ")} |`,
        ),
      ].join("\n"),
    )
    .join("\n\n");
}
