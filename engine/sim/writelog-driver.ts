/** Random operations on a write log of a scenario, each marked when asked for and when done. */
import { assert } from "../base/assert.ts";
import type { SeededRandom } from "../base/random.ts";
import { blankOp } from "../device/op-table.ts";
import type { WriteLog } from "../hot/writelog/write-log.ts";
import { type BlockDevice, flagFua, opKinds } from "../port/block-device.ts";
import type { World } from "./world.ts";
import { blockBytes, fillBlock, imageBlocks, type Mark, writerOf } from "./writelog-model.ts";

/** One operation at a time or several, on any device of the world. */
export class Driver {
  readonly #device: BlockDevice;
  readonly #done = new Map<number, (result: number) => void>();
  readonly #op = blankOp();
  #armed = false;

  constructor(device: BlockDevice) {
    this.#device = device;
  }

  start(
    kind: 0 | 1 | 2 | 3 | 5,
    flags: number,
    block: number,
    count: number,
    slot: number,
    done: (result: number) => void,
  ): void {
    const op = this.#op;
    op.kind = kind;
    op.flags = flags;
    op.offsetBytes = kind === opKinds.flush ? 0 : block * blockBytes;
    op.lengthBytes = kind === opKinds.flush ? 0 : count * blockBytes;
    op.slot = slot;
    op.tag = slot;
    this.#done.set(slot, done);
    assert(this.#device.submit(op), "a device takes as many operations as it is deep");
    this.#device.commit();
    this.#arm();
  }

  /** The writers of all blocks. */
  async image(): Promise<Int32Array> {
    const writers = new Int32Array(imageBlocks);
    const { slotBytes } = this.#device.arena;
    const perRead = slotBytes / blockBytes;
    for (let block = 0; block < imageBlocks; block += perRead) {
      const result = await new Promise<number>((resolve) => {
        this.start(opKinds.read, 0, block, perRead, 0, resolve);
      });
      assert(result === slotBytes, `reading the image gives ${result}`);
      for (let number = 0; number < perRead; number += 1) {
        const bytes = this.#device.arena.bytes.slice(
          number * blockBytes,
          (number + 1) * blockBytes,
        );
        writers[block + number] = writerOf(bytes, block + number);
      }
    }
    return writers;
  }

  #arm(): void {
    if (!this.#armed && this.#done.size > 0) {
      this.#armed = true;
      this.#device.onReady(this.#ready);
    }
  }

  readonly #ready = (): void => {
    this.#armed = false;
    const count = this.#device.poll(64);
    const { tag, result } = this.#device.completions;
    const told: (() => void)[] = [];
    for (let at = 0; at < count; at += 1) {
      const slot = tag[at] as number;
      const value = result[at] as number;
      const done = this.#done.get(slot);
      this.#done.delete(slot);
      told.push(() => done?.(value));
    }
    for (const tell of told) {
      tell();
    }
    this.#arm();
  };
}

/** Random operations, several at once, with pauses; each is marked when asked for and when done. */
export async function drive(
  world: World,
  log: WriteLog,
  random: SeededRandom,
  firstId: number,
  count: number,
): Promise<void> {
  const driver = new Driver(log);
  const depth = log.facts.queueDepth;
  const free = Array.from({ length: depth }, (_, slot) => slot);
  let next = firstId;
  let open = 0;
  await new Promise<void>((resolve) => {
    const ask = () => {
      if (next === firstId + count || free.length === 0) {
        return;
      }
      const id = next;
      next += 1;
      open += 1;
      const slot = free.shift() as number;
      const draw = random.below(20);
      const kind =
        draw < 14
          ? opKinds.write
          : draw < 16
            ? opKinds.flush
            : draw < 17
              ? opKinds.trim
              : draw < 18
                ? opKinds.writeZeroes
                : opKinds.read;
      const block = random.below(imageBlocks - 8);
      const blocks = random.below(3) === 0 ? 1 + random.below(8) : 8;
      const fua = kind === opKinds.write && random.below(6) === 0;
      if (kind === opKinds.write) {
        for (let each = 0; each < blocks; each += 1) {
          const at = slot * log.arena.slotBytes + each * blockBytes;
          fillBlock(log.arena.bytes.subarray(at, at + blockBytes), id, block + each);
        }
      }
      world.mark({
        kind: "asked",
        id,
        op: kind,
        block,
        count: kind === opKinds.read ? 0 : blocks,
        fua,
      } satisfies Mark);
      driver.start(kind, fua ? flagFua : 0, block, blocks, slot, (result) => {
        // A read promises nothing: it is marked as asked, so that numbers stay in a row, and not as done.
        if (kind !== opKinds.read) {
          world.mark({ kind: "done", id, result } satisfies Mark);
        }
        open -= 1;
        free.push(slot);
        if (open === 0 && next === firstId + count) {
          resolve();
        } else {
          later();
        }
      });
      if (random.below(3) > 0) {
        ask();
      }
    };
    const later = () => {
      const pauseNs = random.below(4) === 0 ? random.below(600_000) : 0;
      world.clock.at(world.clock.nowNs() + pauseNs, ask);
    };
    ask();
  });
}
