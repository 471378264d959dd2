/** Cuts of the power at places of a recording of a store on files, and what comes of them. */
import { existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "../../engine/base/random.ts";
import { type DiskRecorder, HistoryPlayer } from "../../engine/sim/history.ts";
import { DiskImage } from "../../engine/sim/image.ts";
import { type Survival, survivals } from "../../engine/sim/volatile-writes.ts";
import { covered, type Mark } from "../../engine/store/scenario-marks.ts";
import { checkOverwritten } from "../../engine/store/scenario-overwrite.ts";
import { checkAfterCrash } from "../../engine/store/scenario-recovery.ts";
import { NativeStorePlace, type NativeStoreShape } from "../conformance/native-store.ts";
import { seed } from "./explore.ts";
import { FileLife, layOut, Recording } from "./recorded-store.ts";

/** Where the files are, in memory if there is such a place: what is durable the recording knows. */
export const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
/** Of so many crashes the recovery is cut off too. */
const againEvery = 5;

export interface CutShape extends NativeStoreShape {
  readonly objects: number;
  /** Space that is taken from the beginning. */
  readonly filledBytes: number;
  /** The recording is of units that are overwritten, and of nothing else. */
  readonly overwrites: boolean;
}

interface Cut {
  readonly images: ReadonlyMap<string, DiskImage>;
  readonly marks: readonly Mark[];
}

function cutAt(player: HistoryPlayer, survival: Survival, random: SeededRandom): Cut {
  const images = new Map<string, DiskImage>();
  for (const [name, { durable, unflushed }] of player.disks) {
    const image = new DiskImage(durable);
    unflushed.survive(image, survival, random);
    images.set(name, image);
  }
  return { images, marks: player.marks as readonly Mark[] };
}

export class Cutting {
  readonly #keeps: boolean;
  readonly #shape: CutShape;
  readonly #history: DiskRecorder;
  readonly #player: HistoryPlayer;
  readonly coverage = new Map<string, number>();

  /** `keeps`: what a cut left that the store does not survive is kept for whoever looks into it. */
  constructor(shape: CutShape, history: DiskRecorder, keeps = true) {
    this.#keeps = keeps;
    this.#shape = shape;
    this.#history = history;
    this.#player = new HistoryPlayer(history);
  }

  #count(names: Iterable<string>): void {
    for (const name of names) {
      this.coverage.set(name, (this.coverage.get(name) ?? 0) + 1);
    }
  }

  /** One of so many cuts, spread over all of the history, in order. */
  async cut(point: number, points: number): Promise<void> {
    const random = new SeededRandom(seed).fork(`cut ${point}`);
    const { events } = this.#history;
    const position = Math.floor(((point + random.unit()) / points) * (events.length + 1));
    await this.cutBefore(position, point, random);
  }

  /** Before this event of the history; not before one that was cut at already. */
  async cutBefore(position: number, point: number, random: SeededRandom): Promise<void> {
    const survival = survivals[point % survivals.length] as Survival;
    this.#player.advanceTo(position);
    const first = cutAt(this.#player, survival, random);
    const lost = [...this.#player.disks].flatMap(([name, { unflushed }]) =>
      unflushed.size > 0 ? [`unflushed: ${name}`] : [],
    );
    this.#count(new Set([`kept: ${survival}`, ...covered(first.marks), ...lost]));
    const recorder = await this.#recover(first, point, point % againEvery === 0);
    if (recorder !== null) {
      const player = new HistoryPlayer(recorder);
      player.advanceTo(random.below(recorder.events.length + 1));
      const again = cutAt(player, survivals[random.below(survivals.length)] as Survival, random);
      const marks = [...first.marks, ...again.marks];
      await this.#recover({ images: again.images, marks }, point, false);
      this.#count(["again while recovering"]);
    }
  }

  /** Mounts and checks; the history of that, if it is asked for. */
  async #recover(
    { images, marks }: Cut,
    point: number,
    recorded: boolean,
  ): Promise<DiskRecorder | null> {
    const { objects, filledBytes } = this.#shape;
    const place = new NativeStorePlace(this.#shape, seed + point, memory);
    layOut(place, images);
    const recording = recorded ? new Recording(place) : null;
    const mark = recording?.mark ?? (() => {});
    const life = new FileLife(place, { seed: seed + point, objects, filledBytes, mark });
    let survived = false;
    try {
      const random = new SeededRandom(seed).fork(`after ${point}`);
      const checked = this.#shape.overwrites
        ? checkOverwritten(life, marks, random, false)
        : checkAfterCrash(life, marks, false);
      this.#count(await checked);
      survived = true;
    } catch (error) {
      life.abandon();
      if (!this.#keeps) {
        place.dispose();
        throw error;
      }
      // The devices as the crash left them, for whoever looks into it.
      for (const [role, image] of images) {
        const bytes = new Uint8Array(place.sizeOf(role));
        image.read(0, bytes);
        writeFileSync(join(place.folder, role), bytes);
      }
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`cut ${point}: ${message}; what was left is in ${place.folder}`, {
        cause: error,
      });
    } finally {
      if (survived) {
        place.dispose();
      }
    }
    return recording?.history(images) ?? null;
  }
}
