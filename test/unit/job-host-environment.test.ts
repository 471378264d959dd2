/** Reading job files from the machine: missing, large, binary, not a file. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostEnvironment, readJobFile } from "../../workloads/job/host-environment.ts";
import { refusal } from "./job-support.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "osdyno-jobfile-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function fileOf(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("job files of the machine", () => {
  it("are read up to 1 MiB", () => {
    const text = "; \u00fc\n".repeat(100);
    expect(readJobFile(fileOf("a.fio", text))).toBe(text);
    expect(readJobFile(fileOf("full.fio", ";".repeat(2 ** 20)))).toHaveLength(2 ** 20);
    const large = fileOf("large.fio", ";".repeat(2 ** 20 + 1));
    expect(refusal(() => readJobFile(large))).toBe(`${large}: larger than 1 MiB: not a job file`);
    expect(refusal(() => readJobFile("/dev/zero"))).toContain("larger than 1 MiB");
  });

  it("are refused when they are no text files", () => {
    const binary = fileOf("b.fio", new Uint8Array([0x5b, 0xff, 0xfe, 0x80]));
    expect(refusal(() => readJobFile(binary))).toContain("not a text file");
    expect(refusal(() => readJobFile(folder))).toContain("this is a directory");
    expect(refusal(() => readJobFile(join(folder, "none")))).toContain("no such job file");
  });

  it("tell an absent include from one that cannot be read", () => {
    const environment = hostEnvironment();
    expect(environment.readJobFile(join(folder, "none"))).toBeNull();
    expect(refusal(() => environment.readJobFile(folder))).toContain("this is a directory");
  });
});

describe("the machine", () => {
  it("has pages, memory and CPUs", () => {
    const { pageSizeBytes, memoryMib, cpuCount, variables } = hostEnvironment();
    expect(Math.log2(pageSizeBytes) % 1).toBe(0);
    expect(memoryMib).toBeGreaterThan(100);
    expect(cpuCount).toBeGreaterThanOrEqual(1);
    expect(variables["OSDYNO_SCRATCH"]).toMatch(/^\//);
  });
});
