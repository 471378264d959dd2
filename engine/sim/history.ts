/** What happened to the disks of one run, event by event, so that a crash between any two can be played. */
import { DiskImage } from "./image.ts";
import { type VolatileWrite, VolatileWrites } from "./volatile-writes.ts";

export type DiskEvent =
  | { readonly kind: "write"; readonly disk: string; readonly write: VolatileWrite }
  | { readonly kind: "written"; readonly disk: string; readonly id: number }
  | { readonly kind: "failed"; readonly disk: string; readonly id: number }
  | { readonly kind: "flush"; readonly disk: string; readonly id: number }
  | { readonly kind: "flushed"; readonly disk: string; readonly id: number }
  /** The scenario's own: what was asked for, what was acknowledged. */
  | { readonly kind: "mark"; readonly mark: unknown };

/** Keeps events. */
export class DiskRecorder {
  readonly events: DiskEvent[] = [];
  /** Images at the beginning, by disk. */
  readonly bases = new Map<string, DiskImage>();

  add(event: DiskEvent): void {
    this.events.push(event);
  }

  mark(mark: unknown): void {
    this.events.push({ kind: "mark", mark });
  }
}

interface DiskState {
  readonly durable: DiskImage;
  readonly unflushed: VolatileWrites;
  readonly flushes: Map<number, ReadonlySet<number>>;
}

/** Goes through a history; at each place it knows what is durable and what is not. */
export class HistoryPlayer {
  readonly #recorder: DiskRecorder;
  readonly #disks = new Map<string, DiskState>();
  readonly #marks: unknown[] = [];
  #position = 0;

  constructor(recorder: DiskRecorder) {
    this.#recorder = recorder;
    for (const [name, base] of recorder.bases) {
      this.#disks.set(name, {
        durable: new DiskImage(base),
        unflushed: new VolatileWrites(),
        flushes: new Map(),
      });
    }
  }

  /** Events that have happened. */
  get position(): number {
    return this.#position;
  }

  get marks(): readonly unknown[] {
    return this.#marks;
  }

  /** Each disk with the writes that a crash now may forget. */
  get disks(): ReadonlyMap<
    string,
    { readonly durable: DiskImage; readonly unflushed: VolatileWrites }
  > {
    return this.#disks;
  }

  /** Lets the events before `position` happen; images that were made of an earlier one are void. */
  advanceTo(position: number): void {
    for (; this.#position < position; this.#position += 1) {
      const event = this.#recorder.events[this.#position];
      if (event === undefined) {
        return;
      }
      if (event.kind === "mark") {
        this.#marks.push(event.mark);
      } else {
        this.#apply(event);
      }
    }
  }

  #apply(event: Exclude<DiskEvent, { readonly kind: "mark" }>): void {
    const disk = this.#disks.get(event.disk);
    if (disk === undefined) {
      throw new Error("internal error: an event of a disk that is not in the history");
    }
    const { durable, unflushed, flushes } = disk;
    switch (event.kind) {
      case "write":
        unflushed.begin(event.write);
        break;
      case "written":
        unflushed.complete(event.id, durable);
        break;
      case "failed":
        unflushed.fail(event.id);
        break;
      case "flush":
        flushes.set(event.id, unflushed.completedIds());
        break;
      default:
        unflushed.flush(flushes.get(event.id) ?? new Set(), durable);
        flushes.delete(event.id);
    }
  }
}
