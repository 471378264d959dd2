/**
 * Bits that turn over anywhere on the device of a store that was ended cleanly: what is damaged is
 * refused, by a line at mounting or as EIO at reading, and nothing wrong is ever returned.
 */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { DiskRecorder } from "../../engine/sim/history.ts";
import { DiskImage } from "../../engine/sim/image.ts";
import { World } from "../../engine/sim/world.ts";
import { labelBytes, reservedBytes } from "../../engine/store/bluestore/label.ts";
import { RandomStoreRun } from "../../engine/store/conformance-random.ts";
import { usualScenario } from "../../engine/store/crash-scenarios.ts";
import { type BlueStoreScenarioOptions, Life } from "../../engine/store/scenario-life.ts";
import { expectation, idsIn, type Mark, playUntil } from "../../engine/store/scenario-marks.ts";
import { checkStructure, isReported, sessionOf } from "../../engine/store/scenario-recovery.ts";
import { settle } from "../conformance/kv-subjects.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const campaign = process.env["OSDYNO_CAMPAIGN"] === "1";
/** Damaged images of each region. */
const cases = campaign ? 2_000 : 40;
const patienceMs = campaign ? 3_600_000 : 120_000;

const small = {
  shardMaxBytes: 200,
  shardTargetBytes: 100,
  shardMinBytes: 30,
};
const shapes: readonly BlueStoreScenarioOptions[] = [
  { ...usualScenario, name: "one device", describe: "" },
  {
    ...usualScenario,
    name: "small shards, compressed, bitmap freelist",
    describe: "",
    allocator: "bitmap",
    options: {
      ...small,
      allocationFromFile: false,
      compressionMode: "force",
      compressionAlgorithm: "zstd",
      checksumType: "xxhash64",
    },
  },
];

type Extents = readonly (readonly [offset: number, length: number])[];

interface Ended {
  readonly image: DiskImage;
  readonly marks: readonly Mark[];
  readonly regions: Readonly<Record<string, Extents>>;
}

/** A history without a crash, and what lies where at its end. */
async function ended(options: BlueStoreScenarioOptions): Promise<Ended> {
  const recorder = new DiskRecorder();
  const world = new World({ seed, settle, recorder });
  const life = new Life(world, options, true);
  await world.run(
    (async () => {
      await life.make();
      await life.mount();
      const how = { steps: 0, remountEvery: 0, objects: options.objects };
      await life.drive(new RandomStoreRun(sessionOf(life, seed), how), 1, 50, "all");
      await life.unmount();
    })(),
  );
  const image = world.disks.get("main")?.disk.image ?? new DiskImage();
  const marks = recorder.events.flatMap((each) =>
    each.kind === "mark" ? [each.mark as Mark] : [],
  );
  return { image, marks, regions: await regionsOf(options, image) };
}

async function regionsOf(options: BlueStoreScenarioOptions, image: DiskImage) {
  const world = new World({ seed, settle, images: new Map([["main", image]]) });
  const life = new Life(world, options, false);
  const free: [number, number][] = [];
  const kv: [number, number][] = [];
  await world.run(
    (async () => {
      await life.mount();
      const { state } = life.store;
      state.allocator.forEachFree((offset, length) => free.push([offset, length]));
      kv.push(
        ...state.kv
          .usedExtents()
          .map((each) => [each.offsetBytes, each.lengthBytes] as [number, number]),
      );
      life.store.abandon();
    })(),
  );
  const data: [number, number][] = [];
  let end = reservedBytes;
  for (const [offset, length] of [...free, ...kv].sort(([a], [b]) => a - b)) {
    if (offset > end) {
      data.push([end, offset - end]);
    }
    end = offset + length;
  }
  return {
    label: [[0, labelBytes]],
    "key-value superblocks": [[labelBytes, 2 * 4096]],
    "unused head": [[labelBytes + 2 * 4096, reservedBytes - labelBytes - 2 * 4096]],
    "key-value store": kv,
    data,
    "free space": free,
  } satisfies Record<string, Extents>;
}

/** A place in the extents, every byte as likely as the other. */
function draw(extents: Extents, random: SeededRandom): number {
  const total = extents.reduce((sum, [, length]) => sum + length, 0);
  let at = random.below(total);
  for (const [offset, length] of extents) {
    if (at < length) {
      return offset + at;
    }
    at -= length;
  }
  throw new Error("a place lies beyond its extents");
}

