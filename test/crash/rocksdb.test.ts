/**
 * BlueStore on RocksDB, power cut at any place of a recording: every write and flush of every device,
 * by the store and by RocksDB's own threads, any part of what no flush made durable kept, torn. What is
 * left is laid out in files, mounted, compared and used; some of that is recorded and cut off as well.
 */
import { existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { type DiskRecorder, HistoryPlayer } from "../../engine/sim/history.ts";
import { DiskImage } from "../../engine/sim/image.ts";
import { type Survival, survivals } from "../../engine/sim/volatile-writes.ts";
import { covered, type Mark } from "../../engine/store/scenario-marks.ts";
import { checkAfterCrash } from "../../engine/store/scenario-recovery.ts";
import {
  hasRocksdb,
  NativeStorePlace,
  type NativeStoreShape,
} from "../conformance/native-store.ts";
import { campaign, patienceMs, seed } from "./explore.ts";
import { FileLife, layOut, Recording, recordStore } from "./recorded-store.ts";

/** Where the files are, in memory if there is such a place: what is durable the recording knows. */
const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
/** Of all shapes together. */
const totalPoints = campaign ? 1_000 : 100;
const transactions = 200;
/** Of so many crashes the recovery is cut off too. */
const againEvery = 5;

interface CutShape extends NativeStoreShape {
  readonly objects: number;
  /** Space that is taken from the beginning. */
  readonly filledBytes: number;
}

const usual = { kv: "rocksdb", objects: 8, filledBytes: 0 } as const;
/** Much metadata, so that RocksDB has to write tables. */
const small = { shardMaxBytes: 200, shardTargetBytes: 100, shardMinBytes: 30 };
const shapes: readonly CutShape[] = [
  { ...usual, name: "rocksdb", options: small },
  {
    ...usual,
    name: "rocksdb on a device that gets full",
    mainBytes: 64 << 20,
    objects: 24,
    filledBytes: 51 << 20,
    options: { allocationFromFile: false },
  },
  {
    ...usual,
    name: "rocksdb on devices of its own, bitmap freelist, deferred writes, compressed",
    separate: true,
    options: {
      allocationFromFile: false,
      preferDeferredBytes: 65536,
      deferredBatchOps: 4,
      maxDeferIntervalNs: 2e6,
      compressionMode: "force",
      compressionAlgorithm: "lz4",
      ...small,
    },
  },
];

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

class Cutting {
  readonly #shape: CutShape;
  readonly #history: DiskRecorder;
  readonly #player: HistoryPlayer;
  readonly coverage = new Map<string, number>();

  constructor(shape: CutShape, history: DiskRecorder) {
    this.#shape = shape;
    this.#history = history;
    this.#player = new HistoryPlayer(history);
  }

  #count(names: Iterable<string>): void {
    for (const name of names) {
      this.coverage.set(name, (this.coverage.get(name) ?? 0) + 1);
    }
  }

  async cut(point: number, points: number): Promise<void> {
    const random = new SeededRandom(seed).fork(`cut ${point}`);
    const { events } = this.#history;
    const position = Math.floor(((point + random.unit()) / points) * (events.length + 1));
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
      this.#count(await checkAfterCrash(life, marks, false));
      survived = true;
    } catch (error) {
      life.abandon();
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

describe.skipIf(!hasRocksdb)("BlueStore on RocksDB", () => {
  const places: NativeStorePlace[] = [];
  afterAll(() => {
    for (const place of places) {
      place.dispose();
    }
  });
  const rounds = campaign ? 5 : 1;
  const points = Math.ceil(totalPoints / shapes.length / rounds);

  it.each(shapes)(
    `$name: survives ${points * rounds} power cuts, from seed ${seed}`,
    async (shape) => {
      const coverage = new Map<string, number>();
      let events = 0;
      for (let round = 0; round < rounds; round += 1) {
        const place = new NativeStorePlace(shape, seed + round, memory);
        places.push(place);
        const history = await recordStore(place, {
          seed: seed + round,
          objects: shape.objects,
          filledBytes: shape.filledBytes,
          transactions,
        });
        events += history.events.length;
        const cutting = new Cutting(shape, history);
        for (let point = 0; point < points; point += 1) {
          await cutting.cut(point, points);
        }
        for (const [name, times] of cutting.coverage) {
          coverage.set(name, (coverage.get(name) ?? 0) + times);
        }
      }
      const rows = [...coverage].sort().map(([name, times]) => `${name} ${times}`);
      process.stdout.write(
        `${shape.name}: ${points * rounds} power cuts, ${events} events: ${rows.join(", ")}\n`,
      );
      expect([...coverage.keys()]).toEqual(
        expect.arrayContaining(["then: all there", "unflushed: main", "again while recovering"]),
      );
      if (shape.filledBytes > 0) {
        expect([...coverage.keys()]).toContain("after: a full device");
      }
    },
    patienceMs,
  );
});
