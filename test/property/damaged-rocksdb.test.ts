/**
 * Bits that turn over anywhere on the devices of a store on RocksDB that was ended cleanly: what is
 * damaged is refused, at mounting or for the object that it belongs to, and nothing wrong is returned.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, describe, expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { labelBytes } from "../../engine/store/bluestore/label.ts";
import { RandomStoreRun } from "../../engine/store/conformance-random.ts";
import { Unreadable } from "../../engine/store/conformance-session.ts";
import { expectation, idsIn, type Mark, playUntil } from "../../engine/store/scenario-marks.ts";
import { isReported, sessionOf } from "../../engine/store/scenario-recovery.ts";
import {
  hasRocksdb,
  NativeStorePlace,
  type NativeStoreShape,
  type Role,
} from "../conformance/native-store.ts";
import { FileLife } from "../crash/recorded-store.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const campaign = process.env["OSDYNO_CAMPAIGN"] === "1";
/** Damaged stores of each region. */
const cases = campaign ? 200 : 12;
const patienceMs = campaign ? 3_600_000 : 300_000;
const objects = 8;
const nothing = Buffer.alloc(65_536);
const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

const shapes: readonly NativeStoreShape[] = [
  { name: "rocksdb", kv: "rocksdb" },
  { name: "rocksdb on devices of its own", kv: "rocksdb", separate: true },
];

interface Extent {
  readonly role: Role;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** A store in peace, and what lies where on its devices. */
class Rested {
  readonly shape: NativeStoreShape;
  readonly files: ReadonlyMap<Role, Buffer>;
  readonly marks: readonly Mark[];
  readonly regions: Readonly<Record<string, readonly Extent[]>>;

  constructor(fields: Pick<Rested, "shape" | "files" | "marks" | "regions">) {
    this.shape = fields.shape;
    this.files = fields.files;
    this.marks = fields.marks;
    this.regions = fields.regions;
  }

  static async of(shape: NativeStoreShape): Promise<Rested> {
    const place = new NativeStorePlace(shape, seed, memory);
    const marks: Mark[] = [];
    const life = new FileLife(place, {
      seed,
      objects,
      filledBytes: 0,
      mark: (mark) => marks.push(mark),
    });
    await life.make();
    await life.mount();
    const run = new RandomStoreRun(sessionOf(life, seed), { steps: 0, remountEvery: 0, objects });
    await life.drive(run, 1, 120, "all");
    await life.unmount();
    const files = new Map(place.roles().map((role) => [role, readFileSync(place.path(role))]));
    await life.mount();
    const regions = { ...regionsOf(life), "ends of tables": tableTails(files) };
    life.abandon();
    place.dispose();
    return new Rested({ shape, files, marks, regions });
  }
}

function regionsOf(life: FileLife): Record<string, readonly Extent[]> {
  const { state } = life.store;
  const kv = state.kv.usedExtents().map((each) => ({ ...each, role: each.role as Role }));
  const taken = kv.filter(({ role }) => role === "main");
  const free: Extent[] = [];
  state.allocator.forEachFree((offsetBytes, lengthBytes) =>
    free.push({ role: "main", offsetBytes, lengthBytes }),
  );
  const data: Extent[] = [];
  let end = 65_536;
  for (const each of [...free, ...taken].sort((a, b) => a.offsetBytes - b.offsetBytes)) {
    if (each.offsetBytes > end) {
      data.push({ role: "main", offsetBytes: end, lengthBytes: each.offsetBytes - end });
    }
    end = each.offsetBytes + each.lengthBytes;
  }
  return {
    label: [{ role: "main", offsetBytes: 0, lengthBytes: labelBytes }],
    "superblock of BlueFS": [{ role: "main", offsetBytes: labelBytes, lengthBytes: 8192 }],
    "key-value store": kv,
    data,
  };
}

/** A place in the extents that bytes were written to. */
function draw(rested: Rested, extents: readonly Extent[], random: SeededRandom) {
  for (;;) {
    const { role, offsetBytes, lengthBytes } = extents[random.below(extents.length)] as Extent;
    const at = offsetBytes + random.below(lengthBytes);
    const block = rested.files.get(role)?.subarray(at - (at % 4096), at - (at % 4096) + 4096);
    if (block?.some((byte) => byte !== 0) === true || random.below(20) === 0) {
      return { role, at };
    }
  }
}

const chunkBytes = nothing.length;

function layOut(rested: Rested, place: NativeStorePlace): void {
  for (const [role, bytes] of rested.files) {
    const file = openSync(place.path(role), "w");
    ftruncateSync(file, bytes.length);
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      const chunk = bytes.subarray(at, at + chunkBytes);
      if (chunk.compare(nothing, 0, chunk.length) !== 0) {
        writeSync(file, chunk, 0, chunk.length, at);
      }
    }
    closeSync(file);
  }
}

