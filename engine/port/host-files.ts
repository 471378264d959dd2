/** The files through which a kernel tells its settings and takes new ones: `/sys`, `/proc`. */
export interface HostFiles {
  /** Whether this process may change settings at all. */
  readonly mayWrite: boolean;
  /** Contents without the final newline; null when there is no such file, or it cannot be read. */
  read(path: string): string | null;
  /** Hands the text over in one write. Throws `io` with the kernel's reason when it refuses. */
  write(path: string, text: string): void;
  /** Names in a directory, sorted; none when there is no such directory. */
  list(path: string): readonly string[];
}
