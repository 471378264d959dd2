/** Whether two paths lead to the same bytes: by links, and through what devices lie on. */
import { linkSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { deviceNumberText } from "../../engine/device/facts-files.ts";
import { sharesBytes } from "../../engine/device/same-device.ts";
import { MadeUpSystem } from "./probe-system.ts";

let system: MadeUpSystem;
let folder: string;
beforeEach(() => {
  system = new MadeUpSystem();
  folder = mkdtempSync(join(tmpdir(), "osdyno-same-"));
});
afterEach(() => {
  system.remove();
  rmSync(folder, { recursive: true });
});

const file = (name: string) => {
  const path = join(folder, name);
  writeFileSync(path, name);
  return path;
};

test("files are the same by inode, and absent ones by path", () => {
  const image = file("image");
  const other = file("other");
  const [hard, soft] = [join(folder, "hard"), join(folder, "soft")];
  linkSync(image, hard);
  symlinkSync(image, soft);
  expect([hard, soft, image].map((path) => sharesBytes(image, path, system))).toEqual(
    Array(3).fill(true),
  );
  expect(sharesBytes(image, other, system)).toBe(false);
  const [absent, absentToo] = [join(folder, "absent"), join(folder, "absent-too")];
  expect(sharesBytes(absent, absent, system)).toBe(true);
  expect(sharesBytes(absent, absentToo, system)).toBe(false);
});

// Any block device will do as the node: what it lies on is made up.
const node = "/dev/loop7";
const there = statSync(node, { throwIfNoEntry: false })?.isBlockDevice() === true;

describe.skipIf(!there)("devices", () => {
  const number = () => deviceNumberText(statSync(node, { bigint: true }).rdev);

  test("a loop device lies on its file, through whatever is between them", () => {
    const [image, other] = [file("image"), file("other")];
    const directory = system.disk("virtual/block/loop9", "7:9", { "loop/backing_file": image });
    const upper = system.disk("virtual/block/dm-0", number(), {});
    system.stack(upper, directory);
    expect(sharesBytes(node, image, system)).toBe(true);
    expect(sharesBytes(image, node, system)).toBe(true);
    expect(sharesBytes(node, other, system)).toBe(false);
    expect(sharesBytes(node, node, system)).toBe(true);
  });

  test("a partition lies on its disk, and on no other partition", () => {
    const image = file("image");
    const disk = system.disk("virtual/block/loop9", "7:9", { "loop/backing_file": image });
    system.partition(disk, "loop9p1", number());
    expect(sharesBytes(node, image, system)).toBe(true);
    const sibling = statSync("/dev/loop6", { throwIfNoEntry: false });
    if (sibling?.isBlockDevice() === true) {
      system.partition(disk, "loop9p2", deviceNumberText(BigInt(sibling.rdev)));
      expect(sharesBytes(node, "/dev/loop6", system)).toBe(false);
    }
  });
});
