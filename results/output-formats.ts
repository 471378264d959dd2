/** `--output-format`: one or several of fio's formats, in the order in which fio prints them. */
import { OsdynoError } from "../engine/base/error.ts";
import { fioDocument } from "./fio-output.ts";
import { normalOutput } from "./normal-output.ts";
import type { RunRecord } from "./run-record.ts";
import { type TerseVersion, terseOutput, terseVersions } from "./terse-output.ts";

export const outputFormats = ["terse", "json", "json+", "normal"] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** `json,normal` and the like; `minimal` is fio's older word for `terse`. */
export function parseOutputFormats(text: string): readonly OutputFormat[] {
  const asked = new Set(
    text.split(",").map((part) => {
      const name = part.trim() === "minimal" ? "terse" : part.trim();
      const found = outputFormats.find((format) => format === name);
      if (found === undefined) {
        throw new OsdynoError(
          "bad-input",
          `--output-format ${text}: no format ${JSON.stringify(name)}; choose of normal, json, json+, terse, several with commas`,
        );
      }
      return found;
    }),
  );
  if (asked.has("json+")) {
    // The same document with more in it.
    asked.delete("json");
  }
  return outputFormats.filter((format) => asked.has(format));
}

export function parseTerseVersion(text: string): TerseVersion {
  const found = terseVersions.find((version) => String(version) === text);
  if (found === undefined) {
    throw new OsdynoError("bad-input", `--terse-version ${text}: choose 2, 3, 4 or 5`);
  }
  return found;
}

export interface RenderOptions {
  readonly formats: readonly OutputFormat[];
  readonly terseVersion: TerseVersion;
  readonly color?: boolean;
}

/**
 * Several runs: JSON is one document still, an array of fio's. `normal` is set off by an empty line
 * from what stands before it, as fio does.
 */
export function renderRuns(
  runs: readonly { readonly record: RunRecord; readonly directory?: string }[],
  options: RenderOptions,
): string {
  const parts = options.formats.map((format) => {
    if (format === "terse") {
      return runs.map(({ record }) => terseOutput(record, options.terseVersion)).join("");
    }
    if (format === "normal") {
      const color = options.color === undefined ? {} : { color: options.color };
      const text = runs
        .map(({ record, ...where }) => normalOutput(record, { ...where, ...color }))
        .join("\n");
      const ended = text.endsWith("\n") ? text : `${text}\n`;
      return options.formats.length > 1 ? `\n${ended}` : ended;
    }
    const documents = runs.map(({ record }) => fioDocument(record, format === "json+"));
    return documents.length === 1 ? (documents[0] ?? "") : `[\n${documents.join(",\n")}]\n`;
  });
  return parts.join("");
}
