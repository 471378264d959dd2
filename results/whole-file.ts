/** Small files that are either there whole or not at all. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { temporarySuffix } from "./growing-file.ts";

/** Writes a file under a temporary name, makes it durable, then gives it its name. */
export function writeWhole(path: string, text: string): void {
  const temporary = `${path}${temporarySuffix}`;
  try {
    const file = openSync(temporary, "w");
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
