/** What the process has of the machine's memory. */
export interface MemoryMeter {
  /** Resident memory of the whole process, bytes. */
  mappedBytes(): number;
  /** What the process may have at most, by a limit on its control group; Infinity: none is known. */
  limitBytes(): number;
}