function flip(place: NativeStorePlace, role: Role, at: number, mask: number): void {
  const file = openSync(place.path(role), "r+");
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  byte[0] = (byte[0] as number) ^ mask;
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

/** The most bits of a store. Much of what RocksDB has is logs and tables that count no more. */
const flips: Readonly<Record<string, number>> = { "key-value store": 60, "ends of tables": 4 };

/** Turns bits over; where. */
function harm(rested: Rested, name: string, place: NativeStorePlace, random: SeededRandom): string {
  const extents = rested.regions[name] ?? [];
  const places: string[] = [];
  const most = flips[name] ?? 1;
  for (let left = most === 1 ? 1 : 1 + random.below(most); left > 0; left -= 1) {
    const { role, at } = draw(rested, extents, random);
    flip(place, role, at, 1 << random.below(8));
    places.push(`${role} ${at}`);
  }
  return places.join(", ");
}

/** What every table of RocksDB 7.8 ends with; its properties and what says where they are lie before it. */
const tableMagic = Buffer.from("f7cff485b741e288", "hex");
const tailBytes = 1400;

/** The last bytes of every table, those that count no more too. */
function tableTails(files: Rested["files"]): readonly Extent[] {
  const tails: Extent[] = [];
  for (const [role, bytes] of files) {
    for (let at = bytes.indexOf(tableMagic); at >= 0; at = bytes.indexOf(tableMagic, at + 1)) {
      tails.push({ role, offsetBytes: at - tailBytes, lengthBytes: tailBytes + tableMagic.length });
    }
  }
  return tails;
}

type Outcome = "refused" | "partly" | "whole";

/** Mounts and reads all of it; throws if anything is wrong. */
async function outcomeOf(rested: Rested, place: NativeStorePlace): Promise<Outcome> {
  const life = new FileLife(place, { seed, objects, filledBytes: 0, mark: () => {} });
  try {
    await life.mount();
  } catch (error) {
    if (isReported(error)) {
      return "refused";
    }
    throw error;
  }
  try {
    const session = sessionOf(life, seed);
    const ids = await idsIn(session);
    const expected = expectation(rested.marks);
    expect(ids.newest, "what was ended cleanly is all there").toBe(expected.lastAcked);
    const how = { steps: 0, remountEvery: 0, objects, damaged: true };
    const run = new RandomStoreRun(session, how);
    playUntil(run, expected, ids);
    await run.compare(true);
    if (run.unreadable > 0) {
      expect(life.store.state.damage.join("\n"), "damage is told by name").toMatch(
        /object |shared blob |the list of /,
      );
    }
    return run.unreadable > 0 ? "partly" : "whole";
  } catch (error) {
    if (error instanceof Unreadable) {
      return "partly";
    }
    throw error;
  } finally {
    life.abandon();
  }
}

/** Whether the deep check finds what a mount cannot make anew, or cannot even open the store. */
async function isFound(place: NativeStorePlace): Promise<boolean> {
  try {
    const life = new FileLife(place, { seed, objects, filledBytes: 0, mark: () => {} });
    const { errors } = await life.fsck();
    return errors.some(({ message }) => !message.includes("ALLOCATOR_NCB_FILE"));
  } catch (error) {
    if (isReported(error)) {
      return true;
    }
    throw error;
  }
}

const allowed: Readonly<Record<string, readonly Outcome[]>> = {
  label: ["refused"],
  "superblock of BlueFS": ["refused", "whole"],
  "key-value store": ["refused", "partly", "whole"],
  "ends of tables": ["refused", "partly", "whole"],
  data: ["partly", "whole"],
};

describe.skipIf(!hasRocksdb).each(shapes)("$name", (shape) => {
  const places: NativeStorePlace[] = [];
  afterAll(() => {
    for (const place of places) {
      place.dispose();
    }
  });
  it(
    `bits turned over, ${cases} stores of each region, seed ${seed}`,
    async () => {
      const rested = await Rested.of(shape);
      const place = new NativeStorePlace(shape, seed, memory);
      places.push(place);
      for (const name of Object.keys(rested.regions)) {
        const random = new SeededRandom(seed).fork(name);
        const seen = new Map<Outcome, number>();
        for (let each = 0; each < cases; each += 1) {
          layOut(rested, place);
          const where = harm(rested, name, place, random);
          const what = `${shape.name}, ${name}, store ${each}: ${where}, seed ${seed}`;
          try {
            const found = await isFound(place);
            const outcome = await outcomeOf(rested, place);
            expect(allowed[name], what).toContain(outcome);
            expect(found, `${what}: ${outcome}, the deep check`).toBe(
              outcome !== "whole" || name === "data",
            );
            seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
          } catch (error) {
            throw new Error(`${what}: ${error instanceof Error ? error.message : error}`);
          }
        }
        const rows = [...seen].map(([outcome, times]) => `${outcome} ${times}`);
        const hurt = cases - (seen.get("whole") ?? 0);
        expect(hurt > 0 || name === "superblock of BlueFS", `${name}: some are hurt`).toBe(true);
        process.stdout.write(`${shape.name}, ${name}: ${rows.join(", ")}\n`);
      }
    },
    patienceMs,
  );
});
