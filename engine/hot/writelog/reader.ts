/** Reads of the image through the log: what the log has newer lies over what the image has. */
import type { OpTable } from "../../device/op-table.ts";
import { blankOp } from "../../device/op-table.ts";
import { errnos, opKinds } from "../../port/block-device.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import type { Appender } from "./appender.ts";
import { entryData } from "./entry-data.ts";
import type { LogState } from "./log-state.ts";

/** Blocks in a row whose data are in one entry, in order. */
interface Hit {
  readonly slot: number;
  readonly sequence: number;
  readonly firstBlock: number;
  count: number;
}

export class Reader {
  readonly #state: LogState;
  readonly #appender: Appender;
  readonly #table: OpTable;
  readonly #lane: DeviceLane;
  readonly #finish: (index: number, result: number) => void;
  readonly #fromLog: (index: number) => void;
  readonly #op = blankOp();
  /** What is to be laid over a read of the image, by operation. */
  readonly #overlays = new Map<number, readonly Hit[]>();

  constructor(
    state: LogState,
    appender: Appender,
    table: OpTable,
    lane: DeviceLane,
    finish: (index: number, result: number) => void,
    fromLog: (index: number) => void,
  ) {
    this.#state = state;
    this.#appender = appender;
    this.#table = table;
    this.#lane = lane;
    this.#finish = finish;
    this.#fromLog = fromLog;
  }

  /** Begins a read, of which `fromLog` is told when it waits for the log's device; the image's part goes out with the lane's next commit. */
  start(index: number): void {
    const { counters } = this.#state;
    const blocks = (this.#table.lengthBytes[index] as number) / this.#state.unitBytes;
    const hits = this.#hits(index);
    const found = hits.reduce((sum, { count }) => sum + count, 0);
    counters.readHitBlocks += found;
    counters.readMissBlocks += blocks - found;
    if (hits.length > 0) {
      for (const { slot } of hits) {
        this.#pin(slot, 1);
      }
      if (found === blocks) {
        this.#overlay(index, hits, this.#table.lengthBytes[index] as number);
        return;
      }
      this.#overlays.set(index, hits);
    }
    this.#table.load(index, this.#op);
    if (!this.#lane.submit(this.#op)) {
      throw new Error("internal error: the image's lane is as deep as the log's clients");
    }
  }

  /** The image's part of a read has come. */
  completed(index: number, result: number): void {
    const hits = this.#overlays.get(index);
    if (hits === undefined) {
      this.#finish(index, result);
      return;
    }
    this.#overlays.delete(index);
    if (result === this.#table.lengthBytes[index]) {
      this.#overlay(index, hits, result);
      return;
    }
    for (const { slot } of hits) {
      this.#pin(slot, -1);
    }
    this.#finish(index, result < 0 ? result : -errnos.EIO);
  }

  #pin(slot: number, by: number): void {
    const { readers } = this.#state.entries;
    readers[slot] = (readers[slot] as number) + by;
  }

  #hits(index: number): Hit[] {
    const { map, entries } = this.#state;
    const hits: Hit[] = [];
    if (map.size === 0) {
      return hits;
    }
    const { unitBytes } = this.#state;
    const first = (this.#table.offsetBytes[index] as number) / unitBytes;
    const end = first + (this.#table.lengthBytes[index] as number) / unitBytes;
    let last: Hit | null = null;
    for (let block = first; block < end; block += 1) {
      const slot = map.slotOf(block);
      if (slot < 0) {
        last = null;
      } else if (last !== null && last.slot === slot) {
        last.count += 1;
      } else {
        last = { slot, sequence: entries.sequenceIn(slot), firstBlock: block, count: 1 };
        hits.push(last);
      }
    }
    return hits;
  }

  #overlay(index: number, hits: readonly Hit[], result: number): void {
    let left = hits.length;
    let failed = false;
    for (const hit of hits) {
      this.#fetch(index, hit, (whole) => {
        failed ||= !whole;
        this.#pin(hit.slot, -1);
        left -= 1;
        if (left === 0) {
          this.#finish(index, failed ? -errnos.EIO : result);
        }
      });
    }
    if (left > 0) {
      this.#fromLog(index);
    }
  }

  /** Puts the entry's data into the client's slot. */
  #fetch(index: number, hit: Hit, done: (whole: boolean) => void): void {
    const { entries, image } = this.#state;
    const { unitBytes } = this.#state;
    const start = (this.#table.slot[index] as number) * image.arena.slotBytes;
    const hitBytes = hit.firstBlock * unitBytes;
    const into = start + hitBytes - (this.#table.offsetBytes[index] as number);
    const lengthBytes = hit.count * unitBytes;
    if (!entries.hasData(hit.slot)) {
      image.arena.bytes.fill(0, into, into + lengthBytes);
      done(true);
      return;
    }
    const from = hitBytes - (entries.imageOffsetBytes[hit.slot] as number);
    entryData(this.#state, this.#appender, hit.sequence, (data) => {
      if (data !== null) {
        image.arena.bytes.set(data.subarray(from, from + lengthBytes), into);
      }
      done(data !== null);
    });
  }
}

/** Whether an operation is a read; the others are the log's. */
export const isRead = (kind: number | undefined) => kind === opKinds.read;
