/** A layer that waits for its own work goes on whoever polls it. */
import { expect, test } from "vitest";
import { heapArena } from "../../engine/device/check-op.ts";
import { LayerDevice } from "../../engine/device/layer.ts";
import { DeviceMux } from "../../engine/device/mux.ts";
import { blankOp, completionArrays } from "../../engine/device/op-table.ts";
import { RealClock } from "../../engine/os/clock.ts";
import { type BlockDevice, type BlockOp, opKinds } from "../../engine/port/block-device.ts";
import type { DeviceLane } from "../../engine/port/device-lane.ts";

const clock = new RealClock();

/** Completes what it was given when the test says so, and calls back only if it was asked to before. */
class ByHand implements BlockDevice {
  readonly facts = {
    ...{ name: "by hand", sizeBytes: 1 << 20, blockBytes: 512, deviceClass: "ssd" as const },
    ...{ classReason: "the test says so", rotational: false, writeCache: true, queueDepth: 4 },
  };
  readonly supports = { trim: true, writeZeroes: true, fua: true, data: true };
  readonly arena = heapArena(4096, 4);
  readonly completions = completionArrays(4);
  readonly #given: number[] = [];
  readonly #ended: number[] = [];
  #callback: (() => void) | null = null;

  get asked(): boolean {
    return this.#callback !== null;
  }

  submit(op: BlockOp): boolean {
    this.#given.push(op.tag);
    return true;
  }

  commit(): number {
    return 0;
  }

  /** `silently`: somebody polls before the call comes, and it does not come any more. */
  complete(silently: boolean): void {
    this.#ended.push(...this.#given.splice(0));
    const callback = this.#callback;
    if (!silently) {
      this.#callback = null;
      callback?.();
    }
  }

  poll(): number {
    const count = this.#ended.length;
    for (const [position, tag] of this.#ended.splice(0).entries()) {
      this.completions.tag[position] = tag;
      this.completions.result[position] = 0;
    }
    return count;
  }

  onReady(callback: () => void): void {
    this.#callback = callback;
  }

  close(): void {}
}

/** Flushes the first device and then, on its end, the second. */
class TwoFlushes extends LayerDevice {
  readonly #lanes: readonly DeviceLane[];
  #done: ((errno: number) => void) | null = null;

  constructor(devices: readonly ByHand[]) {
    const muxes = devices.map(
      (device) => new DeviceMux(device, { capacity: 4, selfDriven: false }),
    );
    const [first] = devices as [ByHand];
    const { facts, supports, arena } = first;
    super({ facts, supports, arena, clock, muxes });
    this.#lanes = muxes.map((mux) => mux.lane({ depth: 4, slots: 4 }));
    this.#lanes[0]?.onCompletion(() => this.#flush(1));
    this.#lanes[1]?.onCompletion(() => this.#done?.(0));
  }

  #flush(place: number): void {
    this.#lanes[place]?.submit({ ...blankOp(), kind: opKinds.flush });
    this.#lanes[place]?.commit();
  }

  async settle(): Promise<void> {
    await this.until((done) => {
      this.#done = done;
      this.#flush(0);
    });
  }

  counters(): Readonly<Record<string, number>> {
    return {};
  }

  protected start(): void {}

  protected pump(): void {}
}

test("work that a poll of somebody else's has begun below is waited for", async () => {
  const devices = [new ByHand(), new ByHand()] as const;
  const [first, second] = devices;
  const layer = new TwoFlushes(devices);
  const settled = layer.settle();
  expect([first.asked, second.asked]).toEqual([true, false]);
  first.complete(true);
  expect(layer.poll(4)).toBe(0);
  expect(second.asked).toBe(true);
  second.complete(false);
  await settled;
  layer.close();
});
