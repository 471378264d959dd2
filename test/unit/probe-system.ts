/** A made-up /sys, /proc and /dev, so that devices which no test machine has can be probed. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { SystemRoot } from "../../engine/device/facts-files.ts";

export class MadeUpSystem implements SystemRoot {
  readonly root: string;
  readonly sys: string;
  readonly proc: string;
  readonly dev: string;

  constructor() {
    this.root = mkdtempSync(join(tmpdir(), "osdyno-system-"));
    this.sys = join(this.root, "sys");
    this.proc = join(this.root, "proc");
    this.dev = join(this.root, "dev");
    for (const path of [join(this.sys, "block"), join(this.sys, "class/block"), this.dev]) {
      mkdirSync(path, { recursive: true });
    }
    this.write(join(this.proc, "self/mountinfo"), "");
    this.write(join(this.proc, "swaps"), "Filename Type Size Used Priority\n");
  }

  write(path: string, content: string | Buffer): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  /** Adds a disk whose directory is `sys/devices/<devicePath>`; `files` are relative to it. */
  disk(
    devicePath: string,
    number: string,
    files: Readonly<Record<string, string | Buffer>>,
  ): string {
    const directory = join(this.sys, "devices", devicePath);
    const name = devicePath.split("/").at(-1) ?? "";
    const all = { dev: `${number}\n`, size: "2097152\n", ro: "0\n", ...files };
    for (const [file, content] of Object.entries(all)) {
      this.write(join(directory, file), content);
    }
    this.link(directory, name, number);
    symlinkSync(directory, join(this.sys, "block", name));
    return directory;
  }

  partition(diskDirectory: string, name: string, number: string): string {
    const directory = join(diskDirectory, name);
    this.write(join(directory, "dev"), `${number}\n`);
    this.write(join(directory, "size"), "1024\n");
    this.write(join(directory, "partition"), "1\n");
    this.link(directory, name, number);
    return directory;
  }

  /** One device stands on another: as the kernel shows it from both sides. */
  stack(upper: string, lower: string): void {
    for (const [from, kind, to] of [
      [upper, "slaves", lower],
      [lower, "holders", upper],
    ] as const) {
      const directory = join(from, kind);
      mkdirSync(directory, { recursive: true });
      symlinkSync(to, join(directory, to.split("/").at(-1) ?? ""));
    }
  }

  private link(directory: string, name: string, number: string): void {
    mkdirSync(join(this.sys, "dev/block"), { recursive: true });
    symlinkSync(directory, join(this.sys, "class/block", name));
    symlinkSync(directory, join(this.sys, "dev/block", number));
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
