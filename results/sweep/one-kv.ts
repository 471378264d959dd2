/**
 * One key-value store for all stores of a sweep. Where one of them cannot have the usual one, as with an
 * allocator in TypeScript, its figures would differ from the others' by two things, and only one was asked for.
 */
import { OsdynoError } from "../../engine/base/error.ts";
import { otherPaths } from "../../engine/store/store-devices.ts";
import { kvOfNewStore, withoutNativeSpace } from "../../engine/store/store-kv.ts";
import type { PlannedStore } from "../../workloads/store-plan.ts";
import type { Point } from "./points.ts";
import type { SweepSpec } from "./spec.ts";

const option = "bluestore_kvbackend";

/** A store that a point makes, and what holds its metadata. */
interface MadeStore {
  readonly point: Point;
  readonly kv: string;
  /** Why it is not the usual one although nobody chose it; null: it is, or somebody did. */
  readonly forcedBy: string | null;
  readonly chosen: boolean;
}

function madeStore(spec: SweepSpec, point: Point, store: PlannedStore): MadeStore | null {
  const { make, options, settings } = store;
  if (make === null) {
    return null;
  }
  const hasDb = otherPaths(options, null).db !== null;
  const allocator = options.text("bluestore_allocator");
  const { name: kv, note } = kvOfNewStore(options, make.sizeBytes, hasDb);
  const shaped = settings.some((each) => each.name === option && each.origin === "--shape");
  if (options.isSet(option) && kv === "rocksdb" && !hasDb && withoutNativeSpace(allocator)) {
    throw new OsdynoError(
      "bad-input",
      `point ${point.id}: rocksdb takes no space from allocator ${allocator}, which is in TypeScript; exclude that point, or choose ${option}=waltree`,
      { file: spec.file },
    );
  }
  const forcedBy = shaped ? "a shape has a device that RocksDB would not go through" : note;
  return { point, kv, forcedBy, chosen: options.isSet(option) && !shaped };
}

/**
 * The sweep whose points have one key-value store where nobody chose it, with a line that says why.
 * `stores[i]` are those of point i. Throws `bad-input` for a point whose store cannot be made as chosen.
 */
export function onOneKv(
  spec: SweepSpec,
  points: readonly Point[],
  stores: readonly (readonly PlannedStore[])[],
): SweepSpec {
  const made = points.flatMap((point, place) =>
    (stores[place] ?? []).flatMap((store) => madeStore(spec, point, store) ?? []),
  );
  const forced = made.find(({ forcedBy }) => forcedBy !== null);
  const usual = made.some(({ chosen, forcedBy }) => !chosen && forcedBy === null);
  if (forced === undefined || !usual) {
    return spec;
  }
  const why = forced.forcedBy?.replace(/^metadata is in \w+: /, "") ?? "";
  const note = `metadata of every point is in ${forced.kv}, so that they differ in nothing else: at ${forced.point.id} ${why}`;
  return {
    ...spec,
    set: { ...spec.set, [option]: forced.kv },
    notes: [...spec.notes.filter((each) => each !== note), note],
  };
}
