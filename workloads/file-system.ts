/** What a file system has room for, and whether the files of a store fit into it. */
import { existsSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { otherPaths, otherRoles } from "../engine/store/store-devices.ts";
import type { PlannedStore } from "./store-plan.ts";

export interface FileSystemFacts {
  /** Of the device that it is on. */
  readonly id: number;
  readonly folder: string;
  /** 0 of one without a limit of its own, as tmpfs can be. */
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** The folders above a file that are not there yet, innermost first. */
export function missingFolders(path: string): string[] {
  const missing: string[] = [];
  for (let folder = dirname(path); !existsSync(folder); folder = dirname(folder)) {
    missing.push(folder);
  }
  return missing;
}

/** Facts of the file system that a file stands on or will; null when they are not told. */
export function fileSystemOf(path: string): FileSystemFacts | null {
  try {
    const folder = dirname(missingFolders(path).at(-1) ?? path);
    const { bsize, blocks, bavail } = statfsSync(folder);
    return {
      id: statSync(folder).dev,
      folder,
      totalBytes: blocks * bsize,
      freeBytes: bavail * bsize,
    };
  } catch {
    return null;
  }
}

/** Files and devices of a store, and how long they are or will be. */
function partsOf({ path, make, place, options }: PlannedStore) {
  const label = place.kind === "store" && make === null ? place.label : null;
  const others = otherPaths(options, label);
  return [
    { path, sizeBytes: make?.sizeBytes ?? label?.sizeBytes ?? 0 },
    ...otherRoles.flatMap((role) => {
      const name = `bluestore_block_${role}_size`;
      return others[role] === null ? [] : [{ path: others[role], sizeBytes: options.number(name) }];
    }),
  ];
}

/** Files of a store are made with holes: how much each may still take of its file system. */
function growthOf(store: PlannedStore) {
  return partsOf(store).flatMap(({ path, sizeBytes: asked }) => {
    const system = fileSystemOf(path);
    const there = statSync(path, { throwIfNoEntry: false });
    if (system === null || system.totalBytes === 0 || there?.isFile() === false) {
      return [];
    }
    const sizeBytes = Math.max(asked, store.make === null ? (there?.size ?? 0) : 0);
    const growthBytes = Math.max(0, sizeBytes - (there?.blocks ?? 0) * 512);
    return [{ path, sizeBytes, system, growthBytes }];
  });
}

/**
 * Throws `bad-input` for a store that is to be made with a file larger than its whole file system: it could
 * never be filled.
 */
export function checkStoreSpace(store: PlannedStore): void {
  for (const { path, sizeBytes, system } of store.make === null ? [] : growthOf(store)) {
    if (sizeBytes > system.totalBytes) {
      throw new OsdynoError(
        "bad-input",
        `cannot make ${store.text}: ${path} would be ${sizeBytes} bytes long, the whole file system has ${system.totalBytes}; give it a size= that fits`,
      );
    }
  }
}

/** A line for each file system that stores may fill before they are full themselves. */
export function storeSpaceNotes(stores: readonly PlannedStore[]): readonly string[] {
  const grown = new Map<number, ReturnType<typeof growthOf>>();
  for (const file of stores.flatMap(growthOf)) {
    grown.set(file.system.id, [...(grown.get(file.system.id) ?? []), file]);
  }
  return [...grown.values()].flatMap((files) => {
    const growthBytes = files.reduce((sum, file) => sum + file.growthBytes, 0);
    const [first] = files;
    const names = files.map(({ path }) => path).join(", ");
    return first === undefined || growthBytes <= first.system.freeBytes
      ? []
      : [
          `${names} may grow by ${growthBytes} bytes, their file system has ${first.system.freeBytes} free: once that is full, writes fail with ENOSPC, and the store ends`,
        ];
  });
}
