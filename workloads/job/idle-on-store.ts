/** Keys that are about files and do nothing in a job on an object store, one line each. */
import type { ResolvedJob } from "./model.ts";

/** Why a key does nothing as it was set; null: it does, or asks for nothing. */
type IdleRule = (job: ResolvedJob) => string | null;

const ofFiles: IdleRule = () => "it is about files";
const ofSeveral: IdleRule = ({ objects, nrfiles }) =>
  objects === null && nrfiles > 1 ? "the volume of a store is one" : null;
/** Source: the store's devices are opened with O_DIRECT. */
const ofCache: IdleRule = ({ direct }) =>
  direct
    ? null
    : "a store goes past the page cache; bluestore_default_buffered_read and _write say what its own caches keep";

const rules = {
  unlink: ({ unlink }) =>
    unlink ? "the store stays when the job is done; fresh=1 in the target makes it anew" : null,
  file_append: ({ fileRules }) =>
    fileRules.append ? "a volume has no end to append to; offset= says where the job begins" : null,
  direct: ofCache,
  buffered: ofCache,
  invalidate: () => "the caches of a store are its own, and empty when a run opens it",
  pre_read: ({ fileRules }) =>
    fileRules.preRead ? "nothing is read beforehand; ramp_time= fills a store's caches" : null,
  fallocate: ofFiles,
  fadvise_hint: ofFiles,
  nrfiles: ofSeveral,
  openfiles: ofSeveral,
  file_service_type: ofSeveral,
} as const satisfies Readonly<Record<string, IdleRule>>;

export type FileKey = keyof typeof rules;

export const fileKeyNames = Object.keys(rules) as readonly FileKey[];

/** What was set in vain, also by `[global]`. */
export function idleOnStore(job: ResolvedJob): string[] {
  return job.fileKeysSet.flatMap((key) => {
    const why = rules[key](job);
    const value = job.given.get(key);
    return why === null
      ? []
      : [`${key}${value === undefined || value === "" ? "" : `=${value}`} has no effect: ${why}`];
  });
}
