/** Signals as an AbortSignal: the first asks the run to end in order, a second one ends the process. */

import { releaseEarly } from "./early-signals.ts";
import { note } from "./progress.ts";

/** Signals closer together than this are one (a terminal and a launcher may both send it). */
const sameMs = 300;

export interface Interrupts {
  readonly signal: AbortSignal;
  /** Stops listening. */
  release(): void;
}

/** `ends`: what the first signal does, as the note says it. */
export function watchInterrupts(ends = "ending the run and keeping what was measured"): Interrupts {
  const controller = new AbortController();
  let firstMs = 0;
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      if (Date.now() - firstMs > sameMs) {
        note(`${name} again: ending at once, results of this run may be incomplete`);
        process.exit(130);
      }
      return;
    }
    firstMs = Date.now();
    note(`${name}: ${ends}`);
    controller.abort(name);
  };
  const names: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const name of names) {
    process.on(name, onSignal);
  }
  releaseEarly();
  return {
    signal: controller.signal,
    release() {
      for (const name of names) {
        process.off(name, onSignal);
      }
    },
  };
}
