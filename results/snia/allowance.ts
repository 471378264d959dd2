/** The endurance budget: what may be written, kept while a run goes on; and who else looks on. */
import { OsdynoError } from "../../engine/base/error.ts";
import type { IntervalRow } from "../../workloads/run-outcome.ts";
import type { WriteBudget } from "../../workloads/runner/execute.ts";
import type { RunFollower } from "../run-sinks.ts";
import { formatBytes } from "../units.ts";
import { wholeShare } from "./figures.ts";
import type { SniaSpec } from "./spec.ts";

export class Allowance implements WriteBudget {
  readonly #mostBytes: number | null;
  #writtenBytes: number;
  #ofRun = 0;
  #refused = false;

  constructor({ mostWriteBytes }: SniaSpec, writtenBytes: number) {
    this.#mostBytes = mostWriteBytes;
    this.#writtenBytes = writtenBytes;
  }

  #over(): boolean {
    const written = this.#writtenBytes + this.#ofRun;
    return this.#mostBytes !== null && (this.#refused || written >= this.#mostBytes);
  }

  leftBytes(): number | null {
    const written = this.#writtenBytes + this.#ofRun;
    return this.#mostBytes === null ? null : Math.max(0, this.#mostBytes - written);
  }

  refused(): void {
    this.#refused = true;
  }

  /** Why nothing more may be written; null while something may. */
  spent(): OsdynoError | null {
    const most = formatBytes(this.#mostBytes ?? 0);
    const why = `endurance: the ${most} that may be written are used up`;
    return this.#over() ? new OsdynoError("interrupted", why) : null;
  }

  /** The run that was followed has ended, and what it wrote is spent; answers whether that cut it short. */
  ended(): OsdynoError | null {
    this.#writtenBytes += this.#ofRun;
    this.#ofRun = 0;
    return this.spent();
  }

  /** Looks on at a run: `look` gets the rates of its whole samples, all jobs together. */
  follow(sampleSeconds: number, look?: (iops: readonly number[]) => boolean): RunFollower {
    this.#ofRun = 0;
    const samples = new Map<number, { iops: number; readonly jobs: Set<number> }>();
    const jobs = new Set<number>();
    let enough = false;
    const add = (row: IntervalRow, job: number) => {
      jobs.add(job);
      if (row.lengthNs < wholeShare * 1e9 * sampleSeconds) {
        return;
      }
      const place = Math.round((row.endNs - row.lengthNs) / 1e9 / sampleSeconds);
      const sample = samples.get(place) ?? { iops: 0, jobs: new Set<number>() };
      samples.set(place, sample);
      sample.iops += (1e9 * row.ios) / row.lengthNs;
      sample.jobs.add(job);
    };
    /** The samples that every job has told of, up to the first that is not. */
    const whole = () => {
      const rates: number[] = [];
      for (let place = 0; samples.get(place)?.jobs.size === jobs.size; place += 1) {
        rates.push(samples.get(place)?.iops ?? 0);
      }
      return rates;
    };
    return {
      interval: (row, job) => {
        this.#ofRun += row.direction === "write" ? row.bytes : 0;
        if (look !== undefined) {
          add(row, job.index);
          enough ||= look(whole());
        }
      },
      ended: () => enough || this.#over(),
    };
  }
}
