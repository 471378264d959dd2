/** Stores on files with options by their names, and what they count. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { flatPerf } from "../../engine/base/perf-counters.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { OptionSet } from "../../engine/options/option-set.ts";
import type { DeviceClass } from "../../engine/port/block-device.ts";
import { objectName } from "../../engine/store/object-name.ts";
import { makeRealStore, RealStore } from "../../engine/store/real-store.ts";
import { Transaction } from "../../engine/store/transaction.ts";

const folder = mkdtempSync(join(tmpdir(), "osdyno-options-"));
afterAll(() => rmSync(folder, { recursive: true }));

export type Settings = Readonly<Record<string, string>>;
export const collection = "1.0";
export const mib = 2 ** 20;

export function optionsOf(settings: Settings): OptionSet {
  // Small and quick unless a test says otherwise.
  const all = { bluestore_kvbackend: "waltree", bdev_ioengine: "psync", ...settings };
  return new OptionSet({
    layers: new Set(["store"]),
    kind: "ssd",
    settings: Object.entries(all).map(([name, value]) => ({ name, value, origin: "test" })),
  });
}

export class Place {
  readonly path: string;
  real: RealStore | null = null;
  deviceClass: DeviceClass = "ssd";
  #made = 0;

  constructor() {
    this.path = join(folder, String(Math.random()).slice(2));
  }

  get store() {
    if (this.real === null) {
      throw new Error("the store is not open");
    }
    return this.real.store;
  }

  async open(settings: Settings): Promise<void> {
    const make = this.#made === 0;
    const request = {
      path: this.path,
      options: optionsOf(settings),
      deviceClass: this.deviceClass,
      classReason: "",
      sizeBytes: 0,
      random: new SeededRandom(1),
      slotBytes: 65536,
      userSlots: 4,
    } as const;
    if (make) {
      const file = openSync(this.path, "w");
      ftruncateSync(file, 128 * mib);
      closeSync(file);
      await makeRealStore(request);
    }
    this.#made += 1;
    this.real = await RealStore.open(request, make);
    if (make) {
      await this.submit(new Transaction().createCollection(collection, 0));
    }
  }

  async submit(transaction: Transaction): Promise<number> {
    return await new Promise((resolve) => this.store.submit(transaction, resolve));
  }

  async write(object: string, at: number, bytes: Uint8Array): Promise<void> {
    const name = objectName({ pool: 1, name: object });
    expect(await this.submit(new Transaction().write(collection, name, at, bytes))).toBe(0);
  }

  async read(object: string, at: number, length: number): Promise<Uint8Array> {
    const into = new Uint8Array(length);
    const name = objectName({ pool: 1, name: object });
    const done = (resolve: (result: number) => void) =>
      this.store.read(collection, name, at, into, resolve);
    expect(await new Promise<number>(done)).toBe(length);
    return into;
  }

  /** Everything has ended, deferred writes too. */
  async settle(): Promise<void> {
    await new Promise((resolve) => this.store.flush(resolve));
  }

  counters(): Record<string, number> {
    return this.real === null ? {} : flatPerf(this.real.perfCounters());
  }

  async close(): Promise<void> {
    await this.real?.close();
    this.real = null;
  }
}

const random = new SeededRandom(7);
export const noise = (bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, () => random.below(256));
export const plain = (bytes: number): Uint8Array =>
  new Uint8Array(bytes).map((_, at) => (at >> 9) & 7);

export type Work = (place: Place) => Promise<void>;

/** The counters after the work, on a store with these settings. */
export async function counted(settings: Settings, work: Work): Promise<Record<string, number>> {
  const place = new Place();
  await place.open(settings);
  await work(place);
  const counters = place.counters();
  await place.close();
  return counters;
}

/** A counter after the same work, without and with a setting. */
export async function both(counter: string, settings: Settings, work: Work, beside: Settings = {}) {
  const without = await counted(beside, work);
  const set = await counted({ ...beside, ...settings }, work);
  return [without[counter] ?? 0, set[counter] ?? 0] as const;
}

export const overwrites: Work = async (place) => {
  for (let at = 0; at < 32; at += 1) {
    await place.write("a", (at % 8) * 8192, noise(8192));
  }
};