function flipped(image: DiskImage, extents: Extents, random: SeededRandom): DiskImage {
  const damaged = new DiskImage(image);
  const byte = new Uint8Array(1);
  for (let left = 1 + random.below(3); left > 0; left -= 1) {
    const at = draw(extents, random);
    damaged.read(at, byte);
    byte[0] = (byte[0] as number) ^ (1 << random.below(8));
    damaged.write(at, byte);
  }
  return damaged;
}

type Outcome = "refused" | "partly" | "whole";

/** What the deep check finds; `null`: it cannot even open the store. */
async function foundIn(
  options: BlueStoreScenarioOptions,
  image: DiskImage,
): Promise<number | null> {
  const world = new World({ seed, settle, images: new Map([["main", image]]) });
  try {
    return (await world.run(new Life(world, options, false).fsck())).total;
  } catch (error) {
    if (isReported(error)) {
      return null;
    }
    throw error;
  }
}

/** Mounts a damaged image and reads all of it; throws if anything is wrong. */
async function outcomeOf(
  options: BlueStoreScenarioOptions,
  image: DiskImage,
  marks: readonly Mark[],
): Promise<Outcome> {
  const world = new World({ seed, settle, images: new Map([["main", image]]) });
  const life = new Life(world, options, false);
  const read = async (): Promise<Outcome> => {
    try {
      await life.mount();
    } catch (error) {
      if (isReported(error)) {
        return "refused";
      }
      throw error;
    }
    await checkStructure(life);
    const session = sessionOf(life, seed);
    const ids = await idsIn(session);
    const expected = expectation(marks);
    expect(ids.newest, "what was ended cleanly is all there").toBe(expected.lastAcked);
    const how = { steps: 0, remountEvery: 0, objects: options.objects, damaged: true };
    const run = new RandomStoreRun(session, how);
    playUntil(run, expected, ids);
    await run.compare(true);
    life.store.abandon();
    return run.unreadable > 0 ? "partly" : "whole";
  };
  return await world.run(read());
}

/** What may follow from damage in a region. */
const allowed: Readonly<Record<string, readonly Outcome[]>> = {
  label: ["refused"],
  "key-value superblocks": ["whole", "refused"],
  "unused head": ["whole"],
  // Part of it is kept in reserve, or was written long ago and counts no more.
  "key-value store": ["whole", "refused"],
  // Blobs may hold parts that no extent refers to.
  data: ["partly", "whole"],
  "free space": ["whole"],
};

describe.each(shapes)("$name", (options) => {
  it(
    `bits turned over, ${cases} images of each region, seed ${seed}`,
    async () => {
      const { image, marks, regions } = await ended(options);
      for (const [name, extents] of Object.entries(regions)) {
        const random = new SeededRandom(seed).fork(name);
        const seen = new Map<Outcome, number>();
        for (let each = 0; each < cases; each += 1) {
          const what = `${options.name}, ${name}, image ${each}, seed ${seed}`;
          const damaged = flipped(image, extents, random);
          let outcome: Outcome;
          let found: number | null;
          try {
            found = await foundIn(options, damaged);
            outcome = await outcomeOf(options, damaged, marks);
          } catch (error) {
            throw new Error(`${what}: ${error instanceof Error ? error.message : error}`);
          }
          expect(allowed[name], what).toContain(outcome);
          // Every bit of data counts to the deep check, also of parts that no extent refers to.
          const hurt = outcome !== "whole" || name === "data";
          expect(found === null || found > 0, `${what}: ${outcome}, fsck: ${found}`).toBe(hurt);
          seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
        }
        const rows = [...seen].map(([outcome, times]) => `${outcome} ${times}`);
        process.stdout.write(`${options.name}, ${name}: ${rows.join(", ")}\n`);
        const worst = allowed[name]?.at(name === "data" ? 0 : -1) ?? "whole";
        if (name !== "key-value superblocks") {
          expect(seen.get(worst) ?? 0, `${name}: ${worst}`).toBeGreaterThan(0);
        }
      }
    },
    patienceMs,
  );
});
