/** Job keys on the command line. */
import { findKey, requireKey } from "./key-lookup.ts";
import type { JobOption } from "./model.ts";
import { badInput, commandLine } from "./place.ts";

/** A job file that was read, or arguments between two of them, in the order of the command line. */
export type JobInput =
  | { readonly kind: "file"; readonly name: string; readonly text: string }
  | { readonly kind: "args"; readonly args: readonly string[] };

/**
 * Options of arguments `--KEY=VALUE`, `--KEY VALUE`, or `--KEY` for words. One dash does as well.
 * @param before arguments that stood before these, to number them
 */
export function argumentOptions(args: readonly string[], before: number): JobOption[] {
  const options: JobOption[] = [];
  for (let index = 0; index < args.length; index++) {
    const text = args[index] ?? "";
    const place = { file: commandLine, line: before + index + 1 };
    const match = /^--?([^=]+)(?:=(.*))?$/s.exec(text);
    if (match === null) {
      throw badInput(
        place,
        `${text === "" ? "an empty argument" : text} is no job key: write --KEY=VALUE`,
      );
    }
    const [, name = "", attached] = match;
    const key = requireKey(name, place);
    if (attached !== undefined || key.type === "word") {
      options.push({ key: key.name, value: attached ?? null, place });
      continue;
    }
    const value = args[index + 1];
    if (value === undefined) {
      throw badInput(place, `--${name} needs a value: --${name}=...`);
    }
    options.push({ key: key.name, value, place });
    index++;
  }
  return options;
}

/**
 * Job files and job keys among arguments, in order: what starts with a dash is a key, with its value
 * behind it if it takes one; `-` and everything else is a job file.
 * @param read the text of a job file, throws for one that cannot be read
 */
export function jobInputs(args: readonly string[], read: (path: string) => string): JobInput[] {
  const inputs: JobInput[] = [];
  let keys: string[] = [];
  const flush = () => {
    if (keys.length > 0) {
      inputs.push({ kind: "args", args: keys });
      keys = [];
    }
  };
  for (let index = 0; index < args.length; index++) {
    const text = args[index] ?? "";
    if (text === "-" || !text.startsWith("-")) {
      flush();
      inputs.push({ kind: "file", name: text, text: read(text) });
      continue;
    }
    keys.push(text);
    const key = text.includes("=") ? null : findKey(text.replace(/^--?/, ""));
    const value = args[index + 1];
    if (key !== null && key.type !== "word" && value !== undefined) {
      keys.push(value);
      index++;
    }
  }
  flush();
  return inputs;
}
