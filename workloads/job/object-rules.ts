/** What a job does to objects: `io_unit=object` and `object_mix`. */
import {
  mixByDirection,
  noMix,
  type ObjectMix,
  type ObjectOp,
  objectOps,
} from "../../engine/store/objects/object-mix.ts";
import type { Draft } from "./draft.ts";
import type { GivenValue } from "./given-value.ts";
import { badInput } from "./place.ts";
import { placeOf, type Resolving } from "./resolving.ts";

/** `get:60,put:20,overwrite:10,delete:5,omap:5`: percent, 100 in all. */
export function readObjectMix(value: GivenValue): ObjectMix {
  const mix = { ...noMix };
  const seen = new Set<string>();
  for (const part of value.text().split(",")) {
    const [name = "", share = "", extra] = part.trim().split(":");
    const op = objectOps.find((each) => each === name);
    if (op === undefined || extra !== undefined || !/^\d+(\.\d+)?$/.test(share)) {
      throw value.refuse(
        `expected OPERATION:PERCENT, comma-separated, of ${objectOps.join(", ")}; as get:60,put:40`,
      );
    }
    if (seen.has(op)) {
      throw value.refuse(`${op} is given twice`);
    }
    seen.add(op);
    mix[op] = Number(share);
  }
  const sum = objectOps.reduce((total, op) => total + mix[op], 0);
  if (Math.abs(sum - 100) > 1e-9) {
    throw value.refuse(`the shares add up to ${sum} percent, not to 100`);
  }
  return mix;
}

/** Without `object_mix`, `rw` says what is done: reads are gets, writes puts, trims deletes. */
function mixOfMode(resolving: Resolving): ObjectMix {
  const { draft } = resolving;
  const one = (op: ObjectOp): ObjectMix => ({ ...noMix, [op]: 100 });
  switch (draft.rw) {
    case "read":
    case "randread":
      return one("get");
    case "write":
    case "randwrite":
      return one("put");
    case "trim":
    case "randtrim":
      return one("delete");
    case "rw":
    case "randrw":
      return { ...noMix, get: draft.rwmixread, put: 100 - draft.rwmixread };
    default:
      throw badInput(
        placeOf(resolving, "rw"),
        `rw=${draft.rw} with io_unit=object: say what is done with object_mix=, as put:50,delete:50`,
      );
  }
}

/** Null: operations are on blocks. Throws `bad-input` at the key that does not fit. */
export function resolveObjects(resolving: Resolving): ObjectMix | null {
  const { draft } = resolving;
  if (draft.ioUnit === "block") {
    if (draft.objectMix !== null) {
      throw badInput(placeOf(resolving, "object_mix"), "object_mix needs io_unit=object");
    }
    return null;
  }
  const unfit = ["read_iolog", "zonemode", "verify_only", "trim_percentage"].find((key) =>
    draft.places.has(key),
  );
  if (unfit !== undefined) {
    throw badInput(placeOf(resolving, unfit), `${unfit} is about blocks, and io_unit=object`);
  }
  return draft.objectMix ?? mixOfMode(resolving);
}

/** Of reads, writes and trims, percent; null: `rw` says it. */
export function objectShares(draft: Draft): readonly [number, number, number] | null {
  return draft.ioUnit === "object" && draft.objectMix !== null
    ? mixByDirection(draft.objectMix)
    : null;
}
