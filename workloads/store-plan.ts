/** What a plan does with object stores: which it opens, which it makes, how large. */
import { OsdynoError } from "../engine/base/error.ts";
import { OptionSet } from "../engine/options/option-set.ts";
import type { ResolvedJob } from "./job/model.ts";
import type { PlannedFile, PlannedJob } from "./plan-model.ts";
import { refuse } from "./planned-path.ts";
import { resolveExisting } from "./scratch.ts";
import {
  objectBytesOf,
  parseStoreTarget,
  type StorePlace,
  type StoreTarget,
  storeBytesFor,
  storePlace,
  volumeBytes,
  volumeBytesOf,
} from "./store-target.ts";

/** A store that a run uses. */
export interface PlannedStore {
  /** The path of its planned files. */
  readonly text: string;
  /** What the path leads to. */
  readonly path: string;
  readonly place: StorePlace;
  /** It is made, with so many bytes; null: it is there. */
  readonly make: { readonly sizeBytes: number; readonly objectBytes: number } | null;
  readonly options: OptionSet;
}

/** The region of one job on a store's volume. `start` and `asked` count from its size. */
export function storeFile(
  job: ResolvedJob,
  target: StoreTarget,
  region: {
    readonly unit: number;
    readonly start: (whole: number) => number;
    /** Null: all that is behind the start. */
    readonly asked: (whole: number) => number | null;
  },
): PlannedFile {
  const place = storePlace(resolveExisting(target.path));
  const known = volumeBytes(target, place);
  const whole = known ?? job.filesizeBytes?.max ?? 0;
  const offset = region.start(whole);
  let size = region.asked(whole) ?? whole - offset;
  size -= size % region.unit;
  if (size <= 0) {
    refuse(job, `target ${target.text} has no size; add size= to the job or ?size= to the target`);
  }
  if (known !== null && offset + size > known) {
    const needed = storeBytesFor(offset + size);
    refuse(
      job,
      `the volume of ${target.text} has ${known} bytes, the job wants ${offset + size}; lower size= or make a store of size=${needed} or more`,
    );
  }
  return {
    path: target.text,
    kind: "store",
    offsetBytes: offset,
    sizeBytes: size,
    fileBytes: offset + size,
    created: place.kind === "absent",
  };
}

function planned(target: StoreTarget, neededBytes: number): PlannedStore {
  const path = resolveExisting(target.path);
  const place = storePlace(path);
  const options = new OptionSet({
    layers: new Set(["store"]),
    kind: "ssd",
    settings: target.settings,
  });
  if (place.kind === "foreign") {
    throw new OsdynoError(
      "unsafe",
      `will not write to ${path}: it is there and holds no object store; name another path`,
    );
  }
  const sizeBytes = target.sizeBytes ?? storeBytesFor(neededBytes);
  const make = place.kind === "store" ? null : { sizeBytes, objectBytes: objectBytesOf(target) };
  return { text: target.text, path, place, make, options };
}

/** The stores of planned jobs. Throws `bad-input` for one that two jobs describe differently. */
export function storesOf(jobs: readonly PlannedJob[]): readonly PlannedStore[] {
  const needed = new Map<string, number>();
  for (const file of jobs.flatMap((job) => job.files).filter(({ kind }) => kind === "store")) {
    needed.set(file.path, Math.max(needed.get(file.path) ?? 0, file.fileBytes));
  }
  const stores = [...needed].map(([text, bytes]) => planned(parseStoreTarget(text), bytes));
  for (const [index, store] of stores.entries()) {
    const other = stores.slice(0, index).find(({ path }) => path === store.path);
    if (other !== undefined) {
      throw new OsdynoError(
        "bad-input",
        `targets ${other.text} and ${store.text} are one store with different options; give all jobs the same`,
      );
    }
  }
  return stores;
}

/** Bytes of the volume of a planned store. */
export function plannedVolumeBytes({ make, place }: PlannedStore): number {
  const store = place.kind === "store" ? place.label.sizeBytes : 0;
  return volumeBytesOf(make?.sizeBytes ?? store);
}
