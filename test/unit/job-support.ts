/** A machine of fixed size with files in memory, for tests of the parser. */
import { OsdynoError } from "../../engine/base/error.ts";
import type { JobEnvironment } from "../../workloads/job/environment.ts";
import type { ParsedJobs, ResolvedJob } from "../../workloads/job/model.ts";
import { type ParseOptions, parseJobs } from "../../workloads/job/parse.ts";

export function environmentWith(
  files: Readonly<Record<string, string>> = {},
  variables: Readonly<Record<string, string>> = {},
): JobEnvironment {
  return {
    variables,
    pageSizeBytes: 4096,
    memoryMib: 24_105,
    cpuCount: 4,
    readJobFile: (path) => files[path] ?? null,
    readPatternFile: (path) => {
      const text = files[path];
      return text === undefined ? null : new TextEncoder().encode(text).subarray(0, 512);
    },
  };
}

export function parseText(
  text: string,
  files: Readonly<Record<string, string>> = {},
  variables: Readonly<Record<string, string>> = {},
  options: ParseOptions = {},
): ParsedJobs {
  return parseJobs(
    [{ kind: "file", name: "t.fio", text }],
    environmentWith(files, variables),
    options,
  );
}

export function parseArgs(...args: readonly string[]): ParsedJobs {
  return parseJobs([{ kind: "args", args }], environmentWith());
}

/** The one job of a file with a section `[a]` that holds these lines. */
export function jobOf(...lines: readonly string[]): ResolvedJob {
  return onlyJob(parseText(["[a]", ...lines].join("\n")));
}

export function onlyJob(parsed: ParsedJobs): ResolvedJob {
  const job = parsed.jobs[0];
  if (job === undefined || parsed.jobs.length !== 1) {
    throw new Error(`one job was expected, there are ${parsed.jobs.length}`);
  }
  return job;
}

/** The linter's messages for a job with these lines. */
export function notesOf(...lines: readonly string[]): string[] {
  return parseText(["[a]", ...lines].join("\n")).notes.map((note) => note.message);
}

/** The one line that a person sees when the parser refuses. */
export function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof OsdynoError && error.code === "bad-input") {
      return error.line;
    }
    throw error;
  }
  throw new Error("nothing was refused");
}

/** The refusal of a job with these lines; the first of them is line 2. */
export function refusalOf(...lines: readonly string[]): string {
  return refusal(() => jobOf(...lines));
}
