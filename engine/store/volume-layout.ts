/** How a volume lies on a store: objects of one size in a pool, spread over collections. */
import { OsdynoError } from "../base/error.ts";
import { type CollectionId, collectionIdOf } from "./collection.ts";
import { type ObjectName, objectName } from "./object-name.ts";
import { type ObjectStore, storeErrnos } from "./object-store.ts";
import { Transaction } from "./transaction.ts";

/** What a store remembers of its volume. */
export interface VolumeHeader {
  readonly objectBytes: number;
  /** Collections are 2 to the power of this. */
  readonly collectionBits: number;
}

/** The pool of a volume's objects. */
const pool = 1;
const meta = "meta";
const headerObject = objectName({ pool: -1, name: "volume" });
const headerAttr = "header";

/** As many collections as a pool of small size has placement groups: their writes do not wait for each other. */
export const defaultCollectionBits = 5;
/** Ceph's own for images and files. */
export const defaultObjectBytes = 4 * 2 ** 20;

/** Where the bytes of a volume are; names are made once. */
export class VolumeLayout {
  readonly objectBytes: number;
  readonly collectionBits: number;
  readonly #objects = new Map<number, ObjectName>();
  readonly #collections: readonly CollectionId[];

  constructor({ objectBytes, collectionBits }: VolumeHeader) {
    this.objectBytes = objectBytes;
    this.collectionBits = collectionBits;
    this.#collections = Array.from({ length: 2 ** collectionBits }, (_, seed) =>
      collectionIdOf(pool, seed),
    );
  }

  object(index: number): ObjectName {
    let name = this.#objects.get(index);
    if (name === undefined) {
      const number = index.toString(16).padStart(16, "0");
      name = objectName({ pool, hash: hashOf(index), name: `volume.${number}` });
      this.#objects.set(index, name);
    }
    return name;
  }

  collection(index: number): CollectionId {
    return this.#collections[hashOf(index) % this.#collections.length] as CollectionId;
  }

  /** Every collection of the volume. */
  get collections(): readonly CollectionId[] {
    return this.#collections;
  }
}

/** Odd, so that neighbours are in different collections and all collections get as many. */
function hashOf(index: number): number {
  return Math.imul(index, 0x9e3779b1) >>> 0;
}

function submitted(store: ObjectStore, transaction: Transaction): Promise<number> {
  return new Promise((resolve) => store.submit(transaction, resolve));
}

/** Makes a volume on a store that is empty. Throws `io` with one line. */
export async function makeVolume(
  store: ObjectStore,
  header: VolumeHeader,
  name: string,
): Promise<void> {
  const transaction = new Transaction().createCollection(meta, 0).touch(meta, headerObject);
  const text = JSON.stringify(header);
  transaction.setAttrs(
    meta,
    headerObject,
    new Map([[headerAttr, Uint8Array.from(text, (character) => character.charCodeAt(0))]]),
  );
  for (const collection of new VolumeLayout(header).collections) {
    transaction.createCollection(collection, header.collectionBits);
  }
  const result = await submitted(store, transaction);
  if (result < 0) {
    throw new OsdynoError("io", `${name}: making its volume failed with errno ${-result}`);
  }
}

/** The header of the volume that a store has; throws `bad-input` when it has none, `io` when it is damaged. */
export async function readVolume(store: ObjectStore, name: string): Promise<VolumeHeader> {
  const [errno, attrs] = await new Promise<[number, ReadonlyMap<string, Uint8Array> | null]>(
    (resolve) => store.attrs(meta, headerObject, (...answer) => resolve(answer)),
  );
  const bytes = attrs?.get(headerAttr);
  if (bytes === undefined) {
    const none = errno === -storeErrnos.ENOENT || errno === 0;
    throw new OsdynoError(
      none ? "bad-input" : "io",
      none
        ? `${name}: the store in it has no volume: it was not made as a target, or not to its end; give fresh=1 and --destroy to make it anew`
        : `${name}: reading the header of its volume failed with errno ${-errno}`,
    );
  }
  try {
    const { objectBytes, collectionBits } = JSON.parse(String.fromCharCode(...bytes));
    if (Number.isSafeInteger(objectBytes) && Number.isSafeInteger(collectionBits)) {
      return { objectBytes, collectionBits };
    }
  } catch {
    // Told below.
  }
  throw new OsdynoError("io", `${name}: the header of its volume is damaged`);
}
