import { opKinds } from "../port/block-device.ts";
import type { OpTable } from "./op-table.ts";

const pageBytes = 64 * 1024;

/** Bytes of a large address range; pages that were never written read as zeroes and take no memory. */
export class SparseMemory {
  readonly #pages = new Map<number, Uint8Array>();

  /** Memory in use. */
  get usedBytes(): number {
    return this.#pages.size * pageBytes;
  }

  /** Equal bytes, of its own. */
  clone(): SparseMemory {
    const made = new SparseMemory();
    for (const [page, bytes] of this.#pages) {
      made.#pages.set(page, bytes.slice());
    }
    return made;
  }

  read(offsetBytes: number, into: Uint8Array): void {
    this.#eachPage(offsetBytes, into.length, (page, within, done, length) => {
      const bytes = this.#pages.get(page);
      if (bytes === undefined) {
        into.fill(0, done, done + length);
      } else {
        into.set(bytes.subarray(within, within + length), done);
      }
    });
  }

  write(offsetBytes: number, from: Uint8Array): void {
    this.#eachPage(offsetBytes, from.length, (page, within, done, length) => {
      let bytes = this.#pages.get(page);
      if (bytes === undefined) {
        bytes = new Uint8Array(pageBytes);
        this.#pages.set(page, bytes);
      }
      bytes.set(from.subarray(done, done + length), within);
    });
  }

  zero(offsetBytes: number, lengthBytes: number): void {
    this.#eachPage(offsetBytes, lengthBytes, (page, within, _done, length) => {
      if (length === pageBytes) {
        this.#pages.delete(page);
      } else {
        this.#pages.get(page)?.fill(0, within, within + length);
      }
    });
  }

  #eachPage(
    offsetBytes: number,
    lengthBytes: number,
    visit: (page: number, within: number, done: number, length: number) => void,
  ): void {
    for (let done = 0; done < lengthBytes; ) {
      const at = offsetBytes + done;
      const within = at % pageBytes;
      const length = Math.min(pageBytes - within, lengthBytes - done);
      visit((at - within) / pageBytes, within, done, length);
      done += length;
    }
  }
}

/** Does what the operation at `index` says, between the memory and its arena slot. */
export function applyOp(
  memory: SparseMemory,
  table: OpTable,
  index: number,
  arena: { readonly bytes: Uint8Array; readonly slotBytes: number },
): void {
  const offset = table.offsetBytes[index] as number;
  const length = table.lengthBytes[index] as number;
  const start = (table.slot[index] as number) * arena.slotBytes;
  switch (table.kind[index]) {
    case opKinds.read:
      memory.read(offset, arena.bytes.subarray(start, start + length));
      break;
    case opKinds.write:
      memory.write(offset, arena.bytes.subarray(start, start + length));
      break;
    case opKinds.trim:
    case opKinds.writeZeroes:
      memory.zero(offset, length);
      break;
    default:
      break;
  }
}
