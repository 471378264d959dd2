/** What an operation does; the numbers are those of the native side. */
export const opKinds = Object.freeze({
  read: 0,
  write: 1,
  trim: 2,
  flush: 3,
  dataFlush: 4,
  writeZeroes: 5,
});
export type OpKind = (typeof opKinds)[keyof typeof opKinds];

/** Flag: the write is durable when it completes. */
export const flagFua = 1;

export type DeviceClass = "hdd" | "ssd" | "nvme" | "pmem";

/** What is known of a device; `null` where it cannot be known. */
export interface DeviceFacts {
  readonly name: string;
  readonly sizeBytes: number;
  /** Offsets, lengths and buffers MUST be multiples of this. */
  readonly blockBytes: number;
  readonly deviceClass: DeviceClass;
  /** Why the class was chosen, for the report. */
  readonly classReason: string;
  readonly rotational: boolean | null;
  /** A volatile write cache is on: completed writes need a flush to be durable. */
  readonly writeCache: boolean | null;
  /** Operations that may be in flight at once. */
  readonly queueDepth: number;
}

/** What an implementation can do; an operation that is not supported completes with ENOTSUP. */
export interface DeviceSupports {
  readonly trim: boolean;
  readonly writeZeroes: boolean;
  readonly fua: boolean;
  /** Reads return what was written (false: null and synthetic devices without data). */
  readonly data: boolean;
}

/**
 * One aligned block of memory, cut into slots of equal size. The submitter lends a slot until the
 * operation completes; nobody touches it in between.
 */
export interface Arena {
  readonly bytes: Uint8Array;
  readonly slotBytes: number;
  readonly slotCount: number;
}

/** One operation. The object may be reused as soon as `submit` returns. */
export interface BlockOp {
  kind: OpKind;
  /** 0 or `flagFua`. */
  flags: number;
  /** Multiple of `blockBytes`. */
  offsetBytes: number;
  /** Multiple of `blockBytes`, at most `slotBytes` for reads and writes; 0 for flushes. */
  lengthBytes: number;
  /** Arena slot of reads and writes. */
  slot: number;
  /** Returned with the completion, uninterpreted; 0 ... 2^31-1. */
  tag: number;
  /**
   * Whose operation it is, for schedulers on the way (`opClasses` of `engine/hot/scheduler`, and a number
   * within the class); absent: client 0. `priority`: 1 to 255; absent or 0: that of the class. Devices pass
   * them on and look at none.
   */
  opClass?: number;
  clientId?: number;
  priority?: number;
  /** Who takes its times on the way (`engine/device/stages.ts`); absent or 0: nobody. */
  trace?: number;
}

/** Completions of the last `poll`, as parallel arrays; valid until the next `poll`. */
export interface Completions {
  readonly tag: Int32Array;
  /** Bytes transferred, or a negative errno. Fewer bytes than asked is a short transfer. */
  readonly result: Int32Array;
  /** When the operation was handed over and when it completed, ns on the device's clock. */
  readonly submittedNs: Float64Array;
  readonly completedNs: Float64Array;
}

/**
 * The interface everything is built on: a disk, a wrapper, an image. Batch form: operations gather
 * by `submit`, one `commit` hands them over, `poll` takes what completed.
 *
 * Ordering: operations in flight at once may take effect in any order. A flush makes durable every
 * write that had COMPLETED before the flush was submitted, and nothing else. Errors are values in
 * `Completions.result`; no method throws for an I/O error.
 */
export interface BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  readonly completions: Completions;
  /**
   * Queues an operation; `false` means full: poll first. Out of range, unaligned or unsupported
   * operations are taken and complete with a negative errno (EINVAL, ENOTSUP).
   */
  submit(op: BlockOp): boolean;
  /** Hands the queued operations over; returns their number. */
  commit(): number;
  /** Takes at most `max` completions without waiting and returns their number. */
  poll(max: number): number;
  /** Calls back once, on a later turn of the loop, when `poll` may have something; at no CPU cost until then. */
  onReady(callback: () => void): void;
  /** Waits for nothing: operations in flight are lost. Callers MUST drain first. */
  close(): void;
}

/** errno values that completions carry, negated. */
export const errnos = Object.freeze({
  EIO: 5,
  EAGAIN: 11,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  ENOTSUP: 95,
  ECANCELED: 125,
});
