/** The job files that come with osdyno parse, without a trap, and touch scratch files only. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseJobs } from "../../workloads/job/parse.ts";
import { environmentWith } from "./job-support.ts";

const folder = fileURLToPath(new URL("../../profiles/jobs/", import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith(".fio"));

function parse(name: string) {
  const text = readFileSync(`${folder}${name}`, "utf8");
  return parseJobs(
    [{ kind: "file", name, text }],
    environmentWith({}, { OSDYNO_SCRATCH: "/scratch" }),
  );
}

describe("profiles/jobs", () => {
  it("has the files that the documentation names", () => {
    expect(names).toEqual(
      expect.arrayContaining(["stall.fio", "randread-4k.fio", "durable-write.fio", "poisson.fio"]),
    );
  });

  it("has a job for each question that storage is asked", () => {
    const questions =
      `oltp log-append vm-boot-storm backup-stream mail-spool video ceph-wal ceph-osd
      etcd-fsync randread-depths mixed-70-30 trim verify zipf-hot-spot small-files
      rgw-small-objects`.split(/\s+/);
    expect(names).toEqual(expect.arrayContaining(questions.map((name) => `${name}.fio`)));
  });

  it.each(names)("%s ends within a minute and a half and takes 1 GiB a file at most", (name) => {
    const { jobs } = parse(name);
    let seconds = 0;
    let phase = 0;
    for (const job of jobs) {
      if (job.stonewall) {
        seconds += phase;
        phase = 0;
      }
      expect(job.runtimeNs !== null || (!job.timeBased && job.size?.kind === "bytes")).toBe(true);
      phase = Math.max(phase, ((job.runtimeNs ?? 0) + job.startDelayMaxNs) / 1e9);
      const end = job.offsetIncrement.kind === "bytes" ? job.offsetIncrement.bytes : Infinity;
      const size = job.size?.kind === "bytes" ? job.size.bytes : Infinity;
      expect(size + end * (job.numjobs - 1)).toBeLessThanOrEqual(2 ** 30);
    }
    expect(seconds + phase).toBeLessThanOrEqual(90);
  });

  it.each(names)("%s is clean and says what it stands for", (name) => {
    const { jobs, notes, text } = parse(name);
    expect(notes).toEqual([]);
    expect(text.startsWith(";")).toBe(true);
    for (const job of jobs) {
      const scratch = job.directories.length === 1 && job.directories[0] === "/scratch";
      const elsewhere = /^(null:|store:\/scratch\/)/.test(job.target ?? "");
      expect(elsewhere || scratch).toBe(true);
      expect(job.filenames.every((file) => !file.includes("/"))).toBe(true);
      expect(job.unlink).toBe(false);
    }
  });

  it("asks the stalled device 1,000 times a second for 8 s", () => {
    expect(parse("stall.fio").jobs[0]).toMatchObject({
      target: "null:?service=13us&stall_at=3s&stall_for=1s",
      arrival: [{ kind: "constant", rate: 1000, byBytes: false }, null, null],
      runtimeNs: 8e9,
      timeBased: true,
    });
  });
});
