/**
 * Crashes a scenario at every place of its history: what is durable stays, of the rest any part, torn
 * and out of order; then what is left is opened and checked. One seed repeats all of it.
 */
import { SeededRandom } from "../base/random.ts";
import type { Fault } from "../device/fault.ts";
import { decay, type FaultProfile } from "./fault-profiles.ts";
import { DiskRecorder, HistoryPlayer } from "./history.ts";
import { DiskImage } from "./image.ts";
import { type Survival, survivals, type VolatileWrite } from "./volatile-writes.ts";
import { World } from "./world.ts";

export interface CrashScenario {
  readonly name: string;
  readonly describe: string;
  /** It has a planted bug: a check that finds nothing is at fault. */
  readonly canary: boolean;
  /**
   * Makes disks and uses them, to the end. MUST depend on nothing but the world, and mark what it asks
   * for and what is acknowledged (`World.mark`). With a profile of faults operations may fail.
   */
  run(world: World): Promise<void>;
  /**
   * Opens what a crash has left and throws what is wrong with it, given the marks until then. May go on
   * to use it, and marks that as well: a second crash may follow. After disks that lie
   * (`World.profile`) it MUST throw only if something wrong was returned. Answers with names for the
   * coverage: what was found.
   */
  recover(world: World, marks: readonly unknown[]): Promise<readonly string[]>;
  /** What a write that was not durable yet belongs to, for the coverage. */
  classify(write: VolatileWrite): string;
  /** What else a crash after these marks covers. */
  cover(marks: readonly unknown[]): readonly string[];
}

export interface ExploreOptions {
  readonly scenario: CrashScenario;
  readonly seed: number;
  /** Crashes to play. */
  readonly points: number;
  /** Plays this one only, from 0. */
  readonly only?: number | null;
  /** Faults of the disks. */
  readonly profile?: FaultProfile | null;
  /** See `World`. */
  readonly settle: () => Promise<void>;
  readonly onPoint?: (done: number) => void;
}

export interface CrashFailure {
  /** `null`: while it ran, before any crash. */
  readonly point: number | null;
  /** Events before the crash, and all of them. */
  readonly position: number;
  readonly events: number;
  readonly survival: Survival;
  /** The crash was the second one, while recovering from the first. */
  readonly again: boolean;
  readonly message: string;
}

export interface CrashReport {
  readonly scenario: string;
  /** Faults of the disks; `null`: none. */
  readonly profile: string | null;
  readonly seed: number;
  /** Events of the history: writes and flushes, each beginning and end, and marks. */
  readonly events: number;
  readonly points: number;
  /** Different places of the history at which it was crashed. */
  readonly places: number;
  /** Second crashes, while recovering. */
  readonly again: number;
  /** Trace of the history, the same in both runs. */
  readonly traceHash: string;
  /** Crashes by what was under way, or by what was done with it. */
  readonly coverage: Readonly<Record<string, number>>;
  readonly failure: CrashFailure | null;
}

/** Every so many crashes the recovery is crashed too. */
const againEvery = 4;

/** Of so many recoveries one is played twice. */
const twiceEvery = 50;

interface Recording {
  readonly recorder: DiskRecorder;
  readonly hash: string;
  /** What was wrong while it ran; `null`: nothing. */
  readonly message: string | null;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Plays the scenario to its end, twice; throws when the runs differ. */
async function record(options: ExploreOptions): Promise<Recording> {
  const { scenario, seed, settle } = options;
  const profile = options.profile ?? null;
  const recorder = new DiskRecorder();
  const play = async (kept: DiskRecorder | null) => {
    const world = new World({ seed, settle, recorder: kept, profile });
    let message: string | null = null;
    try {
      await world.run(scenario.run(world));
    } catch (error) {
      message = textOf(error);
    }
    return { hash: world.traceHash, message };
  };
  const first = await play(recorder);
  const second = await play(null);
  if (first.hash !== second.hash || first.message !== second.message) {
    throw new Error(
      `scenario ${scenario.name} is not deterministic: seed ${seed} gave ${first.hash}, then ${second.hash}`,
    );
  }
  return { recorder, ...first };
}

/** Disks as a crash left them. */
interface Wreck {
  readonly images: ReadonlyMap<string, DiskImage>;
  readonly afterwards: ReadonlyMap<string, readonly Fault[]>;
}

class Exploration {
  readonly #options: ExploreOptions;
  readonly #recorder: DiskRecorder;
  readonly #player: HistoryPlayer;
  readonly #coverage = new Map<string, number>();
  readonly #places = new Set<number>();
  #again = 0;
  failure: CrashFailure | null = null;

  constructor(options: ExploreOptions, recorder: DiskRecorder) {
    this.#options = options;
    this.#recorder = recorder;
    this.#player = new HistoryPlayer(recorder);
  }

