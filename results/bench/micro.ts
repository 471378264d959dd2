/**
 * Benches of hot paths that live in the processor: the same seeded work through each implementation, in
 * rounds of alternating order, so that what changes on the machine meanwhile hits all alike.
 */
import { createHash } from "node:crypto";
import { cpus, release } from "node:os";
import { Bench } from "tinybench";
import { assert } from "../../engine/base/assert.ts";
import { OsdynoError } from "../../engine/base/error.ts";
import { native } from "../../engine/base/native.ts";
import type { MedianInterval } from "../stats/order-statistics.ts";
import { overRounds } from "./rounds.ts";

/** What is measured, ready to run. */
export interface MicroSubject {
  /** In one `run`. */
  readonly operations: number;
  /** One batch: long enough that reading the clock does not count, the same work every time. */
  run(): void;
  /** Figures that are no times and the same on every machine, by name: ratios from 0 to 1. */
  readonly facts: Readonly<Record<string, number>>;
  /** What the work gave: hashed, so that runs can be seen to have done the same. */
  result(): Uint8Array | string;
  close(): void;
}

/** One line of the table. */
export interface MicroCell {
  readonly implementation: string;
  readonly workload: string;
  /** That an operation works on; 0: a rate in bytes makes no sense. */
  readonly operationBytes: number;
  prepare(): MicroSubject;
}

export interface MicroPlan {
  readonly hotPath: string;
  readonly cells: readonly MicroCell[];
  /** What a reader must know: instructions used, what is not installed. */
  readonly notes: readonly string[];
}

export interface MicroOptions {
  readonly rounds: number;
  /** Of each measurement, ms. */
  readonly runtimeMs: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onCell: (done: number, total: number, cell: string) => void;
}

export interface MicroRow {
  readonly implementation: string;
  readonly workload: string;
  readonly nsPerOperation: MedianInterval;
  /** Null where operations have no size. */
  readonly bytesPerSecond: MedianInterval | null;
  readonly facts: Readonly<Record<string, number>>;
  readonly resultHash: string;
}

export interface MicroBench {
  readonly schema: "osdyno-bench-1";
  readonly hotPath: string;
  readonly seed: number;
  readonly rounds: number;
  readonly runtimeMs: number;
  readonly kernel: string;
  readonly cpu: string;
  readonly notes: readonly string[];
  readonly rows: readonly MicroRow[];
  /** Of all rows' results: the same seed gives the same on every machine. */
  readonly resultHash: string;
}

function sha256(...parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) {
    hash.update(part);
  }
  return hash.digest("hex").slice(0, 16);
}

/** Median nanoseconds of an operation over the batches of one round. */
function measure(subject: MicroSubject, runtimeMs: number): number {
  const { nowNs } = native();
  const bench = new Bench({
    now: () => nowNs() / 1e6,
    time: runtimeMs,
    iterations: 3,
    warmup: false,
    retainSamples: true,
  });
  bench.add("batch", () => subject.run());
  const [task] = bench.runSync();
  const result = task?.result;
  assert(result !== undefined && "latency" in result, "tinybench measured nothing");
  return (result.latency.p50 * 1e6) / subject.operations;
}

interface Measured {
  readonly cell: MicroCell;
  readonly ns: number[];
  facts: Readonly<Record<string, number>>;
  hash: string;
}

function rowOf({ cell, ns, facts, hash }: Measured): MicroRow {
  const { implementation, workload, operationBytes } = cell;
  const rates = ns.map((each) => (operationBytes / each) * 1e9);
  return {
    implementation,
    workload,
    nsPerOperation: overRounds(ns),
    bytesPerSecond: operationBytes > 0 ? overRounds(rates) : null,
    facts,
    resultHash: hash,
  };
}

/** Measures every cell in every round. */
export async function runMicroBench(plan: MicroPlan, options: MicroOptions): Promise<MicroBench> {
  const all: Measured[] = plan.cells.map((cell) => ({ cell, ns: [], facts: {}, hash: "" }));
  const total = all.length * options.rounds;
  let done = 0;
  for (let round = 0; round < options.rounds; round += 1) {
    for (const measured of round % 2 === 0 ? all : all.toReversed()) {
      const { cell } = measured;
      options.onCell(done, total, `${cell.implementation}, ${cell.workload}`);
      // A turn of the event loop, so that Ctrl-C and the progress bar come through.
      await new Promise((turn) => setImmediate(turn));
      if (options.signal.aborted) {
        throw new OsdynoError("interrupted", "the bench was stopped");
      }
      const subject = cell.prepare();
      subject.run();
      measured.ns.push(measure(subject, options.runtimeMs));
      measured.facts = subject.facts;
      measured.hash = sha256(subject.result());
      subject.close();
      done += 1;
    }
  }
  const rows = all.map(rowOf);
  return {
    schema: "osdyno-bench-1",
    hotPath: plan.hotPath,
    seed: options.seed,
    rounds: options.rounds,
    runtimeMs: options.runtimeMs,
    kernel: release(),
    cpu: cpus()[0]?.model ?? "unknown",
    notes: plan.notes,
    rows,
    resultHash: sha256(...rows.map(({ resultHash }) => resultHash)),
  };
}
