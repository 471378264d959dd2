/**
 * Where results go beside the run directory: stdout, `--output FILE`, `--live FILE|-`. Checked before
 * anything runs: a mistyped folder must not cost an hour of measuring.
 */
import { accessSync, constants, realpathSync, statSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import {
  type OutputFormat,
  parseOutputFormats,
  parseTerseVersion,
} from "../results/output-formats.ts";
import type { TerseVersion } from "../results/terse-output.ts";
import { writeWhole } from "../results/whole-file.ts";
import type { SplitArguments } from "./split-arguments.ts";

export interface Outputs {
  /** What was asked for, in fio's order of printing. */
  readonly formats: readonly OutputFormat[];
  /** For what has no terse form: JSON if that is among the formats, else text. */
  readonly format: "normal" | "json" | "json+";
  readonly terseVersion: TerseVersion;
  /** Null: stdout, or stderr where stdout carries the live feed. */
  readonly file: string | null;
  /** `-`: stdout. */
  readonly live: string | null;
}

/** Refuses a place that cannot be written, or must not be: nothing is opened for it. */
export function checkPlace(flag: string, path: string): void {
  const shown = `--${flag} ${path}`;
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) {
    throw new OsdynoError("bad-input", `${shown}: it is a directory; name a file`);
  }
  if (found?.isBlockDevice() === true) {
    throw new OsdynoError("unsafe", `${shown}: it is a block device; name a file`);
  }
  const folder = dirname(resolve(path));
  if (found === undefined && statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new OsdynoError("bad-input", `${shown}: there is no folder ${folder}; create it first`);
  }
  try {
    accessSync(found === undefined ? folder : path, constants.W_OK);
  } catch (error) {
    throw new OsdynoError("bad-input", `${shown}: it may not be written`, {}, error);
  }
}

/** The formats that the flags name: fio's, with its older words `--minimal` and `--append-terse`. */
function formatsOf(own: SplitArguments["own"]): readonly OutputFormat[] {
  const given = own.get("output-format")?.at(-1);
  const words = given === undefined ? [] : [given];
  if (own.has("json") && given === undefined) {
    words.push("json");
  }
  if (own.has("append-terse")) {
    words.push(...(words.length === 0 ? ["normal"] : []), "terse");
  } else if (own.has("minimal") && words.length === 0) {
    words.push("terse");
  }
  return parseOutputFormats(words.length === 0 ? "normal" : words.join(","));
}

/** Reads and checks the flags; throws `bad-input` or `unsafe`, and creates nothing. */
export function outputsOf(own: SplitArguments["own"]): Outputs {
  const formats = formatsOf(own);
  const terseVersion = parseTerseVersion(own.get("terse-version")?.at(-1) ?? "3");
  const format = formats.find((one) => one === "json" || one === "json+") ?? "normal";
  const json = format === "normal" ? null : format;
  if (json === null && own.has("json")) {
    const text = own.get("output-format")?.at(-1) ?? formats.join(",");
    throw new OsdynoError("bad-input", `--json contradicts --output-format ${text}; give one`);
  }
  const output = own.get("output")?.at(-1) ?? "-";
  const file = output === "-" ? null : output;
  const live = own.get("live")?.at(-1) ?? null;
  if (
    live === "-" &&
    file === null &&
    (formats.some((one) => one !== "normal") || own.has("output"))
  ) {
    throw new OsdynoError(
      "bad-input",
      "--live - and the result would both go to stdout; give --output FILE or --live FILE",
    );
  }
  if (file !== null) {
    checkPlace("output", file);
  }
  if (live !== null && live !== "-") {
    checkPlace("live", live);
    if (file !== null && resolve(live) === resolve(file)) {
      throw new OsdynoError("bad-input", `--live and --output both name ${file}; name two files`);
    }
  }
  return { formats, format, terseVersion, file, live };
}

/** Refuses to write results over what a job reads or writes, or over the job file itself. */
export function keepApart(outputs: Outputs, used: readonly string[]): void {
  const identity = (path: string) => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found === undefined ? resolve(path) : `${found.dev}:${found.ino}`;
  };
  const taken = new Map(used.map((path) => [identity(path), path]));
  for (const [flag, path] of [
    ["output", outputs.file],
    ["live", outputs.live],
  ] as const) {
    const other = path === null || path === "-" ? undefined : taken.get(identity(path));
    if (other !== undefined) {
      throw new OsdynoError(
        "unsafe",
        `--${flag} ${path}: the job uses ${other}; name another file`,
      );
    }
  }
}

/** Writes the result: a file is there whole or not at all. Throws `io`. */
export function writeResult(outputs: Outputs, text: string): void {
  if (outputs.file === null) {
    (outputs.live === "-" ? process.stderr : process.stdout).write(text);
    return;
  }
  const path = outputs.file;
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined || found.isFile()) {
      // A link keeps leading where it leads.
      writeWhole(found === undefined ? path : realpathSync(path), text);
    } else {
      writeFileSync(path, text);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new OsdynoError("io", `--output ${path}: cannot write (${code})`, {}, error);
  }
}
