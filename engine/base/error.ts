/** What went wrong, as a class of problem; decides the exit code of the command line. */
export type ErrorCode =
  /** Bad usage, job file, option or target: exit 2. */
  | "bad-input"
  /** Refused because data could be lost: exit 4. */
  | "unsafe"
  /** An operation on a device or file failed: exit 1. */
  | "io"
  /** Data read back is not what was written: exit 1. */
  | "verify"
  /** Something optional is not on this machine: exit 2; the message names the Debian package. */
  | "unavailable"
  /** Stopped by a signal; partial results are kept: exit 130. */
  | "interrupted";

/** Where bad input stands, and what kind of `io` it is. */
export interface ErrorPlace {
  readonly file?: string;
  readonly line?: number;
  /** What is on the device cannot be right. */
  readonly damaged?: true;
}

/**
 * The one error class of public edges. The message says what was wrong, with what value, and what to
 * do; `context` says where.
 */
export class OsdynoError extends Error {
  readonly code: ErrorCode;
  readonly context: ErrorPlace;

  constructor(code: ErrorCode, message: string, context: ErrorPlace = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "OsdynoError";
    this.code = code;
    this.context = context;
  }

  /** One line for a person: `file:line: message`. */
  get line(): string {
    const { file, line } = this.context;
    if (file === undefined) {
      return this.message;
    }
    return line === undefined ? `${file}: ${this.message}` : `${file}:${line}: ${this.message}`;
  }
}

const exitCodes: Readonly<Record<ErrorCode, number>> = {
  "bad-input": 2,
  unsafe: 4,
  io: 1,
  verify: 1,
  unavailable: 2,
  interrupted: 130,
};

/** Exit code of the command line for an error (`cli.md`: 1 failed, 2 usage, 4 unsafe, 130 interrupted). */
export function exitCodeOf(error: unknown): number {
  return error instanceof OsdynoError ? exitCodes[error.code] : 1;
}
