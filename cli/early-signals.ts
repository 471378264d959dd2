/**
 * Signals of the time in which a command loads what it needs and reads what it was given: it ends at once
 * and says that nothing was begun. `watchInterrupts` takes them over. Imports nothing: it comes first.
 */

/** Commands that measure; of others a signal is the system's to handle. */
const measuring = ["run", "sweep", "tune", "fingerprint", "calibrate", "simulate", "bench"];
const names: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** The line of an early end, without the command's name. */
export function earlyEnd(signal: string): string {
  return `stopped by ${signal} before anything was begun; the same command begins again`;
}

function end(signal: NodeJS.Signals): void {
  process.stderr.write(`osdyno: ${earlyEnd(signal)}\n`);
  process.exit(130);
}

/** Listens from now on, if the command is one that measures. */
export function catchEarly(command: string | undefined): void {
  if (command !== undefined && measuring.includes(command)) {
    for (const name of names) {
      process.on(name, end);
    }
  }
}

/** Somebody else listens. */
export function releaseEarly(): void {
  for (const name of names) {
    process.off(name, end);
  }
}
