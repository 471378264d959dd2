/** A block device of the native side: a file, a disk, memory, or nothing at all. */
import { OsdynoError } from "../../base/error.ts";
import { type NativeDevice, native } from "../../base/native.ts";
import type {
  Arena,
  BlockDevice,
  BlockOp,
  Completions,
  DeviceFacts,
  DeviceSupports,
} from "../../port/block-device.ts";
import { completionViews, SubmissionRecords } from "./records.ts";

/** What the native side wants to know to open a device (`OpenSpec` in `binding/src/device.rs`). */
export interface NativeOpenSpec {
  readonly engine: { readonly kind: string; readonly [parameter: string]: unknown };
  readonly path?: string;
  readonly write?: boolean;
  readonly direct?: boolean;
  readonly sync?: "none" | "sync" | "dsync";
  readonly access?: "random" | "sequential" | "noreuse";
  readonly invalidate?: boolean;
  readonly depth: number;
  readonly slotBytes: number;
  readonly slotCount: number;
  readonly blockBytes?: number;
  readonly sizeBytes?: number;
}

/** What the opener knows of a device; the rest comes from opening it. */
export type GivenFacts = Partial<
  Pick<
    DeviceFacts,
    "name" | "deviceClass" | "classReason" | "rotational" | "writeCache" | "queueDepth"
  >
>;

interface NativeFacts {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly depth: number;
  readonly slotBytes: number;
  readonly slotCount: number;
  readonly trim: boolean;
  readonly writeZeroes: boolean;
  readonly fua: boolean;
  readonly data: boolean;
  readonly notes: readonly string[];
}

/** Times and results arrive through the shared arrays; see `records.ts`. */
export class NativeBlockDevice implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  readonly completions: Completions;
  /** What the engine found out about the machine, one line each. */
  readonly notes: readonly string[];
  readonly #native: NativeDevice;
  readonly #records: SubmissionRecords;
  readonly #depth: number;
  #queued = 0;
  /** Queued, in flight, or completed and not polled. */
  #open = 0;
  #waiting: (() => void) | null = null;
  #closed = false;

  /** Throws `io` with one line that names the path, the reason and what to do. */
  constructor(
    spec: NativeOpenSpec,
    given: GivenFacts = {},
    shareArena: NativeBlockDevice | null = null,
  ) {
    this.#native = openNative(spec, shareArena === null ? undefined : shareArena.#native);
    const found = JSON.parse(this.#native.facts()) as NativeFacts;
    this.facts = {
      name: given.name ?? spec.path ?? spec.engine.kind,
      sizeBytes: found.sizeBytes,
      blockBytes: found.blockBytes,
      deviceClass: given.deviceClass ?? "ssd",
      classReason: given.classReason ?? "not probed",
      rotational: given.rotational ?? null,
      writeCache: given.writeCache ?? null,
      queueDepth: given.queueDepth ?? found.depth,
    };
    const { trim, writeZeroes, fua, data } = found;
    this.supports = { trim, writeZeroes, fua, data };
    this.notes = found.notes;
    const { slotBytes, slotCount } = found;
    this.arena = shareArena?.arena ?? {
      bytes: new Uint8Array(this.#native.arena()),
      slotBytes,
      slotCount,
    };
    this.#records = new SubmissionRecords(this.#native.submissions());
    this.completions = completionViews(this.#native.completions());
    this.#depth = found.depth;
    this.#native.setWake(this.#wake);
  }

  submit(op: BlockOp): boolean {
    if (this.#open >= this.#depth || this.#closed) {
      return false;
    }
    this.#records.write(this.#queued, op);
    this.#queued += 1;
    this.#open += 1;
    return true;
  }

  commit(): number {
    const count = this.#queued;
    if (count > 0) {
      this.#queued = 0;
      this.#native.commit(count);
    }
    return count;
  }

  poll(max: number): number {
    return this.pollWithin(max, 0);
  }

  /** As `poll`, but blocks the thread for at most `waitNs` until there is a completion. */
  pollWithin(max: number, waitNs: number): number {
    if (this.#open === 0) {
      return 0;
    }
    const count = this.#native.poll(max, waitNs);
    this.#open -= count;
    return count;
  }

  onReady(callback: () => void): void {
    this.#waiting = callback;
    this.#native.park();
  }

  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      this.#waiting = null;
      this.#open = 0;
      this.#native.close();
    }
  }

  /** A field: the native side refers to it weakly while nobody waits, so this must keep it alive. */
  readonly #wake = (): void => {
    const callback = this.#waiting;
    this.#waiting = null;
    callback?.();
  };
}

function openNative(spec: NativeOpenSpec, share: NativeDevice | undefined): NativeDevice {
  const Device = native()["NativeDevice"] as new (
    spec: string,
    share?: NativeDevice,
  ) => NativeDevice;
  try {
    return new Device(JSON.stringify(spec), share);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OsdynoError("io", reason, {}, error);
  }
}
