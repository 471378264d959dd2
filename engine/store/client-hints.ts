/**
 * What a store's clients say of the objects that they write, as librados' allocation hints: images say what
 * `rbd_compression_hint` says and that an object is written to its full size, others say what they know of
 * how it is used. Nothing is said unless an option says so: then no write carries a hint.
 */
import { OsdynoError } from "../base/error.ts";
import { nearestName } from "../base/nearest-name.ts";
import type { OptionSet } from "../options/option-set.ts";
import type { CollectionId } from "./collection.ts";
import type { ObjectName } from "./object-name.ts";
import { allocHints, type Transaction } from "./transaction.ts";

const hintsOption = "alloc_hints";
const compressionOption = "rbd_compression_hint";

const bitsByName: ReadonlyMap<string, number> = new Map(
  Object.entries(allocHints).map(([name, bit]) => [
    name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    bit,
  ]),
);

const bothCompressions = allocHints.compressible | allocHints.incompressible;

/** Bits of `allocHints` that the options ask for. Throws `bad-input`. */
export function clientHints(options: OptionSet): number {
  const said = options.text(compressionOption);
  let bits = said === "none" ? 0 : (bitsByName.get(said) ?? 0);
  for (const name of options.text(hintsOption).split(/[\s,+]+/)) {
    const bit = name === "" ? 0 : bitsByName.get(name);
    if (bit === undefined) {
      const names = [...bitsByName.keys()];
      const guess = nearestName(name, names);
      const what = guess === null ? `one of ${names.join(", ")}` : `did you mean ${guess}?`;
      throw new OsdynoError("bad-input", `${hintsOption}: there is no hint ${name}; ${what}`);
    }
    bits |= bit;
  }
  if ((bits & bothCompressions) === bothCompressions) {
    const both = `${hintsOption}=${options.text(hintsOption)}, ${compressionOption}=${said}`;
    throw new OsdynoError("bad-input", `${both}: objects are compressible or they are not`);
  }
  return bits;
}

/** Says it of each object once, before what is first written to it. */
export class HintTeller {
  readonly #expected: { objectBytes: number; writeBytes: number; hints: number };
  /** By number. */
  #told = new Uint8Array(1024);

  /** `expectedBytes`: of an object, and of what will have been written to it; 0: not known. */
  constructor(hints: number, expectedBytes: number) {
    this.#expected = { objectBytes: expectedBytes, writeBytes: expectedBytes, hints };
  }

  /** The object is there afterwards. */
  tell(
    transaction: Transaction,
    collection: CollectionId,
    object: ObjectName,
    number: number,
  ): void {
    if (this.#told[number] === 1) {
      return;
    }
    if (number >= this.#told.length) {
      const longer = new Uint8Array(2 * (number + 1));
      longer.set(this.#told);
      this.#told = longer;
    }
    this.#told[number] = 1;
    transaction.touch(collection, object).setAllocHint(collection, object, this.#expected);
  }

  /** It was removed, and what was said of it with it. */
  forget(number: number): void {
    if (number < this.#told.length) {
      this.#told[number] = 0;
    }
  }
}

/** `null`: nothing is to be said. */
export function hintTeller(hints: number, expectedBytes: number): HintTeller | null {
  return hints === 0 ? null : new HintTeller(hints, expectedBytes);
}
