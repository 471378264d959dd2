/** Which directories are results of ours: nothing else is ever cleared or removed. */
import { join } from "node:path";
import { listFolder, readText } from "./files.ts";
import { runSchemaName } from "./run-record.ts";

export type ResultsKind = "run" | "repeat" | "sweep";

/** `schema` of a JSON file; null when the file is absent, unreadable or something else. */
function schemaOf(path: string): string | null {
  try {
    const parsed: unknown = JSON.parse(readText(path));
    const schema = (parsed as { readonly schema?: unknown } | null)?.schema;
    return typeof schema === "string" ? schema : null;
  } catch {
    return null;
  }
}

export function isRunDirectory(directory: string): boolean {
  return schemaOf(join(directory, "run.json")) === runSchemaName;
}

/** Sweeps of every version of the format are ours. */
export function isSweepDirectory(directory: string): boolean {
  return schemaOf(join(directory, "sweep.json"))?.startsWith("osdyno-sweep-") ?? false;
}

/** The runs of a `--repeat` directory, in order: its children `1`, `2`, ... */
export function repeatsOf(directory: string): readonly string[] {
  let names: readonly string[];
  try {
    names = listFolder(directory);
  } catch {
    return [];
  }
  return names
    .filter((name) => /^[1-9][0-9]*$/.test(name) && isRunDirectory(join(directory, name)))
    .sort((a, b) => Number(a) - Number(b));
}

/** What a directory holds; null when it is not ours. */
export function resultsKind(directory: string): ResultsKind | null {
  if (isRunDirectory(directory)) {
    return "run";
  }
  if (isSweepDirectory(directory)) {
    return "sweep";
  }
  return repeatsOf(directory).length > 0 ? "repeat" : null;
}
