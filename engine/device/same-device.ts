/** Whether two paths lead to the same bytes, whatever they are called: links, loops, partitions, stacks. */
import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  deviceNumberText,
  kernelNameOf,
  readNumber,
  readText,
  realSystem,
  type SystemRoot,
  sysDirectory,
} from "./facts-files.ts";
import { identityOf, loopBacking, slavesOf } from "./holders.ts";

/** Stacks deeper than this are taken for a cycle in a made-up tree. */
const maxDepth = 16;

/** Adds a device and all that it lies on, as `identityOf` names them. */
function addDevice(name: string, system: SystemRoot, all: Set<string>, depth: number): void {
  const directory = sysDirectory(name, system);
  if (directory === null || depth > maxDepth) {
    return;
  }
  const number = readText(join(directory, "dev"));
  if (number !== null) {
    all.add(number);
  }
  const partition = readNumber(join(directory, "partition")) !== null;
  const below = partition ? [basename(dirname(directory))] : slavesOf(name, system);
  for (const other of below) {
    addDevice(other, system, all, depth + 1);
  }
  const backing = loopBacking(name, system);
  if (backing !== null) {
    addPath(backing, system, all, depth + 1);
  }
}

function addPath(path: string, system: SystemRoot, all: Set<string>, depth: number): void {
  const identity = identityOf(path);
  if (identity === null) {
    return;
  }
  all.add(identity);
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  const name =
    stat?.isBlockDevice() === true ? kernelNameOf(deviceNumberText(stat.rdev), system) : null;
  if (name !== null) {
    addDevice(name, system, all, depth);
  }
}

/** The device or file itself first, then all that it lies on; of what does not exist, its path. */
function standsOn(path: string, system: SystemRoot): readonly string[] {
  const all = new Set<string>();
  addPath(path, system, all, 0);
  return all.size === 0 ? [`path ${path}`] : [...all];
}

/**
 * Whether writing to one of two paths may change what is read from the other: they are one file or device,
 * or one lies on the other. Of what does not exist yet give the path with its links resolved.
 */
export function sharesBytes(a: string, b: string, system: SystemRoot = realSystem): boolean {
  const [first, second] = [standsOn(a, system), standsOn(b, system)];
  return first.includes(second[0] as string) || second.includes(first[0] as string);
}
