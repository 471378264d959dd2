/** Directories of results: made with what is missing above them, refused where nothing can be made. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeFolders } from "../../results/make-folders.ts";

const root = mkdtempSync(join(tmpdir(), "osdyno-folders-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("makes what is missing and tells the outermost", () => {
  expect(makeFolders(join(root, "a", "b", "c"))).toBe(join(root, "a"));
  expect(existsSync(join(root, "a", "b", "c"))).toBe(true);
  expect(makeFolders(join(root, "a", "b"))).toBeUndefined();
});

test("refuses in one line where the kernel takes no entries, and where a file stands", () => {
  expect(() => makeFolders("/proc/osdyno/x")).toThrow(
    "/proc/osdyno/x: nothing can be made in /proc",
  );
  writeFileSync(join(root, "file"), "");
  expect(() => makeFolders(join(root, "file"))).toThrow(/EEXIST/);
  expect(() => makeFolders(join(root, "file", "x"))).toThrow(/ENOTDIR/);
});
