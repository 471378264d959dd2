/**
 * Looks at traces before anything runs. A trace is read from its first to its last byte: only so are
 * all files and devices known that it touches. What was found is kept as long as the file stays as it is.
 */
import { type BigIntStats, statSync } from "node:fs";
import { OsdynoError } from "../../engine/base/error.ts";
import { native } from "../../engine/base/native.ts";
import type { TraceChoice, TraceFacts } from "./model.ts";

/** `native/crates/binding/src/trace.rs` */
interface TraceAddon {
  scanTrace(spec: string): string;
  readonly NativeTraceWork: new () => {
    stop(): void;
    scan(spec: string): Promise<string>;
    merge(spec: string, path: string): Promise<number>;
  };
}

const addon = () => native() as unknown as TraceAddon;

/** Facts by what they depend on. Sweeps and repeats plan the same trace many times. */
const known = new Map<string, TraceFacts>();
const mostKnown = 256;

function stateOf(path: string): string {
  let stat: BigIntStats | undefined;
  try {
    stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    // What is wrong with it the scan says better.
  }
  return stat === undefined ? "" : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
}

function keyOf(choice: TraceChoice): string {
  return JSON.stringify([choice, choice.inputs.map(({ path }) => stateOf(path))]);
}

function keep(key: string, json: string): TraceFacts {
  const facts = JSON.parse(json) as TraceFacts;
  if (known.size >= mostKnown) {
    known.clear();
  }
  known.set(key, facts);
  return facts;
}

function refusal(error: unknown): OsdynoError {
  const message = error instanceof Error ? error.message : String(error);
  return new OsdynoError("bad-input", message, {}, error);
}

/** What a trace holds; throws `bad-input` in one line, with the trace's path, when it cannot be read. */
export function scanTrace(choice: TraceChoice): TraceFacts {
  const key = keyOf(choice);
  const found = known.get(key);
  if (found !== undefined) {
    return found;
  }
  try {
    return keep(key, addon().scanTrace(JSON.stringify(choice)));
  } catch (error) {
    throw refusal(error);
  }
}

/** Runs work on traces that a signal can end; throws `interrupted` then. */
async function interruptible<T>(
  signal: AbortSignal,
  work: (traces: InstanceType<TraceAddon["NativeTraceWork"]>) => Promise<T>,
): Promise<T> {
  const traces = new (addon().NativeTraceWork)();
  const stop = () => traces.stop();
  signal.addEventListener("abort", stop);
  try {
    const answer = await work(traces);
    signal.throwIfAborted();
    return answer;
  } catch (error) {
    throw signal.aborted
      ? new OsdynoError("interrupted", `stopped by ${signal.reason}`)
      : refusal(error);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** As `scanTrace`, while the event loop goes on: what planning looks for is known after it. */
export async function scanAhead(choice: TraceChoice, signal: AbortSignal): Promise<void> {
  const key = keyOf(choice);
  if (!known.has(key)) {
    const json = await interruptible(signal, (work) => work.scan(JSON.stringify(choice)));
    keep(key, json);
  }
}

/** Writes the inputs, merged by time, to a file (`merge_blktrace_file`); the number of operations. */
export async function writeMerged(
  choice: TraceChoice,
  path: string,
  signal: AbortSignal,
): Promise<number> {
  return await interruptible(signal, (work) => work.merge(JSON.stringify(choice), path));
}
