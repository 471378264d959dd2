/** Knobs of the host as a sweep turns them: for each point before its run, and back in the end. */
import { OsdynoError } from "../../engine/base/error.ts";
import type { Holds } from "../../engine/os/hold.ts";
import { hostFiles } from "../../engine/os/host-files.ts";
import { HostJournal, journalDirectory } from "../../engine/os/host-journal.ts";
import { HostSettings } from "../../engine/os/host-settings.ts";
import type { RunPlan } from "../../workloads/plan-model.ts";
import { watchedDisks } from "../../workloads/runner/device-stats.ts";
import { pathsOf } from "../perform.ts";
import { hostPrefix } from "./axes.ts";
import type { Point } from "./points.ts";
import type { SweepSpec } from "./spec.ts";

/** A directory that stands for the host's `/`, for tests; null: the host. */
export function hostRoot(): string | null {
  return process.env["OSDYNO_HOST_ROOT"] ?? null;
}

/** Disks under a plan's files, those that they are made of among them. */
function disksUnder(plan: RunPlan): readonly string[] {
  return watchedDisks(pathsOf(plan)).flatMap(({ name, members }) => [name, ...members]);
}

export class SweepHost {
  readonly #spec: SweepSpec;
  readonly #settings: HostSettings;
  #before: Readonly<Record<string, string>> = {};

  /** `holds`: keeps others from turning what this one turns, until it is closed. */
  constructor(spec: SweepSpec, holds: Holds) {
    const root = hostRoot();
    const journal = new HostJournal(journalDirectory(root), holds);
    this.#spec = spec;
    this.#settings = new HostSettings(hostFiles(root), journal);
  }

  /**
   * Whether what the points ask for can be set here, by this user; from then on nobody else turns it. Throws
   * `bad-input` with the line, `unsafe` when another process turns it.
   */
  check(points: readonly Point[], plans: readonly RunPlan[]): void {
    const wanted = points.flatMap((point, place) => {
      const plan = plans[place];
      return point.host === undefined || plan === undefined
        ? []
        : [{ point, values: point.host, devices: this.#devices(plan) }];
    });
    for (const { point, values, devices } of wanted) {
      this.#inFile(point, () => this.#settings.check(values, devices));
    }
    for (const { values, devices } of wanted) {
      this.#settings.claim(values, devices);
    }
  }

  #devices(plan: RunPlan): readonly string[] {
    return this.#spec.hostDevices ?? disksUnder(plan);
  }

  #inFile(point: Point, step: () => void): void {
    try {
      step();
    } catch (error) {
      const { file, axes } = this.#spec;
      const name = Object.keys(point.host ?? {}).find(
        (each) => error instanceof OsdynoError && error.message.includes(each),
      );
      const line = axes.find(({ values }) =>
        values.some(({ settings }) =>
          name === undefined
            ? Object.keys(settings).some((key) => key.startsWith(hostPrefix))
            : Object.hasOwn(settings, `${hostPrefix}${name}`),
        ),
      )?.line;
      throw error instanceof OsdynoError && error.code === "bad-input"
        ? new OsdynoError(
            "bad-input",
            error.message,
            { file, ...(line === undefined ? {} : { line }) },
            error,
          )
        : error;
    }
  }

  /** Before a run: what its point asks for is set, and nothing else that an earlier one had set. */
  apply(point: Point, plan: RunPlan | undefined): void {
    const { host = {} } = point;
    const changed = Object.keys(this.#settings.before).length > 0;
    if (plan !== undefined && (point.host !== undefined || changed)) {
      this.#inFile(point, () => this.#settings.apply(host, this.#devices(plan)));
      this.#before = { ...this.#before, ...this.#settings.before };
    }
  }

  /** For the sweep's record: what every file that was changed held before. */
  get record(): { readonly host_before?: Readonly<Record<string, string>> } {
    return Object.keys(this.#before).length === 0 ? {} : { host_before: this.#before };
  }

  /** Throws `io` with what could not be put back. */
  restore(): void {
    this.#settings.restore();
  }
}
