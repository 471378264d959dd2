/** `list`, `report`, `results`, `calibrate` as a user types them, and pipes that close. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { idleJob, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

/** Runs a command line and expects success and nothing on stderr. */
function says(...args: readonly string[]): string {
  const { code, out, err } = place.run(args);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return out;
}

describe("options", () => {
  test("one by name, some by pattern, all as JSON", () => {
    const one = says("options", "bluestore_min_alloc_size");
    expect(one).toContain("0 (hdd 4 KiB, ssd 4 KiB)");
    expect(one).toContain("documents-source");
    const some = says("options", "rbd_qos_*_limit");
    expect(some).toContain("rbd_qos_read_iops_limit");
    expect(some).not.toContain("burst");
    const all = JSON.parse(says("options", "--json")) as { name: string; obsolete?: string }[];
    expect(all.find(({ name }) => name === "journal_dio")?.obsolete).toBe("FileStore is retired");
  });

  test("FileStore is retired: its options are known and say so, alone and by pattern", () => {
    expect(says("options", "filestore_max_sync_interval")).toMatch(
      /obsolete +FileStore is retired; BlueStore /,
    );
    const all = says("options", "filestore*");
    expect(all).toContain("filestore_queue_max_ops");
    expect(all).toMatch(/^obsolete: FileStore is retired$/m);
    for (const name of ["filestore_sloppy_crc", "filestore_x*"]) {
      const { code, err } = place.run(["options", name]);
      expect(code).toBe(2);
      expect(err).toMatch(/: FileStore is retired, [^\n]*\n$/);
      expect(err).not.toContain("did you mean");
    }
  });

  test("an unknown name is bad input, with the nearest one", () => {
    const { code, out, err } = place.run(["options", "bluestore_cach_type"]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain("did you mean bluestore_cache_type?");
  });
});

describe("list", () => {
  test("everything, or one thing", () => {
    const all = says("list");
    for (const name of ["io_uring", "psync", "null", "profiles/jobs/", "raw:/dev/nvme0n1"]) {
      expect(all).toContain(name);
    }
    expect(says("list", "targets")).not.toContain("profiles/");
  });

  test("--json is one document; every profile that it names can be read", () => {
    const lists = JSON.parse(says("list", "--json")) as Record<string, { name: string }[]>;
    expect(Object.keys(lists)).toContain("ioengine");
    const root = fileURLToPath(new URL("../..", import.meta.url));
    const jobs = (lists["profiles"] ?? []).filter(({ name }) => name.endsWith(".fio"));
    expect(jobs.length).toBeGreaterThan(3);
    const files = jobs.map(({ name }) => join(root, name));
    expect(place.run(["run", ...files, "--parse-only"]).code).toBe(0);
  });
});

describe("results and report", () => {
  beforeEach(() => {
    for (const label of ["one", "two"]) {
      const flags = ["--label", label, "--no-report", "--no-progress"];
      expect(place.run(["run", ...idleJob(), ...flags]).code).toBe(0);
    }
  });

  test("ls, show, verify, rm", () => {
    expect(says("results", "ls")).toMatch(/-one │ run .*\n.*-two │ run /);
    expect(JSON.parse(says("results", "ls", "--json"))).toHaveLength(2);
    expect(says("results", "show", "one")).toMatch(/^one {2}null:/);
    const fio = JSON.parse(says("results", "show", "latest", "--output-format", "json")) as object;
    expect(fio).toMatchObject({ jobs: [{ jobname: "idle" }] });
    expect(says("results", "verify", "one", "two").match(/: agrees \(/g)).toHaveLength(2);
    expect(place.run(["results", "rm", "one", "three"]).code).toBe(2);
    expect(JSON.parse(says("results", "ls", "--json"))).toHaveLength(2);
    expect(place.run(["results", "rm", "one", "two"]).err.match(/^removed /gm)).toHaveLength(2);
    expect(says("results", "ls")).toBe("no results in results/runs; osdyno run makes some\n");
  });

  test("the report in every format", () => {
    const [name = ""] = place.files().filter((file) => file.endsWith("-one"));
    expect(says("report", name)).toBe(`${name}/report.html\n`);
    expect(place.read(name, "report.html")).toMatch(/^<!doctype html>[\s\S]*<\/html>\s*$/i);
    expect(says("report", name, "--format=md")).toMatch(/^# one\n/);
    expect(JSON.parse(says("report", name, "--format=json"))).toMatchObject({ name: "one" });
    for (const [format, magic] of [
      ["svg", "<svg"],
      ["png", "\u0089PNG"],
    ] as const) {
      const written = says("report", name, `--format=${format}`, "--out=c").trimEnd().split("\n");
      expect(written.length).toBeGreaterThan(1);
      for (const file of written) {
        expect(readFileSync(place.path(file), "latin1").startsWith(magic)).toBe(true);
      }
    }
    expect(place.run(["report", name, "--out=c"])).toMatchObject({
      code: 2,
      err: "osdyno: --out c: it is a directory; name a file in it\n",
    });
  });
});

describe("calibrate", () => {
  const fio = spawnSync("fio", ["--version"]).status === 0 ? "" : "(fio is not installed)";

  test("without fio: one line, nothing created", () => {
    mkdirSync(place.path("bin"));
    symlinkSync("/bin/sh", place.path("bin", "sh"));
    const { code, out, err } = place.run(["calibrate"], { env: { PATH: place.path("bin") } });
    const line = "osdyno: calibrate compares with fio, which is not here; apt install fio\n";
    expect({ code, out, err }).toEqual({ code: 2, out: "", err: line });
    expect(place.files()).toEqual(["bin", "bin/sh"]);
  });

  test.skipIf(fio !== "")(`refuses before fio gets the job ${fio}`, () => {
    place.write("letter", "dear");
    place.write("job.fio", "[a]\nfilename=letter\nrw=write\nsize=8k\nbsx=1\n");
    expect(place.run(["calibrate", "job.fio"]).err).toMatch(/^osdyno: job\.fio:5: unknown key bsx/);
    place.write("job.fio", "[a]\nfilename=letter\nrw=write\nsize=8k\n");
    const env = { OSDYNO_SCRATCH: place.path("s"), TMPDIR: place.path("s") };
    const { code, out, err } = place.run(["calibrate", "job.fio"], { env });
    expect(err).toMatch(/^osdyno: will not write to .*letter: it is an existing file outside/);
    expect({ code, out }).toEqual({ code: 4, out: "" });
    expect(place.read("letter")).toBe("dear");
    const none = place.run(["calibrate", "--only", "nonsense"]);
    expect(none.err).toMatch(
      /^osdyno: --only nonsense: no group is called so \(io_uring, path, null, engines, truth\) and no case has this in its name \(.*null target/,
    );
    expect(none.code).toBe(2);
  });

  test("a known truth, without fio: a trace is replayed whole, and only it is run", () => {
    // Whether it is in time depends on the machine: 3 says that it was not.
    const { code, out } = place.run(["calibrate", "--only", "a trace of 1,000,000", "--json"]);
    expect([0, 3]).toContain(code);
    const document = JSON.parse(out) as { cases: object[]; truth: { name: string }[] };
    expect(document.cases).toEqual([]);
    expect(document.truth).toMatchObject([
      {
        name: "trace of 1,000,000 operations at 10x: sent",
        expected: 1e6,
        found: 1e6,
        holds: true,
      },
      { name: "trace of 1,000,000 operations at 10x: lateness p99", unit: "us" },
    ]);
    expect(place.files()).toEqual([]);
  });

  test.skipIf(fio !== "")(`fio and osdyno on one case ${fio}`, () => {
    const one = ["calibrate", "--only", "null target, depth 1", "--repeat", "1", "--json"];
    const { code, out } = place.run([...one, "--cpus", "0", "--out", "kept"]);
    // Whether the goal is reached depends on the machine: 3 says that it was not.
    expect([0, 3]).toContain(code);
    const document = JSON.parse(out) as { cases: { case: { args: string[] }; pairs: object[] }[] };
    expect(document).toMatchObject({ state: "complete", repeat: 1, truth: [] });
    expect(document.cases[0]?.case.args).toContain("--cpus_allowed=0");
    expect(document.cases[0]?.pairs).toMatchObject([
      { base: { iops: expect.any(Number) }, ours: { iops: expect.any(Number) } },
    ]);
    expect(JSON.parse(place.read("kept", "calibration.json"))).toEqual(document);
    expect(place.files()).toEqual(["kept", "kept/calibration.json"]);
  });
});

test("a reader that has seen enough is no failure", () => {
  const launcher = fileURLToPath(new URL("../../cli/osdyno.mjs", import.meta.url));
  const line = `"${process.execPath}" "${launcher}" list; echo "code $?" >&2`;
  const shell = `{ ${line}; } | head -n 1`;
  const { stdout, stderr } = spawnSync("sh", ["-c", shell], {
    encoding: "utf8",
    env: place.environment(),
  });
  expect(stdout.trimEnd().split("\n").length).toBe(1);
  expect(stderr).toBe("code 0\n");
});

test("nor is one that closes stderr: the run goes on", () => {
  const launcher = fileURLToPath(new URL("../../cli/osdyno.mjs", import.meta.url));
  const job = idleJob("--out=r", "--live=-").map((argument) => `"${argument}"`);
  const line = `"${process.execPath}" "${launcher}" run ${job.join(" ")} >/dev/null`;
  // `true` is gone before the command says anything.
  const shell = `{ sleep 0.2; ${line}; echo "code $?" > code; } 2>&1 | true`;
  spawnSync("sh", ["-c", shell], { cwd: place.root, env: place.environment() });
  expect(place.read("code")).toBe("code 0\n");
  expect(place.record("r").state).toBe("complete");
});

test("stdout that cannot be written is", () => {
  const launcher = fileURLToPath(new URL("../../cli/osdyno.mjs", import.meta.url));
  const { status, stderr } = spawnSync(
    "sh",
    ["-c", `"${process.execPath}" "${launcher}" list > /dev/full`],
    { encoding: "utf8", env: place.environment() },
  );
  expect(stderr).toBe("osdyno: cannot write to stdout (ENOSPC)\n");
  expect(status).toBe(1);
});
