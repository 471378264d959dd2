/**
 * Power cuts while a store with an allocation file ends and is mounted again, at each event of a
 * recording: what is free is either what the file says or what the objects leave, never anything else.
 */
import { afterAll, describe, expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import type { DiskRecorder } from "../../engine/sim/history.ts";
import { plant } from "../../engine/store/planted-bugs.ts";
import type { Mark, Phase } from "../../engine/store/scenario-marks.ts";
import { hasRocksdb, NativeStorePlace } from "../conformance/native-store.ts";
import { type CutShape, Cutting, memory } from "./cutting.ts";
import { campaign, patienceMs, seed } from "./explore.ts";
import { recordStore } from "./recorded-store.ts";

/** Of each of the two: ending, and mounting with the first writes that follow. */
const pointsEach = campaign ? 400 : 14;
const transactions = 24;
const shape: CutShape = {
  name: "allocation file",
  kv: "rocksdb",
  objects: 6,
  filledBytes: 0,
  overwrites: false,
};

const places: NativeStorePlace[] = [];
afterAll(() => {
  for (const place of places) {
    place.dispose();
  }
});

async function recorded(bug: "stale-file" | null): Promise<DiskRecorder> {
  const place = new NativeStorePlace(shape, seed, memory);
  places.push(place);
  if (bug !== null) {
    place.change = (parts) => plant(bug, parts);
  }
  return await recordStore(place, { ...shape, seed, transactions });
}

/** Events from the first mark of one phase to the first of the other after it. */
function between({ events }: DiskRecorder, from: Phase, to: Phase): readonly [number, number] {
  const find = (phase: Phase, after: number): number =>
    events.findIndex((event, at) => {
      const mark = event.kind === "mark" ? (event.mark as Mark) : null;
      return at > after && mark?.kind === "phase" && mark.phase === phase;
    });
  const first = find(from, -1);
  return [first, find(to, first)];
}

async function cutIn(
  history: DiskRecorder,
  ranges: readonly (readonly [number, number])[],
  keeps: boolean,
) {
  const cutting = new Cutting(shape, history, keeps);
  let point = 0;
  for (const [first, end] of ranges) {
    for (let at = 0; at < pointsEach; at += 1) {
      const random = new SeededRandom(seed).fork(`cut ${point}`);
      const position = first + Math.floor(((at + random.unit()) / pointsEach) * (end - first));
      await cutting.cutBefore(position, point, random);
      point += 1;
    }
  }
  return cutting.coverage;
}

describe.skipIf(!hasRocksdb)("the allocation file", () => {
  it(
    `survives ${2 * pointsEach} power cuts while it is written and made stale, from seed ${seed}`,
    async () => {
      const history = await recorded(null);
      const ending = between(history, "unmounting", "unmounted");
      // Mounting, and what is written then until the next end.
      const mounting = [ending[1], ending[1] + 2 * (ending[1] - ending[0])] as const;
      const coverage = await cutIn(history, [ending, mounting], true);
      const rows = [...coverage].sort().map(([name, times]) => `${name} ${times}`);
      process.stdout.write(`allocation file: ${rows.join(", ")}\n`);
      expect([...coverage.keys()]).toEqual(
        expect.arrayContaining([
          "then: free space from the allocation file",
          "then: free space from the objects",
          "while: unmounting",
          "while: running",
        ]),
      );
    },
    patienceMs,
  );

  it(
    "a mount that does not make it stale is found",
    async () => {
      const history = await recorded("stale-file");
      const running = between(history, "running", "unmounting");
      await expect(cutIn(history, [running], false)).rejects.toThrow(
        /use the unit|space|fsck finds/,
      );
    },
    patienceMs,
  );
});
