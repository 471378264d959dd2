/** Plug-ins of the hot paths whose conformance suites need no event loop. */
import { cacheChecks } from "../../engine/hot/cache/conformance.ts";
import { cacheOfPlugIn } from "../../engine/hot/cache/plug-in.ts";
import { openCache } from "../../engine/hot/cache/registry.ts";
import { type Check, type CheckResult, runCheck } from "../../engine/hot/checks.ts";
import { checksumChecks } from "../../engine/hot/checksum/conformance.ts";
import { checksumOfPlugIn } from "../../engine/hot/checksum/plug-in.ts";
import { openChecksum } from "../../engine/hot/checksum/registry.ts";
import { compressorChecks } from "../../engine/hot/compressor/conformance.ts";
import { compressorOfPlugIn } from "../../engine/hot/compressor/plug-in.ts";
import { openCompressor } from "../../engine/hot/compressor/registry.ts";
import { schedulerChecks } from "../../engine/hot/scheduler/conformance.ts";
import { schedulerOfPlugIn } from "../../engine/hot/scheduler/plug-in.ts";
import { openScheduler } from "../../engine/hot/scheduler/registry.ts";

/** What a module exports, with the checks it must pass. */
export interface PlainPlugIn<HotPath extends string> {
  readonly hotPath: HotPath;
  readonly name: string;
  readonly describe: string;
  readonly checks: readonly { readonly name: string; run(seed: number): CheckResult }[];
}

function plain<HotPath extends string, Subject>(
  { hotPath, name, describe }: Omit<PlainPlugIn<HotPath>, "checks">,
  checks: readonly Check<Subject>[],
  subject: Subject,
): PlainPlugIn<HotPath> {
  const bound = checks.map((check) => ({
    name: check.name,
    run: (seed: number) => runCheck(subject, check, seed),
  }));
  return { hotPath, name, describe, checks: bound };
}

/** By hot path; throw `bad-input` with what the export lacks. */
export const plainPlugIns = {
  checksum: (exported: unknown, file: string) => {
    const kind = checksumOfPlugIn(exported, { open: openChecksum }, {}, file);
    return plain(kind, checksumChecks, { create: kind.create });
  },
  compressor: (exported: unknown, file: string) => {
    const kind = compressorOfPlugIn(exported, { open: openCompressor }, file);
    return plain(kind, compressorChecks, { create: () => kind.create({}) });
  },
  cache: (exported: unknown, file: string) => {
    const kind = cacheOfPlugIn(exported, { open: openCache }, file);
    return plain(kind, cacheChecks, { create: () => kind.create({}) });
  },
  scheduler: (exported: unknown, file: string) => {
    const kind = schedulerOfPlugIn(exported, { open: openScheduler }, file);
    return plain(kind, schedulerChecks, { create: kind.create });
  },
} as const;
