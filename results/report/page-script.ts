/** The script of the page: the modules of `page/` as one, so that the report stays a single file. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** What a module uses stands before it. */
const modules = [
  "announce",
  "format",
  "figures",
  "model",
  "frames",
  "selection",
  "marks",
  "range",
  "follow",
  "controls",
  "main",
];

let joined: string | undefined;

/** Plain JavaScript for `<script type="module">`, without comments. */
export function pageScript(): string {
  joined ??= modules.map(moduleText).join("\n");
  return joined;
}

/** Imports are dropped: in one file, everything is in reach already. */
export function moduleText(name: string): string {
  const text = readFileSync(new URL(`./page/${name}.js`, import.meta.url), "utf8");
  return text
    .replaceAll(/^import [^;]*;\n/gm, "")
    .replaceAll(/^export /gm, "")
    .replaceAll(/^ *\/\*\*[\s\S]*?\*\/\n/gm, "")
    .replaceAll(/^ *\/\/.*\n/gm, "")
    .trim();
}

/** Source expression that lets a page run this script and no other. */
export function scriptHash(script: string): string {
  return `'sha256-${createHash("sha256").update(script).digest("base64")}'`;
}
