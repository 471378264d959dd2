/**
 * A process that writes to the volume of a store until it is killed, and tells what was acknowledged:
 * `node store-writer.ts PATH SEED GENERATION` prints a line `CELL GENERATION` for each write that ended.
 */
import { writeSync } from "node:fs";
import { SeededRandom } from "../../engine/base/random.ts";
import { OptionSet } from "../../engine/options/option-set.ts";
import { opKinds } from "../../engine/port/block-device.ts";
import { RealStore } from "../../engine/store/real-store.ts";
import { StoreVolume, volumeCounters } from "../../engine/store/volume.ts";
import { readVolume, VolumeLayout } from "../../engine/store/volume-layout.ts";

/** Some cells lie across the bounds of objects of 40 KiB: they are written whole or not at all, too. */
export const cellBytes = 16_384;
export const cellCount = 200;
export const objectBytes = 40_960;
const sectorBytes = 512;
const depth = 16;

/** What a cell holds after its write of that generation: every sector says which, and where. */
export function fillCell(into: Uint8Array, cell: number, generation: number): void {
  const view = new DataView(into.buffer, into.byteOffset, cellBytes);
  for (let at = 0; at < cellBytes; at += 4) {
    view.setUint32(at, Math.imul(cell * 65_599 + generation, at + 1), true);
  }
  for (let at = 0; at < cellBytes; at += sectorBytes) {
    view.setUint32(at, cell, true);
    view.setUint32(at + 4, generation, true);
  }
}

export async function openVolume(path: string): Promise<{ real: RealStore; volume: StoreVolume }> {
  const real = await RealStore.open({
    path,
    options: new OptionSet({ layers: new Set(["store"]), kind: "ssd", settings: [] }),
    deviceClass: "ssd",
    classReason: "",
    sizeBytes: 0,
    random: new SeededRandom(1),
    slotBytes: cellBytes,
    userSlots: depth,
  });
  const volume = new StoreVolume({
    store: real.store,
    driver: real.driver,
    layout: new VolumeLayout(await readVolume(real.store, path)),
    clock: real.clock,
    firstSlot: real.firstUserSlot,
    slots: depth,
    notes: [],
    counters: volumeCounters(),
    closed: () => {},
    facts: {
      ...real.deviceFacts,
      sizeBytes: cellCount * cellBytes,
      blockBytes: cellBytes,
      queueDepth: depth,
    },
  });
  return { real, volume };
}

async function write(path: string, seed: number, first: number): Promise<void> {
  const random = new SeededRandom(seed);
  const { volume } = await openVolume(path);
  const under = new Map<number, { readonly cell: number; readonly generation: number }>();
  const busy = new Set<number>();
  let generation = first;
  const slots = Array.from({ length: depth }, (_, slot) => slot);
  const { bytes, slotBytes } = volume.arena;
  const step = (): void => {
    for (let got = volume.poll(depth); got > 0; got = volume.poll(depth)) {
      for (let at = 0; at < got; at += 1) {
        const slot = volume.completions.tag[at] as number;
        const done = under.get(slot);
        if (done === undefined || volume.completions.result[at] !== cellBytes) {
          throw new Error(`a write gave ${volume.completions.result[at]}`);
        }
        // Written at once: what this process has told holds, however soon it is killed.
        writeSync(1, `${done.cell} ${done.generation}\n`);
        under.delete(slot);
        busy.delete(done.cell);
        slots.push(slot);
      }
    }
    for (let slot = slots.pop(); slot !== undefined; slot = slots.pop()) {
      let cell = random.below(cellCount);
      while (busy.has(cell)) {
        cell = random.below(cellCount);
      }
      busy.add(cell);
      generation += 1;
      under.set(slot, { cell, generation });
      fillCell(bytes.subarray(slot * slotBytes, slot * slotBytes + cellBytes), cell, generation);
      volume.submit({
        kind: opKinds.write,
        flags: 0,
        offsetBytes: cell * cellBytes,
        lengthBytes: cellBytes,
        slot,
        tag: slot,
      });
    }
    volume.commit();
    volume.onReady(step);
  };
  step();
}

if (process.argv[1]?.endsWith("store-writer.ts") === true) {
  const [, , path = "", seed = "1", first = "0"] = process.argv;
  await write(path, Number(seed), Number(first));
}
