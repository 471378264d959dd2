/** `--showcmd` beside what fio 3.33 printed, and beside the fio of this machine if there is one. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseJobs } from "../../workloads/job/parse.ts";
import { resolvedToJson } from "../../workloads/job/resolved-json.ts";
import { showcmd } from "../../workloads/job/showcmd.ts";
import { environmentWith, parseArgs, parseText } from "./job-support.ts";

const golden = fileURLToPath(new URL("../golden/job/", import.meta.url));
const variables = { OSDYNO_TEST_DIR: "/scratch" };
const cases = readdirSync(golden)
  .filter((name) => name.endsWith(".fio"))
  .map((name) => name.slice(0, -".fio".length));
const fio = spawnSync("fio", ["--version"], { encoding: "utf8" }).stdout?.trim();

/** fio does not quote, except a description, and ends its line with a blank. */
function unquoted(line: string): string {
  return line.replaceAll(/['"]/g, "").trimEnd();
}

function ours(name: string): string {
  const text = readFileSync(`${golden}${name}.fio`, "utf8");
  const parsed = parseJobs(
    [{ kind: "file", name: `${name}.fio`, text }],
    environmentWith({}, variables),
  );
  return showcmd(parsed);
}

describe("showcmd", () => {
  it.each(cases)("prints %s as fio 3.33 did", (name) => {
    const recorded = readFileSync(`${golden}${name}.out`, "utf8");
    expect(unquoted(ours(name))).toBe(unquoted(recorded));
  });

  const reason = fio === undefined ? "there is no fio on this machine" : `against ${fio}`;
  it.skipIf(fio === undefined).each(cases)(`prints %s as fio does (${reason})`, (name) => {
    const live = spawnSync("fio", ["--parse-only", "--showcmd", `${name}.fio`], {
      cwd: golden,
      encoding: "utf8",
      env: { ...process.env, OSDYNO_TEST_UNSET: undefined, ...variables },
    });
    expect(live.status).toBe(0);
    expect(unquoted(ours(name))).toBe(unquoted(live.stdout));
  });

  it("quotes what a shell would read otherwise", () => {
    const parsed = parseText(
      "[job 1]\ndescription=it's $HOME\nfilename=a\\:b\n[b]\ntime_based=0\n",
    );
    expect(showcmd(parsed)).toBe(
      "fio --name='job 1' --description='it'\\''s $HOME' --filename='a\\:b' --name=b --time_based=0\n",
    );
  });

  it("keeps later globals apart, and is ours when it holds our keys", () => {
    expect(showcmd(parseText("[a]\n[global]\nbs=8k\n[b]\ntarget=null:?service=1us\n"))).toBe(
      "osdyno run --name=a --name=global --bs=8k --name=b --target='null:?service=1us'\n",
    );
  });

  it("prints command-line jobs", () => {
    expect(showcmd(parseArgs("--bs=8k", "--name=a", "--rw", "write"))).toBe(
      "fio --bs=8k --name=a --rw=write\n",
    );
  });
});

describe("resolved jobs as JSON", () => {
  it("survive JSON with every value", () => {
    const job = parseText("[a]\nrw=randread\nsize=10%\n").jobs[0];
    const json = JSON.parse(JSON.stringify(job === undefined ? null : resolvedToJson(job)));
    expect(json).toMatchObject({
      name: "a",
      rw: "randread",
      size: { kind: "percent", percent: 10 },
      given: { rw: "randread", size: "10%" },
    });
  });
});
