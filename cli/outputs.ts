/**
 * Where results go beside the run directory: stdout, `--output FILE`, `--live FILE|-`. Checked before
 * anything runs: a mistyped folder must not cost an hour of measuring.
 */
import { accessSync, constants, realpathSync, statSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { writeWhole } from "../results/whole-file.ts";
import type { SplitArguments } from "./split-arguments.ts";

export const outputFormats = ["normal", "json", "json+"] as const;
export type OutputFormat = (typeof outputFormats)[number];

export interface Outputs {
  readonly format: OutputFormat;
  /** Null: stdout, or stderr where stdout carries the live feed. */
  readonly file: string | null;
  /** `-`: stdout. */
  readonly live: string | null;
}

/** Refuses a place that cannot be written, or must not be: nothing is opened for it. */
function checkPlace(flag: string, path: string): void {
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

/** Reads and checks the flags; throws `bad-input` or `unsafe`, and creates nothing. */
export function outputsOf(own: SplitArguments["own"]): Outputs {
  const text = own.get("output-format")?.at(-1) ?? (own.has("json") ? "json" : "normal");
  const format = outputFormats.find((known) => known === text);
  if (format === undefined) {
    throw new OsdynoError(
      "bad-input",
      `--output-format ${text}: choose ${outputFormats.join(", ")}`,
    );
  }
  if (format === "normal" && own.has("json")) {
    throw new OsdynoError("bad-input", "--json contradicts --output-format normal; give one");
  }
  const output = own.get("output")?.at(-1) ?? "-";
  const file = output === "-" ? null : output;
  const live = own.get("live")?.at(-1) ?? null;
  if (live === "-" && file === null && (format !== "normal" || own.has("output"))) {
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
  return { format, file, live };
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
