/**
 * What may be on the disks below a write log after a crash: operations are counted, every block that one
 * writes bears its number, and an image MUST be as after one of them, with all that was promised.
 */
import { assert } from "../base/assert.ts";
import type { PersistMode } from "../hot/writelog/log-state.ts";
import { opKinds } from "../port/block-device.ts";

/** Blocks of the scenario's image, and their size. */
export const blockBytes = 512;
export const imageBlocks = 96;

/** What a scenario notes of its work as it goes. */
export type Mark =
  | { readonly kind: "made" }
  | {
      readonly kind: "asked";
      readonly id: number;
      readonly op: number;
      readonly block: number;
      readonly count: number;
      readonly fua: boolean;
    }
  | { readonly kind: "done"; readonly id: number; readonly result: number }
  /** Everything done before is durable from here on, whatever its mode. */
  | { readonly kind: "shut" };

/** The bytes of a block that operation `id` wrote: its number, its place, and a pattern of both. */
export function fillBlock(bytes: Uint8Array, id: number, block: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 8) {
    view.setUint32(at, id, true);
    view.setUint32(at + 4, Math.imul(block + 1, 0x9e3779b1) ^ at, true);
  }
}

/** The operation that a block's bytes are of, 0 for zeroes; throws when they are nothing that was written. */
export function writerOf(bytes: Uint8Array, block: number): number {
  if (bytes.every((byte) => byte === 0)) {
    return 0;
  }
  const id = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0, true);
  const whole = new Uint8Array(bytes.length);
  fillBlock(whole, id, block);
  const same = bytes.every((byte, at) => byte === whole[at]);
  assert(same, `block ${block} holds what nobody wrote, beginning as of operation ${id}`);
  return id;
}

/** What an image is known to hold: the writer of each block, and the last operation it has seen. */
export interface KnownImage {
  readonly writers: Int32Array;
  readonly id: number;
}

/** What may be on the disks after the marks. */
export class Expectation {
  readonly asked = new Map<number, Extract<Mark, { kind: "asked" }>>();
  /** The last operation whose effect is promised. */
  durable = 0;
  last = 0;
  /** For each operation: the last one that a flush before it has sealed off from it. */
  readonly sealed = new Map<number, number>();
  readonly #known: KnownImage;

  constructor(
    marks: readonly unknown[],
    persist: PersistMode,
    known: KnownImage = { writers: new Int32Array(imageBlocks), id: 0 },
  ) {
    this.#known = known;
    this.durable = known.id;
    this.last = known.id;
    let flushSeen = persist === "flush";
    let completed = known.id;
    let sealedTo = known.id;
    const before = new Map<number, number>();
    const lives: Mark[] = marks as Mark[];
    for (const mark of lives) {
      if (mark.kind === "made") {
        flushSeen = persist === "flush";
      } else if (mark.kind === "asked") {
        // A later life of the log asks under numbers that a crash made free.
        for (let id = mark.id; id <= this.last; id += 1) {
          this.asked.delete(id);
        }
        completed = Math.min(completed, mark.id - 1);
        this.asked.set(mark.id, mark);
        this.last = mark.id;
        before.set(mark.id, completed);
        this.sealed.set(mark.id, sealedTo);
        flushSeen ||= mark.op === opKinds.flush && persist === "auto";
      } else if (mark.kind === "shut") {
        this.durable = this.last;
        flushSeen = persist === "flush";
      } else if (mark.result >= 0) {
        const asked = this.asked.get(mark.id);
        assert(asked !== undefined, "an operation is done that was not asked for");
        if (asked.op === opKinds.flush) {
          const reached = before.get(mark.id) as number;
          this.durable = Math.max(this.durable, reached);
          sealedTo = Math.max(sealedTo, reached);
          continue;
        }
        completed = Math.max(completed, mark.id);
        if (!flushSeen || asked.fua) {
          this.durable = Math.max(this.durable, mark.id);
        }
      }
    }
  }

  /** The writer of each block after operation `id`. */
  writersAt(id: number, from?: Int32Array, after = this.#known.id): Int32Array {
    const writers = from ?? this.#known.writers.slice();
    for (let each = after + 1; each <= id; each += 1) {
      const asked = this.asked.get(each);
      if (asked !== undefined && asked.op !== opKinds.flush) {
        const writer = asked.op === opKinds.write ? each : 0;
        writers.fill(writer, asked.block, asked.block + asked.count);
      }
    }
    return writers;
  }

  /** The operation after which the image was as found; throws when there is none that may be. */
  check(found: Int32Array): number {
    const writers = this.writersAt(this.durable);
    for (let id = this.durable; ; id += 1) {
      if (writers.every((writer, block) => writer === found[block])) {
        return id;
      }
      assert(
        id < this.last,
        `the image is as after no operation from ${this.durable} to ${this.last}: ${describe(found, this.writersAt(this.durable))}`,
      );
      this.writersAt(id + 1, writers, id);
    }
  }

  /** The image without its log: behind a flush nothing is seen before all that it sealed. */
  checkAlone(found: Int32Array): void {
    let sealed = -1;
    for (const writer of found) {
      sealed = Math.max(sealed, this.sealed.get(writer) ?? -1);
    }
    if (sealed < 0) {
      return;
    }
    const oldest = this.writersAt(sealed);
    for (const [block, writer] of found.entries()) {
      const expected = oldest[block] as number;
      // Zeroes may be of any later operation that clears.
      const cleared =
        writer === 0 &&
        [...this.asked.values()].some(
          (asked) =>
            asked.id > sealed &&
            asked.op !== opKinds.write &&
            asked.op !== opKinds.flush &&
            block >= asked.block &&
            block < asked.block + asked.count,
        );
      assert(
        writer === expected || writer > sealed || cleared,
        `the image alone shows operation ${writer} in block ${block}, older than ${expected}, beside what came after a flush`,
      );
    }
  }
}

function describe(found: Int32Array, expected: Int32Array): string {
  const block = found.findIndex((writer, at) => writer !== expected[at]);
  return `block ${block} is of operation ${found[block]}, at least ${expected[block]} is promised there`;
}
