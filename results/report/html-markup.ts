/** Markup in which every value is escaped unless it is markup itself. */

export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Part = string | number | Markup | readonly Markup[];

/** Template whose values are escaped unless they are markup themselves. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Markup {
  let text = strings[0] ?? "";
  values.forEach((value, index) => {
    text += markupOf(value) + (strings[index + 1] ?? "");
  });
  return new Markup(text);
}

function markupOf(value: Part): string {
  if (value instanceof Markup) {
    return value.text;
  }
  return typeof value === "object" ? value.map((one) => one.text).join("\n") : escapeHtml(value);
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const characters = Object.fromEntries(Object.entries(entities).map(([char, name]) => [name, char]));

export function escapeHtml(value: string | number): string {
  return String(value).replace(/[&<>"']/g, (char) => entities[char] ?? char);
}

/** What `escapeHtml` was given. */
export function unescapeHtml(text: string): string {
  return text.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, (name) => characters[name] ?? name);
}

/** A figure, its unit and the `to` behind it stay on one line where the text around them is broken. */
export function unbroken(text: string): string {
  return text.replaceAll(/(?<=\d) (?=[A-Za-z\u00b5])| (?=to )/g, "\u00a0");
}

export const nothing = new Markup("");

/** A whole document that fetches nothing, whatever a name in the results contains. */
export function pageOf(page: {
  readonly title: string;
  readonly style: string;
  readonly script: string;
  /** Source expression of the script. */
  readonly scriptSource: string;
  readonly body: readonly Markup[];
}): string {
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src ${page.scriptSource}; img-src data:; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="color-scheme" content="light dark">
<title>${page.title}</title>
<style>${new Markup(page.style)}</style>
</head>
<body>
${page.body}
<script type="module">${new Markup(page.script)}</script>
</body>
</html>
`.text;
}
