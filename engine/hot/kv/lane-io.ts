/** Reads, writes and flushes over a device lane, each with a callback; what does not fit yet waits. */
import { OsdynoError } from "../../base/error.ts";
import { type BlockOp, errnos, flagFua, type OpKind, opKinds } from "../../port/block-device.ts";
import type { DeviceLane } from "../../port/device-lane.ts";

/** 0 or a positive errno. */
export type IoDone = (errno: number) => void;

/** As Ceph's bluestore_retry_disk_reads. */
const readRetries = 3;

export class LaneIo {
  readonly lane: DeviceLane;
  readonly slotBytes: number;
  readonly #callbacks: (IoDone | null)[] = [];
  readonly #lengths: number[] = [];
  readonly #freeTags: number[] = [];
  readonly #wantSlot: ((slot: number) => void)[] = [];
  readonly #wantRoom: { readonly op: BlockOp; readonly done: IoDone }[] = [];
  #flushes = 0;
  #durableWrites = 0;
  #writtenBytes = 0;
  #readBytes = 0;
  #idle: (() => void) | null = null;

  constructor(lane: DeviceLane) {
    this.lane = lane;
    this.slotBytes = lane.arena.slotBytes;
    for (let tag = lane.depth - 1; tag >= 0; tag -= 1) {
      this.#freeTags.push(tag);
    }
    lane.onCompletion((tag, result) => this.#completed(tag, result));
  }

  get flushes(): number {
    return this.#flushes;
  }

  /** Writes that were to be durable by themselves: each costs the device a flush. */
  get durableWrites(): number {
    return this.#durableWrites;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  get readBytes(): number {
    return this.#readBytes;
  }

  /** Calls back with a slot, at once if there is one. */
  acquire(callback: (slot: number) => void): void {
    const slot = this.#wantSlot.length === 0 ? this.lane.takeSlot() : -1;
    if (slot < 0) {
      this.#wantSlot.push(callback);
    } else {
      callback(slot);
    }
  }

  bytesOf(slot: number): Uint8Array {
    const start = slot * this.slotBytes;
    return this.lane.arena.bytes.subarray(start, start + this.slotBytes);
  }

  release(slot: number): void {
    this.lane.giveSlot(slot);
    const next = this.#wantSlot.shift();
    if (next !== undefined) {
      next(this.lane.takeSlot());
    }
  }

  write(slot: number, offsetBytes: number, lengthBytes: number, fua: boolean, done: IoDone): void {
    this.#writtenBytes += lengthBytes;
    this.#durableWrites += fua ? 1 : 0;
    this.#start(opKinds.write, fua ? flagFua : 0, offsetBytes, lengthBytes, slot, done);
  }

  read(slot: number, offsetBytes: number, lengthBytes: number, done: IoDone): void {
    this.#readBytes += lengthBytes;
    this.#start(opKinds.read, 0, offsetBytes, lengthBytes, slot, done);
  }

  /** A trim or write-zeroes. */
  clear(kind: OpKind, offsetBytes: number, lengthBytes: number, done: IoDone): void {
    this.#start(kind, 0, offsetBytes, lengthBytes, 0, done);
  }

  flush(done: IoDone): void {
    this.#flushes += 1;
    this.#start(opKinds.flush, 0, 0, 0, 0, done);
    this.commit();
  }

  commit(): void {
    this.lane.commit();
  }

  /** Resolves when nothing is under way. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      if (this.lane.pending === 0 && this.#wantRoom.length === 0) {
        resolve();
      } else {
        this.#idle = resolve;
      }
    });
  }

  /** Reads a range of any length; a failed read is tried again. Throws `io`. */
  async readRange(offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
    const into = new Uint8Array(lengthBytes);
    const parts: Promise<void>[] = [];
    for (let at = 0; at < lengthBytes; at += this.slotBytes) {
      const length = Math.min(this.slotBytes, lengthBytes - at);
      parts.push(this.#readPart(offsetBytes + at, into.subarray(at, at + length)));
    }
    this.commit();
    await Promise.all(parts);
    return into;
  }

  /** Writes up to a slot. Throws `io`. */
  writeOnce(offsetBytes: number, from: Uint8Array, done: IoDone): void {
    this.acquire((slot) => {
      this.bytesOf(slot).set(from);
      this.write(slot, offsetBytes, from.length, false, (errno) => {
        this.release(slot);
        done(errno);
      });
      this.commit();
    });
  }

  #readPart(offsetBytes: number, into: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.acquire((slot) => {
        let tries = 0;
        const attempt = () => {
          this.read(slot, offsetBytes, into.length, (errno) => {
            tries += 1;
            if (errno !== 0 && tries <= readRetries) {
              attempt();
              this.commit();
              return;
            }
            if (errno === 0) {
              into.set(this.bytesOf(slot).subarray(0, into.length));
            }
            this.release(slot);
            if (errno === 0) {
              resolve();
            } else {
              reject(readFailed(this.lane.facts.name, offsetBytes, into.length, errno));
            }
          });
        };
        attempt();
        this.commit();
      });
    });
  }

  #start(
    kind: OpKind,
    flags: number,
    offsetBytes: number,
    lengthBytes: number,
    slot: number,
    done: IoDone,
  ): void {
    const op: BlockOp = { kind, flags, offsetBytes, lengthBytes, slot, tag: 0 };
    if (this.#wantRoom.length > 0 || !this.#submit(op, done)) {
      this.#wantRoom.push({ op, done });
    }
  }

  #submit(op: BlockOp, done: IoDone): boolean {
    const tag = this.#freeTags.pop();
    if (tag === undefined) {
      return false;
    }
    op.tag = tag;
    if (!this.lane.submit(op)) {
      this.#freeTags.push(tag);
      return false;
    }
    this.#callbacks[tag] = done;
    this.#lengths[tag] = op.lengthBytes;
    return true;
  }

  #completed(tag: number, result: number): void {
    const done = this.#callbacks[tag];
    const wanted = this.#lengths[tag] as number;
    this.#callbacks[tag] = null;
    this.#freeTags.push(tag);
    let next = this.#wantRoom[0];
    while (next !== undefined && this.#submit(next.op, next.done)) {
      this.#wantRoom.shift();
      next = this.#wantRoom[0];
    }
    // A short transfer is a failed one: what is read or written here is small and whole.
    done?.(result < 0 ? -result : result < wanted ? errnos.EIO : 0);
    if (this.lane.pending === 0 && this.#wantRoom.length === 0 && this.#idle !== null) {
      const idle = this.#idle;
      this.#idle = null;
      idle();
    }
  }
}

function readFailed(name: string, offsetBytes: number, bytes: number, errno: number): OsdynoError {
  return new OsdynoError(
    "io",
    `reading ${bytes} bytes at offset ${offsetBytes} of ${name} failed with errno ${errno}, ${readRetries + 1} times`,
  );
}
