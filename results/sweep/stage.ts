/** Sees to it that each run of a sweep finds its store in the state that it should. */
import { closeSync, existsSync, openSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { findOption } from "../../engine/options/registry.ts";
import type { Holds } from "../../engine/os/hold.ts";
import { otherPaths, otherRoles } from "../../engine/store/store-devices.ts";
import { otherFileBytes } from "../../engine/store/store-files.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import type { RunPlan } from "../../workloads/plan-model.ts";
import { resolveExisting } from "../../workloads/scratch.ts";
import type { PlannedStore } from "../../workloads/store-plan.ts";
import { performRun } from "../perform.ts";
import { type SweepRequest, stackOf } from "./plan-sweep.ts";
import type { Point } from "./points.ts";
import { type Preparation, preparationOf } from "./prepare.ts";
import { bringBack, putAside, writeZeroes } from "./put-aside.ts";
import { clearRun, completeRun } from "./sweep-directory.ts";

/** A point with what it needs. */
interface Staged {
  readonly store: PlannedStore;
  readonly preparation: Preparation | null;
}

/** A file of a store that is made anew. */
interface StoreFile {
  readonly path: string;
  /** Without contents; 0: whoever makes the store gives it its length. */
  readonly emptyBytes: number;
}

function filesOf({ path, make, options }: PlannedStore): readonly StoreFile[] {
  const others = otherPaths(options, null);
  return [
    { path, emptyBytes: 0 },
    ...otherRoles.flatMap((role) => {
      const other = others[role];
      const emptyBytes = otherFileBytes(options, role, make?.sizeBytes ?? 0);
      return other === null || make === null ? [] : [{ path: resolveExisting(other), emptyBytes }];
    }),
  ];
}

/** Nothing is lost when a store is made there. */
function isNothing(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined || (found.isFile() && found.size === 0);
}

/** Options that act where a store is made would be said of one that was made without them. */
function refuseMade({ spec }: SweepRequest, point: Point, { make, path }: PlannedStore): void {
  const name = Object.keys(point.options).find((each) => findOption(each)?.change === "create");
  if (make === null && name !== undefined) {
    const line = spec.axes.find((axis) => axis.names.includes(name))?.line;
    throw new OsdynoError(
      "bad-input",
      `${name} acts where a store is made, and ${path} holds one; remove it or name another path`,
      { file: spec.file, ...(line === undefined ? {} : { line }) },
    );
  }
}

export class Stage {
  readonly #request: SweepRequest;
  readonly #staged = new Map<string, Staged>();
  /** Files that the sweep makes, and may make anew, once it has them. */
  readonly #own: ReadonlySet<string>;
  readonly #known: ReadonlySet<string>;
  readonly #holds: Holds;
  /** Files that were put aside, to be removed in the end. */
  readonly #aside = new Set<string>();

  /** `own`: files that an earlier part of the sweep made; `holds`: where those stand that the sweep has. */
  constructor(
    request: SweepRequest,
    points: readonly Point[],
    plans: readonly RunPlan[],
    own: readonly string[],
    holds: Holds,
  ) {
    this.#request = request;
    this.#holds = holds;
    const known = new Set(own);
    this.#known = known;
    const files = new Set<string>();
    for (const [place, plan] of plans.entries()) {
      const point = points[place];
      const [store] = plan.stores;
      if (point === undefined || store === undefined) {
        continue;
      }
      this.#staged.set(point.id, { store, preparation: preparationOf(request.spec, point, plan) });
      refuseMade(request, point, store);
      for (const each of plan.stores) {
        for (const { path } of filesOf(each)) {
          if (known.has(path) || isNothing(path)) {
            files.add(path);
          }
        }
      }
    }
    this.#own = files;
  }

  /** Preparations that are to be made, each once. */
  get preparations(): readonly Preparation[] {
    const found = [...this.#staged.values()].flatMap(({ preparation }) => preparation ?? []);
    return [...new Map(found.map((each) => [each.key, each])).values()];
  }

  /**
   * Takes the places of the stores, as empty files; from then on they are the sweep's, and nobody else's.
   * Answers all. Throws `unsafe` when somebody else has one, or has made something there meanwhile.
   */
  claim(): readonly string[] {
    for (const path of this.#own) {
      if (!existsSync(path)) {
        try {
          closeSync(openSync(path, "wx"));
        } catch (error) {
          const why = (error as Error).message;
          throw new OsdynoError("bad-input", `cannot make a store at ${path}: ${why}`, {}, error);
        }
      }
      if (!this.#holds.has(path)) {
        this.#holds.claim(path);
        if (!this.#known.has(path) && !isNothing(path)) {
          this.#holds.drop(path);
          throw new OsdynoError("unsafe", `${path}: somebody else has made it; start this again`);
        }
      }
    }
    return [...this.#own];
  }

  /** Before a run of the point: its store is empty, to be made anew, or as it was prepared. */
  async ready(point: Point): Promise<void> {
    const staged = this.#staged.get(point.id);
    if (staged === undefined) {
      return;
    }
    const { store, preparation } = staged;
    if (preparation === null) {
      this.#empty(store);
      return;
    }
    const files = filesOf(store);
    const asides = files.map(({ path }) => `${path}.prepared-${preparation.key}`);
    // The last one is put aside last: when it is there, all are.
    if (!existsSync(asides.at(-1) ?? "")) {
      await this.#prepare(store, preparation, asides);
    }
    const { signal } = this.#request.settings;
    for (const [place, aside] of asides.entries()) {
      this.#aside.add(aside);
      await bringBack(aside, files[place]?.path ?? "", signal);
    }
  }

  #empty(store: PlannedStore): void {
    for (const { path, emptyBytes } of filesOf(store)) {
      if (this.#own.has(path) && this.#holds.has(path)) {
        truncateSync(path, 0);
        truncateSync(path, emptyBytes);
      }
    }
  }

  /** Fills and ages as a run of its own, which stays with the results. */
  async #prepare(
    store: PlannedStore,
    preparation: Preparation,
    asides: readonly string[],
  ): Promise<void> {
    const request = this.#request;
    const { key, job, target } = preparation;
    const run = join("prepare", key);
    clearRun(request.directory, run);
    request.events.preparing(preparation);
    this.#empty(store);
    for (const { path, emptyBytes } of filesOf(store)) {
      writeZeroes(path, emptyBytes > 0 ? emptyBytes : (store.make?.sizeBytes ?? 0));
    }
    const { failure } = await performRun({
      parsed: parseJobs([{ kind: "file", name: run, text: job }], request.environment, {
        sections: [],
        target,
      }),
      directory: join(request.directory, run),
      settings: {
        ...request.settings,
        label: `prepare-${key}`,
        live: null,
        thresholds: [],
        report: false,
        target,
        seed: request.seed,
        stack: stackOf(request, preparation),
      },
      events: request.events,
      ownFiles: [...this.#own],
    });
    if (failure !== null) {
      throw failure;
    }
    if (completeRun(request.directory, run) === null) {
      throw new OsdynoError("io", `${run} was not recorded completely`);
    }
    const { signal } = request.settings;
    for (const [place, { path }] of filesOf(store).entries()) {
      await putAside(path, asides[place] ?? "", signal);
    }
  }

  /** Removes the stores; what was put aside stays for resuming unless the sweep is `complete`. */
  clear(complete: boolean): void {
    const own = [...this.#own].filter((path) => this.#holds.has(path));
    for (const path of [...own, ...(complete ? this.#aside : [])]) {
      rmSync(path, { force: true });
    }
    for (const path of own) {
      this.#holds.drop(path);
    }
  }
}
