/** The kernel's files of this machine, or of a tree that stands for one. */
import { accessSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../base/error.ts";
import type { HostFiles } from "../port/host-files.ts";

/** `root`: a directory that stands for `/`; null: this machine, whose settings are root's to change. */
export function hostFiles(root: string | null): HostFiles {
  const place = (path: string) => (root === null ? path : join(root, path));
  return {
    mayWrite: root !== null || process.geteuid?.() === 0,
    read(path) {
      try {
        return readFileSync(place(path), "utf8").replace(/\n$/, "");
      } catch {
        return null;
      }
    },
    write(path, text) {
      try {
        // A file of the kernel is never made here; a new setting is one write.
        accessSync(place(path));
        writeFileSync(place(path), text);
      } catch (error) {
        const why = (error as NodeJS.ErrnoException).code ?? String(error);
        throw new OsdynoError("io", `cannot set ${path} to ${text} (${why})`, {}, error);
      }
    },
    list(path) {
      try {
        return readdirSync(place(path)).sort();
      } catch {
        return [];
      }
    },
  };
}
