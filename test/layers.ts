/**
 * The layer rule of the house: each floor imports only itself and the floors before it in this list.
 * Prints each offence as `file:line: ...` and exits 1 if there is one.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** Lower floors first; floors of one rank do not import each other. */
const floors: readonly (readonly string[])[] = [
  ["engine/base"],
  ["engine/port"],
  ["engine/options"],
  ["engine/device"],
  ["engine/hot"],
  ["engine/os", "engine/sim"],
  ["engine/store"],
  ["engine/crush", "engine/map", "engine/net"],
  ["engine/mon", "engine/osd", "engine/mds"],
  ["engine/rados", "engine/rbd", "engine/cephfs"],
  ["engine/cluster"],
  ["workloads"],
  ["results"],
  ["cli"],
];

function floorOf(path: string): { rank: number; name: string } | null {
  for (const [rank, names] of floors.entries()) {
    const name = names.find((candidate) => path.startsWith(`${candidate}/`));
    if (name !== undefined) {
      return { rank, name };
    }
  }
  return null;
}

/** Offences in one file's text; exported for its own test. */
export function offences(path: string, text: string): string[] {
  const own = floorOf(path);
  if (own === null) {
    return [`${path}:1: belongs to no floor of the house`];
  }
  const found: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const match =
      /\b(?:from|import)\s*\(?\s*"(\.[^"]*)"/.exec(line) ?? /new URL\("(\.[^"]*\.ts)"/.exec(line);
    const specifier = match?.[1];
    if (specifier === undefined) {
      continue;
    }
    const target = relative(root, resolve(root, dirname(path), specifier));
    const other = floorOf(target);
    if (other === null && !/\.(json|mjs)$/.test(target)) {
      found.push(`${path}:${index + 1}: imports ${target}, which belongs to no floor`);
    } else if (
      other !== null &&
      other.name !== own.name &&
      (other.rank > own.rank || other.rank === own.rank)
    ) {
      found.push(`${path}:${index + 1}: ${own.name} must not import ${other.name}`);
    }
  }
  return found;
}

function check(): number {
  const found: string[] = [];
  let files = 0;
  for (const top of ["engine", "workloads", "results", "cli"]) {
    for (const entry of readdirSync(join(root, top), { recursive: true, encoding: "utf8" })) {
      if (entry.endsWith(".ts")) {
        const path = `${top}/${entry}`;
        files += 1;
        found.push(...offences(path, readFileSync(join(root, path), "utf8")));
      }
    }
  }
  for (const line of found) {
    process.stderr.write(`${line}\n`);
  }
  process.stdout.write(`layer check: ${files} files, ${found.length} offences\n`);
  return found.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = check();
}
