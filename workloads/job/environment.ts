/** What the parser needs to know of the machine, so that a test can put its own in place. */

export interface JobEnvironment {
  /** Environment variables for `${NAME}`. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** `$pagesize`, bytes. */
  readonly pageSizeBytes: number;
  /** `$mb_memory`, MiB. */
  readonly memoryMib: number;
  /** `$ncpus`; CPUs configured, which `cpus_allowed` may name. */
  readonly cpuCount: number;
  /**
   * The text of a file named by `include` or `arrival=profile:`. MUST return `null` when there is no
   * such file, and throw `OsdynoError` for one that is too large or not text.
   */
  readonly readJobFile: (path: string) => string | null;
  /** The first bytes of a file that a pattern names (fio reads 512), `null` when there is none. */
  readonly readPatternFile: (path: string) => Uint8Array | null;
}

/** Largest job file, bytes: far above any that a person or a generator writes. */
export const jobFileLimitBytes = 1 << 20;
