/** `osdyno devices`, as a user types it. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

function osdyno(...args: readonly string[]) {
  return spawnSync(process.execPath, [main, ...args], {
    encoding: "utf8",
    env: { ...process.env, OSDYNO_SCRATCH: tmpdir(), NO_COLOR: "1" },
  });
}

describe("osdyno devices", () => {
  test("--json prints exactly one document", () => {
    const { status, stdout } = osdyno("devices", "--json");
    expect(status).toBe(0);
    const document = JSON.parse(stdout) as {
      devices: {
        path: string;
        class: string;
        class_reason: string;
        size_bytes: number;
        mounts: unknown[];
        write: { refused: boolean; permission: string; reason: string };
      }[];
      scratch: { path: string; why: string; free_bytes: number }[];
    };
    expect(document.scratch[0]).toMatchObject({ path: tmpdir(), why: "OSDYNO_SCRATCH" });
    expect(document.scratch[0]?.free_bytes).toBeGreaterThan(0);
    for (const device of document.devices) {
      expect(existsSync(device.path)).toBe(true);
      expect(["hdd", "ssd", "nvme", "pmem"]).toContain(device.class);
      expect(device.class_reason).not.toBe("");
      expect(device.size_bytes).toBeGreaterThan(0);
      expect(device.write.refused).toBe(true);
      if (device.mounts.length > 0) {
        expect(device.write.permission).toBe("never");
      }
    }
  });

  test("the table names every device and scratch place", () => {
    const { status, stdout } = osdyno("devices");
    expect(status).toBe(0);
    const { devices } = JSON.parse(osdyno("devices", "--json").stdout) as {
      devices: { path: string }[];
    };
    // Loop devices come and go with other tests.
    for (const { path } of devices.filter((device) => !device.path.includes("loop"))) {
      expect(stdout).toContain(path);
    }
    expect(stdout).toContain("OSDYNO_SCRATCH");
  });

  test("an option that does not exist is bad usage", () => {
    expect(osdyno("devices", "--jsn").status).toBe(2);
  });
});
