/** A waltree with damaged fragments: fsck names them and what they hide, and checks the rest. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import {
  decodeSuperblock,
  type FragmentHead,
  fragmentKinds,
  leastBlockBytes,
  openFragment,
  type Superblock,
  superblockOffsets,
} from "../../engine/hot/kv/waltree-format.ts";
import { objectName } from "../../engine/store/object-name.ts";
import {
  apply,
  damaged,
  disposeOfStore,
  done,
  fsck,
  id,
  mountAgain,
  pathOfStore,
  shape,
} from "./fsck-fixture.ts";

afterEach(disposeOfStore);

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const manyObjects = 60;
const nameOf = (index: number): string => `many ${String(index).padStart(2, "0")}`;

interface Place {
  readonly at: number;
  readonly head: FragmentHead;
}

/** A store whose checkpoint has several runs of records, and whose log goes on after it. */
async function made(): Promise<Uint8Array> {
  await damaged(shape("waltree", true), async (store) => {
    for (let index = 0; index < manyObjects; index += 1) {
      const object = objectName({ pool: 1, name: nameOf(index) });
      const attrs = new Map([["large", new Uint8Array(30_000).fill(index)]]);
      await apply(store, (t) => t.touch(id, object).setAttrs(id, object, attrs));
    }
    // Until a checkpoint has all of them.
    while ((store.state.kv.counters()["checkpoints"] ?? 0) < 3) {
      await apply(store, (t) =>
        t.omapSet(
          id,
          objectName({ pool: 1, name: "plain" }),
          new Map([["k", new Uint8Array(60_000)]]),
        ),
      );
    }
  });
  const { store, close } = await mountAgain();
  for (let index = 0; index < 9; index += 1) {
    await apply(store, (t) => t.touch(id, objectName({ pool: 1, name: `late ${index}` })));
  }
  expect(await done<number>((end) => store.unmount(end))).toBe(0);
  close();
  return new Uint8Array(readFileSync(pathOfStore()));
}

/** The fragments that count, of the checkpoint or of the log. */
function fragments(image: Uint8Array, stream: "checkpoint" | "log"): readonly Place[] {
  const copies = superblockOffsets.map((at) => decodeSuperblock(image.subarray(at, at + 4096)));
  const superblock = (copies as Superblock[]).sort(
    (a, b) => b.sequence - a.sequence,
  )[0] as Superblock;
  const { storeId, checkpointNumber, log } = superblock;
  const number = stream === "log" ? 0 : checkpointNumber;
  const least = stream === "log" ? log.sequence : 1;
  const found: Place[] = [];
  for (let at = 65_536; at < image.length; at += leastBlockBytes) {
    const head = openFragment(image.subarray(at, at + (1 << 20)), { storeId, number });
    if (head !== null && head.sequence >= least) {
      found.push({ at, head });
    }
  }
  return found.sort((a, b) => a.head.sequence - b.head.sequence);
}

function damage(image: Uint8Array, places: readonly number[]): Uint8Array {
  const hurt = image.slice();
  for (const at of places) {
    hurt[at] = (hurt[at] as number) ^ 32;
  }
  writeFileSync(pathOfStore(), hurt);
  return hurt;
}

test("fragments of a checkpoint, of the log, and the last of both", async () => {
  const image = await made();
  expect((await fsck({ deep: true })).errors).toEqual([]);
  const whole = (await fsck({})).counts;
  const entries = fragments(image, "checkpoint").filter(
    ({ head }) => head.kind === fragmentKinds.entries,
  );
  expect(entries.length).toBeGreaterThan(5);

  // One in the middle: the objects next to it are named, the others are checked.
  const middle = entries[Math.floor(entries.length / 2)] as Place;
  const hurt = damage(image, [middle.at + 60]);
  for (const repair of [false, true]) {
    const { opened, counts, errors } = await fsck({ deep: true, repair });
    const [first] = errors.filter(({ kind }) => kind === "metadata");
    expect(opened).toBe(true);
    expect(first).toMatchObject({ repair: "no" });
    expect(first?.message).toMatch(
      new RegExp(
        `^waltree: fragment ${middle.head.sequence} of the checkpoint, at offset ${middle.at}, is damaged: ` +
          "(objects from .+ to .+|.+; .+) cannot be read, or not all of their records$",
      ),
    );
    expect(counts.objects).toBeGreaterThan(whole.objects / 2);
    expect(counts.objects).toBeLessThan(whole.objects);
    expect(errors.map(({ repair: its }) => its)).not.toContain("done");
  }
  expect(Buffer.compare(readFileSync(pathOfStore()), hurt), "nothing is written").toBe(0);
  await expect(mountAgain()).rejects.toThrow(
    /of the checkpoint.* is damaged; osdyno fsck \S+ says/,
  );

  // One of the log.
  const commits = fragments(image, "log").filter(({ head }) => head.kind === fragmentKinds.commit);
  const early = commits[commits.length - 6] as Place;
  damage(image, [early.at + 60]);
  const inLog = await fsck({});
  expect(
    inLog.errors.filter(({ kind }) => kind === "metadata").map(({ message }) => message),
  ).toEqual([
    `waltree: fragment ${early.head.sequence} of the log, at offset ${early.at}, is damaged: ` +
      "what these commits changed is missing, or as it was before",
  ]);
  expect(inLog.counts.objects).toBeGreaterThanOrEqual(whole.objects - 2);

  // The last one, of which a clean end tells.
  const last = commits.at(-1) as Place;
  damage(image, [last.at + 60]);
  const atEnd = await fsck({});
  expect(atEnd.errors[0]?.message).toMatch(/^waltree: fragment \d+ of the log, at offset/);

  // The beginning, with the store's own records: nothing can be told of the rest.
  damage(image, [entries[0]?.at ?? 0]);
  const none = await fsck({});
  const text = none.errors.map(({ message }) => message).join("\n");
  expect(text).toMatch(/^\S*waltree: fragment 1 of the checkpoint|: waltree: fragment 1 of the/);
});

test(`bits anywhere in it, seed ${seed}: told, never an error of another kind`, async () => {
  const image = await made();
  const random = new SeededRandom(seed);
  const places = [...fragments(image, "checkpoint"), ...fragments(image, "log")];
  for (let round = 0; round < 12; round += 1) {
    const hurt = Array.from({ length: 1 + random.below(3) }, () => {
      const { at, head } = places[random.below(places.length)] as Place;
      return at + random.below(48 + head.payloadBytes);
    });
    damage(image, hurt);
    const { total, errors } = await fsck({ deep: true });
    const what = `bytes ${hurt.join(", ")}, seed ${seed}`;
    expect(total, what).toBeGreaterThan(0);
    expect(
      errors.some(({ kind }) => kind === "metadata"),
      what,
    ).toBe(true);
    for (const { message } of errors) {
      expect(message, what).not.toMatch(/\n|undefined|NaN|TypeError/);
    }
  }
});
