/** The named font of charts: its files, and text widths taken from it so that Node lays out like a browser. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const folder = join(
  dirname(createRequire(import.meta.url).resolve("dejavu-fonts-ttf/package.json")),
  "ttf",
);

/** Font files for renderers that must not look for fonts of the machine. */
export const fontFiles: readonly string[] = [
  join(folder, "DejaVuSans.ttf"),
  join(folder, "DejaVuSans-Bold.ttf"),
];

/** Verdana has nearly the same widths and stands in where DejaVu is not installed. */
export const fontFamily = "DejaVu Sans, Verdana, sans-serif";

interface Advances {
  readonly unitsPerEm: number;
  readonly widthOf: (code: number) => number;
}

/** Width of a text in pixels. */
export function textWidth(text: string, sizePx: number, bold: boolean): number {
  const font = bold ? boldFont() : plainFont();
  let units = 0;
  for (const char of text) {
    units += font.widthOf(char.codePointAt(0) ?? 0);
  }
  return (units * sizePx) / font.unitsPerEm;
}

const plainFont = once(() => readAdvances(fontFiles[0] ?? ""));
const boldFont = once(() => readAdvances(fontFiles[1] ?? ""));

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Reads the tables head, hhea, hmtx and cmap (format 4) of a TrueType file. */
function readAdvances(file: string): Advances {
  const data = readFileSync(file);
  const tables = new Map<string, number>();
  for (let i = 0; i < data.readUInt16BE(4); i += 1) {
    const at = 12 + i * 16;
    tables.set(data.toString("latin1", at, at + 4), data.readUInt32BE(at + 8));
  }
  const start = (name: string) => tables.get(name) ?? 0;
  const metricCount = data.readUInt16BE(start("hhea") + 34);
  const glyphOf = readCmap(data, start("cmap"));
  return {
    unitsPerEm: data.readUInt16BE(start("head") + 18),
    widthOf: (code) => {
      const glyph = Math.min(glyphOf(code), metricCount - 1);
      return data.readUInt16BE(start("hmtx") + glyph * 4);
    },
  };
}

function readCmap(data: Buffer, cmap: number): (code: number) => number {
  const count = data.readUInt16BE(cmap + 2);
  for (let i = 0; i < count; i += 1) {
    const at = cmap + data.readUInt32BE(cmap + 4 + i * 8 + 4);
    if (data.readUInt16BE(at) === 4) {
      return (code) => lookUp(data, at, code);
    }
  }
  return () => 0;
}

function lookUp(data: Buffer, table: number, code: number): number {
  const doubled = data.readUInt16BE(table + 6);
  for (let offset = 0; offset < doubled; offset += 2) {
    const end = data.readUInt16BE(table + 14 + offset);
    if (code > end) {
      continue;
    }
    const begin = data.readUInt16BE(table + 16 + doubled + offset);
    if (code < begin) {
      return 0;
    }
    const delta = data.readUInt16BE(table + 16 + 2 * doubled + offset);
    const rangeAt = table + 16 + 3 * doubled + offset;
    const range = data.readUInt16BE(rangeAt);
    if (range === 0) {
      return (code + delta) & 0xffff;
    }
    const glyph = data.readUInt16BE(rangeAt + range + 2 * (code - begin));
    return glyph === 0 ? 0 : (glyph + delta) & 0xffff;
  }
  return 0;
}
