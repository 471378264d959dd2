/** Writes one checkpoint of waltree, a piece at a time, while commits go on. */
import { errnos } from "../../port/block-device.ts";
import type { KvExtent } from "./kv.ts";
import type { IoDone, LaneIo } from "./lane-io.ts";
import type { Page } from "./page.ts";
import type { OrderedTree } from "./tree.ts";
import {
  encodeEnd,
  type FragmentKind,
  fragmentHeaderBytes,
  fragmentKinds,
  type StreamId,
} from "./waltree-format.ts";
import type { SpareSpace } from "./waltree-space.ts";
import { type StreamPosition, StreamWriter } from "./waltree-writer.ts";

const growBytes = 1 << 20;
/** Space that a checkpoint of so many bytes of records may take, however it is scattered. */
export function checkpointSpaceBytes(recordBytes: number, blockBytes: number): number {
  return recordBytes + (recordBytes >> 4) + 8 * blockBytes;
}

/** Slots that a checkpoint uses at once: the others are the log's. */
const depth = 2;

export interface CheckpointOptions {
  readonly io: LaneIo;
  readonly space: SpareSpace;
  readonly id: StreamId;
  readonly blockBytes: number;
}

export class CheckpointWriter {
  readonly #io: LaneIo;
  readonly #space: SpareSpace;
  readonly #writer: StreamWriter;
  readonly #pages: readonly Page[];
  readonly #keys: number;
  readonly #bytes: number;
  #page = 0;
  #index = 0;
  #run: Uint8Array;
  #start: StreamPosition | null = null;
  #ended = false;
  #cancelled = false;
  #done: IoDone | null = null;

  /** The tree as it stands now is what will be written. */
  constructor(tree: OrderedTree, options: CheckpointOptions) {
    this.#io = options.io;
    this.#space = options.space;
    this.#writer = new StreamWriter({ ...options, growBytes, depth, leaveBytes: () => 0 });
    this.#keys = tree.keys;
    this.#bytes = tree.bytes;
    this.#pages = tree.snapshot();
    this.#run = new Uint8Array(depth * (options.io.slotBytes - fragmentHeaderBytes));
  }

  /** Where reading begins; once it was begun. */
  get start(): StreamPosition | null {
    return this.#start;
  }

  get extents(): readonly KvExtent[] {
    return this.#writer.extents;
  }

  get writtenBytes(): number {
    return this.#writer.writtenBytes;
  }

  /** Calls back when all is durable, or with what went wrong: then its space is given back already. */
  begin(done: IoDone): void {
    this.#done = done;
    // Heads and ends of runs take a little more than the records.
    if (!this.#writer.begin(this.#bytes + (this.#bytes >> 5))) {
      this.#end(errnos.ENOSPC);
      return;
    }
    this.#start = this.#writer.mark();
    if (this.#start === null) {
      this.#end(errnos.ENOSPC);
      return;
    }
    this.#next(0);
  }

  /** Ends it as soon as what is under way has completed. */
  cancel(): void {
    this.#cancelled = true;
  }

  readonly #next = (errno: number): void => {
    if (errno !== 0 || this.#cancelled) {
      this.#end(errno === 0 ? errnos.ECANCELED : errno);
    } else if (this.#ended) {
      this.#io.flush((failed) => this.#end(failed));
    } else if (this.#page === this.#pages.length) {
      this.#ended = true;
      const end = encodeEnd(this.#keys, this.#bytes);
      this.#write(fragmentKinds.end, end);
    } else {
      this.#write(fragmentKinds.entries, this.#fill());
    }
  };

  #write(kind: FragmentKind, payload: Uint8Array): void {
    if (this.#writer.write(kind, [payload], false, this.#next) === "refused") {
      this.#end(errnos.ENOSPC);
    }
  }

  /** The next records, as many as fit into a run; one alone may be longer. */
  #fill(): Uint8Array {
    let run = this.#run;
    let at = 0;
    while (this.#page < this.#pages.length) {
      const page = this.#pages[this.#page] as Page;
      const from = this.#index;
      let to = from;
      let bytes = 0;
      while (to < page.count && at + bytes + page.recordBytes(to) <= run.length) {
        bytes += page.recordBytes(to);
        to += 1;
      }
      if (to === from && at === 0) {
        run = new Uint8Array(page.recordBytes(from));
        to = from + 1;
      }
      at = page.writeRecords(run, at, from, to);
      if (to < page.count) {
        this.#index = to;
        break;
      }
      this.#page += 1;
      this.#index = 0;
    }
    return run.subarray(0, at);
  }

  #end(errno: number): void {
    const done = this.#done;
    this.#done = null;
    if (errno !== 0) {
      this.#space.release(this.#writer.extents);
    }
    done?.(errno);
  }
}