  report(hash: string): CrashReport {
    const { scenario, seed, points, profile } = this.#options;
    return {
      scenario: scenario.name,
      profile: profile?.name ?? null,
      seed,
      events: this.#recorder.events.length,
      points,
      places: this.#places.size,
      again: this.#again,
      traceHash: hash,
      coverage: Object.fromEntries([...this.#coverage].sort(([a], [b]) => (a < b ? -1 : 1))),
      failure: this.failure,
    };
  }

  /** The run itself went wrong. */
  failed(message: string): void {
    const events = this.#recorder.events.length;
    this.failure = {
      point: null,
      position: events,
      events,
      survival: "all",
      again: false,
      message,
    };
  }

  async crashAt(point: number): Promise<void> {
    const { seed, points } = this.#options;
    const random = new SeededRandom(seed).fork(`crash ${point}`);
    const events = this.#recorder.events.length;
    const position = Math.floor(((point + random.unit()) / points) * (events + 1));
    const survival = survivals[point % survivals.length] as Survival;
    this.#player.advanceTo(position);
    this.#places.add(position);
    this.#count(survival);
    const wreck = this.#wreck(this.#player, survival, random.fork("first"));
    const marks = this.#player.marks;
    const recorder = point % againEvery === 0 ? new DiskRecorder() : null;
    let again = false;
    try {
      const worldSeed = random.below(2 ** 40);
      const { hash, found } = await this.#recover(worldSeed, wreck, marks, recorder);
      this.#add(found);
      const twice = point % twiceEvery === 1;
      if (twice && hash !== (await this.#recover(worldSeed, wreck, marks)).hash) {
        throw new Error("the recovery is not deterministic: the second time its trace was another");
      }
      if (recorder !== null) {
        again = true;
        this.#again += 1;
        await this.#crashAgain(recorder, marks, random);
      }
    } catch (error) {
      this.failure = { point, position, events, survival, again, message: textOf(error) };
    }
  }

  #wreck(player: HistoryPlayer, survival: Survival, random: SeededRandom): Wreck {
    const images = imagesOf(player, survival, random);
    const { profile } = this.#options;
    const afterwards = new Map<string, readonly Fault[]>();
    for (const [name, image] of images) {
      if (profile !== undefined && profile !== null) {
        afterwards.set(name, decay(profile, image, random.fork(`decay of ${name}`)));
      }
    }
    return { images, afterwards };
  }

  #add(names: Iterable<string>): void {
    for (const name of names) {
      this.#coverage.set(name, (this.#coverage.get(name) ?? 0) + 1);
    }
  }

  /** Opens and checks what is left: what was found, and the trace's hash. */
  async #recover(
    seed: number,
    { images, afterwards }: Wreck,
    marks: readonly unknown[],
    recorder: DiskRecorder | null = null,
  ): Promise<{ readonly hash: string; readonly found: readonly string[] }> {
    const { scenario, settle, profile = null } = this.#options;
    const world = new World({ seed, settle, recorder, images, profile, afterwards });
    const found = await world.run(scenario.recover(world, marks));
    return { hash: world.traceHash, found };
  }

  /** Crashes the recovery as well. */
  async #crashAgain(
    recorder: DiskRecorder,
    marks: readonly unknown[],
    random: SeededRandom,
  ): Promise<void> {
    const player = new HistoryPlayer(recorder);
    player.advanceTo(random.below(recorder.events.length + 1));
    const survival = survivals[random.below(survivals.length)] as Survival;
    const wreck = this.#wreck(player, survival, random.fork("second"));
    const all = [...marks, ...player.marks];
    this.#add((await this.#recover(random.below(2 ** 40), wreck, all)).found);
  }

  #count(survival: Survival): void {
    const { scenario } = this.#options;
    const seen = new Set<string>([`kept: ${survival}`, ...scenario.cover(this.#player.marks)]);
    for (const { unflushed } of this.#player.disks.values()) {
      for (const write of unflushed.writes) {
        seen.add(`unflushed: ${scenario.classify(write)}`);
      }
    }
    this.#add(seen);
  }
}

function imagesOf(
  player: HistoryPlayer,
  survival: Survival,
  random: SeededRandom,
): ReadonlyMap<string, DiskImage> {
  const images = new Map<string, DiskImage>();
  for (const [name, { durable, unflushed }] of player.disks) {
    const image = new DiskImage(durable);
    unflushed.survive(image, survival, random);
    images.set(name, image);
  }
  return images;
}

/** Plays the crashes; ends at the first that is not survived. */
export async function exploreCrashes(options: ExploreOptions): Promise<CrashReport> {
  const { recorder, hash, message } = await record(options);
  const exploration = new Exploration(options, recorder);
  if (message !== null) {
    exploration.failed(message);
  }
  const only = options.only ?? null;
  for (let point = 0; point < options.points && exploration.failure === null; point += 1) {
    if (only === null || only === point) {
      await exploration.crashAt(point);
      options.onPoint?.(point + 1);
    }
  }
  return exploration.report(hash);
}

/** The one command that plays a crash again. */
export function replayCommand(report: CrashReport): string {
  const { scenario, profile, seed, points, failure } = report;
  const point = failure?.point ?? null;
  const only = point === null ? "" : ` --point ${point}`;
  const faults = profile === null ? "" : ` --profile ${profile}`;
  return `osdyno simulate ${scenario} --seed ${seed} --points ${points}${faults}${only}`;
}
