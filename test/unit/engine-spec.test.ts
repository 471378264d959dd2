/** From a job's `ioengine` and its options to the engine that runs it. */
import { describe, expect, it } from "vitest";
import { blockEngines } from "../../engine/hot/ioengine/registry.ts";
import { supportedEngines, synchronousEngines } from "../../workloads/job/foreign-keys.ts";
import { fileEngineSpec, fileEngines } from "../../workloads/runner/engine-spec.ts";
import { parseText, refusal } from "./job-support.ts";

function specOf(...lines: string[]) {
  const job = parseText(["[a]", "size=1m", ...lines, ""].join("\n")).jobs[0];
  return job === undefined ? null : fileEngineSpec(job);
}

describe("engines", () => {
  it("that the parser takes are those that run", () => {
    expect(new Set(supportedEngines)).toEqual(new Set([...fileEngines, "null", "memory"]));
  });

  it.each(fileEngines)("%s is one of the registry, and as synchronous there as here", (name) => {
    const spec = specOf(`ioengine=${name}`);
    const engine = blockEngines().find((candidate) => candidate.name === spec?.kind);
    expect(engine?.needsPath).toBe(true);
    expect(synchronousEngines.has(name)).toBe(engine?.synchronous);
  });

  it("leaves to io_uring what a job does not say, and demands what it says", () => {
    expect(specOf("ioengine=io_uring")).toMatchObject({
      kind: "io_uring",
      sqthreadPoll: false,
      hipri: false,
      fixedbufs: null,
      registerfiles: null,
      nonvectored: null,
    });
    const asked = ["fixedbufs=1", "registerfiles=0", "nonvectored=0", "hipri=1", "force_async=4"];
    expect(specOf("ioengine=io_uring", "sqthread_poll_cpu=0", ...asked)).toMatchObject({
      sqthreadPoll: true,
      sqthreadPollCpu: 0,
      hipri: true,
      fixedbufs: true,
      registerfiles: false,
      nonvectored: false,
      forceAsync: 4,
    });
  });

  it("hands libaio's batches over whole only when the job asks for batches", () => {
    expect(specOf("ioengine=libaio", "iodepth=16")).toMatchObject({ batched: false });
    const batches = ["iodepth=16", "iodepth_batch=8"];
    expect(specOf("ioengine=libaio", ...batches)).toMatchObject({ batched: true });
  });

  it("says that a queue has no effect on a synchronous engine", () => {
    const notes = (engine: string) =>
      parseText(`[a]\nsize=1m\nioengine=${engine}\niodepth=8\n`).notes.map((note) => note.message);
    expect(notes("mmap").join()).toContain("iodepth=8 acts as 1");
    expect(notes("libaio").join()).not.toContain("acts as 1");
  });

  it("refuses by name what fio has and we do not", () => {
    expect(refusal(() => parseText("[a]\nsize=1m\nioengine=splice\n"))).toContain("splice");
  });
});
