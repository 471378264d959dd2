/**
 * A text file that grows while a run goes on: under a temporary name until it is closed, appended
 * in batches, and never left with half a line when the disk is full.
 */
import { appendFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";

export const temporarySuffix = ".tmp";

/** Appends text to a file; a test's own may fail as a full disk does. */
export type Append = (path: string, text: string) => void;

export class GrowingFile {
  readonly path: string;
  private readonly append: Append;
  private pending: string[] = [];
  private writtenBytes: number;

  /** Creates the file with its first lines; none is left when they cannot be written. */
  constructor(path: string, head: string, append: Append = appendFileSync) {
    this.path = path;
    this.append = append;
    writeFileSync(this.temporaryPath, "");
    this.writtenBytes = 0;
    this.pending.push(head);
    try {
      this.flush();
    } catch (error) {
      rmSync(this.temporaryPath);
      throw error;
    }
  }

  private get temporaryPath(): string {
    return `${this.path}${temporarySuffix}`;
  }

  /** Keeps a line for the next flush. */
  line(text: string): void {
    this.pending.push(`${text}\n`);
  }

  /** Writes what is pending; after a failure the file ends with the last whole batch. */
  flush(): void {
    if (this.pending.length === 0) {
      return;
    }
    const text = this.pending.join("");
    this.pending = [];
    try {
      this.append(this.temporaryPath, text);
    } catch (error) {
      truncateSync(this.temporaryPath, this.writtenBytes);
      throw error;
    }
    this.writtenBytes += Buffer.byteLength(text);
  }

  /** Gives the file its final name. What is pending must have been flushed. */
  close(): void {
    renameSync(this.temporaryPath, this.path);
  }
}
