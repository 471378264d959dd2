/** Measures configurations one at a time, each on a store or file in the state that it should have. */
import { existsSync, rmSync, truncateSync } from "node:fs";
import { OsdynoError } from "../../engine/base/error.ts";
import type { Holds } from "../../engine/os/hold.ts";
import type { RunPlan } from "../../workloads/plan-model.ts";
import { checkMemory } from "../../workloads/planner.ts";
import { metric, metricSupported } from "../metrics.ts";
import { performRun, safePlan } from "../perform.ts";
import type { RunRecord } from "../run-record.ts";
import { SweepHost } from "../sweep/host.ts";
import { runRequest, type SweepRequest } from "../sweep/plan-sweep.ts";
import type { Point } from "../sweep/points.ts";
import { hostRestored } from "../sweep/run-sweep.ts";
import { Stage } from "../sweep/stage.ts";
import { clearRun, completeRun, runPath } from "../sweep/sweep-directory.ts";

export interface Measured {
  /** Relative to the tuning's directory. */
  readonly run: string;
  readonly figures: Readonly<Record<string, number | null>> | null;
  /** Why the configuration cannot run; what ends the tuning is thrown. */
  readonly failed: OsdynoError | null;
}

/** Prepared stores that are kept aside at once: each is as large as the store. */
const mostAside = 3;

/** What a configuration can be the reason of. */
const ofConfiguration: readonly string[] = ["bad-input", "io"];

export function figuresOf(
  record: RunRecord,
  metrics: readonly string[],
): Readonly<Record<string, number | null>> {
  return Object.fromEntries(
    metrics.map((name) => [name, metricSupported(record, name) ? metric(record, name) : null]),
  );
}

export class Measuring {
  readonly #request: SweepRequest;
  /** Whether the store of the last run was on a disk with heads. */
  rotating = false;
  readonly #host: SweepHost;
  readonly #files: Set<string>;
  readonly #stores: Set<string>;
  /** By what they prepare; the one used last comes last. */
  #stages: { readonly key: string; readonly stage: Stage }[] = [];

  readonly #holds: Holds;

  /**
   * `files` and `stores`: what an earlier part of the tuning made, and this one may write to; `holds`: the
   * stores that it has.
   */
  constructor(
    request: SweepRequest,
    files: readonly string[],
    stores: readonly string[],
    holds: Holds,
  ) {
    this.#request = request;
    this.#holds = holds;
    this.#host = new SweepHost(request.spec, holds);
    this.#files = new Set(files);
    this.#stores = new Set(stores);
  }

  get files(): readonly string[] {
    return [...this.#files];
  }

  get hostRecord(): SweepHost["record"] {
    return this.#host.record;
  }

  get stores(): readonly string[] {
    return [...this.#stores];
  }

  /** One run, unless it is there. Throws what no configuration is the reason of. */
  async measure(point: Point, repetition: number): Promise<Measured> {
    const { directory, spec } = this.#request;
    const run = runPath(point, repetition - 1);
    const known = completeRun(directory, run);
    if (known !== null) {
      return { run, figures: figuresOf(known, spec.metrics), failed: null };
    }
    try {
      const record = await this.#perform(point, run, repetition);
      return { run, figures: figuresOf(record, spec.metrics), failed: null };
    } catch (error) {
      const mine = error instanceof OsdynoError && ofConfiguration.includes(error.code);
      if (!mine) {
        throw error;
      }
      return { run, figures: null, failed: error };
    }
  }

  async #perform(point: Point, run: string, repetition: number): Promise<RunRecord> {
    const request = this.#request;
    // As a plan sees it, a store that the run before left is somebody's.
    for (const path of this.#storesThere()) {
      truncateSync(path, 0);
    }
    const mine = [...this.#files, ...this.#storesThere()];
    const asked = runRequest(request, point, repetition, mine);
    const plan = safePlan(asked);
    checkMemory(plan);
    this.rotating = plan.stores.some(({ device }) => device.deviceClass === "hdd");
    const stage = this.#stageOf(point, plan);
    for (const path of stage.claim()) {
      this.#stores.add(path);
    }
    clearRun(request.directory, run);
    await stage.ready(point);
    this.#host.apply(point, plan);
    const own = [...this.#files, ...this.#storesThere()];
    const { perform = performRun } = request;
    const { record, failure, created } = await perform({ ...asked, ownFiles: own });
    for (const path of created) {
      this.#files.add(path);
    }
    if (failure !== null) {
      throw failure;
    }
    return record;
  }

  /** What others made at its places while it had let go of them is not among them. */
  #storesThere(): string[] {
    return [...this.#stores].filter((path) => existsSync(path) && this.#holds.has(path));
  }

  #stageOf(point: Point, plan: RunPlan): Stage {
    const stage = new Stage(this.#request, [point], [plan], this.#storesThere(), this.#holds);
    const key = stage.preparations[0]?.key ?? "";
    this.#stages = [...this.#stages.filter((each) => each.key !== key), { key, stage }];
    // Its files that are aside stay those of the older stages of the same key, which are dropped here.
    while (this.#stages.length > mostAside) {
      this.#stages.shift()?.stage.clear(true);
    }
    return stage;
  }

  /** Ends the search: what was prepared stays for the confirmation. */
  release(): void {
    this.#host.restore();
    for (const { stage } of this.#stages) {
      stage.clear(false);
    }
  }

  /**
   * Removes the stores; what was put aside stays for resuming unless all is `complete`. Puts the host back;
   * answers the failure so far, or that it could not.
   */
  clear(complete: boolean, failure: OsdynoError | null): OsdynoError | null {
    for (const { stage } of this.#stages) {
      stage.clear(complete);
    }
    for (const path of this.#storesThere()) {
      rmSync(path, { force: true });
    }
    return hostRestored(this.#host, failure);
  }
}
