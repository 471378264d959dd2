/** Devices with a planted bug: the suite must find each of them, or it proves nothing. */
import { describe, expect, it } from "vitest";
import { type Fault, FaultDevice } from "../../engine/device/fault.ts";
import { MemoryDevice } from "../../engine/device/memory.ts";
import { TraceDevice } from "../../engine/device/trace.ts";
import { type ConformanceSubject, runConformance } from "../../engine/hot/ioengine/conformance.ts";
import {
  type BlockDevice,
  type BlockOp,
  errnos,
  flagFua,
  opKinds,
} from "../../engine/port/block-device.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";

const blockBytes = 512;

/** A sound device whose methods a bug may replace. */
class Buggy implements BlockDevice {
  readonly clock = new VirtualClock();
  readonly inner = new MemoryDevice({
    clock: this.clock,
    sizeBytes: 128 * blockBytes,
    depth: 8,
    slotBytes: 16 * blockBytes,
    blockBytes,
  });
  facts = this.inner.facts;
  supports = this.inner.supports;
  arena = this.inner.arena;
  completions = this.inner.completions;
  submit(op: BlockOp): boolean {
    return this.inner.submit(op);
  }
  commit(): number {
    return this.inner.commit();
  }
  poll(max: number): number {
    return this.inner.poll(max);
  }
  onReady(callback: () => void): void {
    this.inner.onReady(callback);
  }
  close(): void {
    this.inner.close();
  }
}

/** Changes an operation on its way down. */
function altering(change: (op: BlockOp) => BlockOp): () => Buggy {
  return () =>
    new (class extends Buggy {
      override submit(op: BlockOp): boolean {
        return super.submit(change({ ...op }));
      }
    })();
}

/** Changes a completion on its way up. */
function mending(change: (device: Buggy, position: number) => void): () => Buggy {
  return () =>
    new (class extends Buggy {
      override poll(max: number): number {
        const count = super.poll(max);
        for (let position = 0; position < count; position += 1) {
          change(this, position);
        }
        return count;
      }
    })();
}

function oneFault(fault: Fault): () => Buggy {
  return () => {
    const made = new Buggy();
    const faulty = new FaultDevice(made.inner, [fault], made.clock);
    made.submit = (op) => faulty.submit(op);
    made.commit = () => faulty.commit();
    made.poll = (max) => faulty.poll(max);
    made.onReady = (callback) => faulty.onReady(callback);
    made.completions = faulty.completions;
    return made;
  };
}

function refusesAs(errno: number, instead: number): () => Buggy {
  return mending(({ completions }, position) => {
    if (completions.result[position] === -errno) {
      completions.result[position] = instead;
    }
  });
}

const bugs: readonly (readonly [name: string, make: () => Buggy, found: string])[] = [
  [
    "a lost write",
    oneFault({ effect: "lost", kinds: [opKinds.write] }),
    "reads return what was written",
  ],
  [
    "the 40th write torn",
    oneFault({ effect: "torn", bytes: blockBytes, kinds: [opKinds.write], nth: 40, times: 20 }),
    "random batches agree with a naive model",
  ],
  [
    "the 30th write misdirected",
    oneFault({ effect: "misdirected", offsetBytes: 0, kinds: [opKinds.write], nth: 30, times: 9 }),
    "random batches agree with a naive model",
  ],
  [
    "a flipped bit in the 50th read",
    oneFault({ effect: "flip", byte: 3, mask: 4, kinds: [opKinds.read], nth: 50 }),
    "random batches agree with a naive model",
  ],
  [
    "write-zeroes that does nothing",
    oneFault({ effect: "lost", kinds: [opKinds.writeZeroes], times: null }),
    "write-zeroes reads as zeroes",
  ],
  [
    "a trim that takes a block too many",
    altering((op) =>
      op.kind === opKinds.trim ? { ...op, lengthBytes: op.lengthBytes + blockBytes } : op,
    ),
    "trim leaves its neighbours alone",
  ],
  [
    "FUA that fails",
    altering((op) => ((op.flags & flagFua) === 0 ? op : { ...op, lengthBytes: 0 })),
    "a write with FUA is a write",
  ],
  [
    "negative offsets wrapped to 0",
    altering((op) => ({ ...op, offsetBytes: Math.max(0, op.offsetBytes) })),
    "out of range completes with EINVAL",
  ],
  [
    "offsets rounded down",
    altering((op) => ({
      ...op,
      offsetBytes: Math.floor(op.offsetBytes / blockBytes) * blockBytes,
    })),
    "unaligned completes with EINVAL",
  ],
  ["EIO for EINVAL", refusesAs(errnos.EINVAL, -errnos.EIO), "zero length completes with EINVAL"],
  ["success for EINVAL", refusesAs(errnos.EINVAL, 0), "a wrong slot completes with EINVAL"],
  [
    "unknown kinds taken as reads",
    altering((op) => (op.kind > 5 ? { ...op, kind: opKinds.read } : op)),
    "an unknown kind completes with EINVAL",
  ],
  [
    "short writes passed off as whole",
    altering((op) =>
      op.kind === opKinds.write && op.lengthBytes > blockBytes
        ? { ...op, lengthBytes: op.lengthBytes - blockBytes }
        : op,
    ),
    "reads return what was written",
  ],
  [
    "tags cut to 16 bits",
    altering((op) => ({ ...op, tag: op.tag & 0xffff })),
    "every tag comes back exactly once",
  ],
  [
    "the last completion told twice",
    () =>
      new (class extends Buggy {
        override poll(max: number): number {
          const count = super.poll(max);
          const { tag } = this.completions;
          if (count > 1) {
            tag[count - 1] = tag[0] as number;
          }
          return count;
        }
      })(),
    "random batches agree with a naive model",
  ],
  [
    "completed before it was handed over",
    mending(({ completions }, position) => {
      completions.submittedNs[position] = (completions.completedNs[position] ?? 0) + 1;
    }),
    "reads return what was written",
  ],
  [
    "a queue of half its depth",
    () =>
      new (class extends Buggy {
        #open = 0;
        override submit(op: BlockOp): boolean {
          const taken = this.#open < 4 && super.submit(op);
          this.#open += taken ? 1 : 0;
          return taken;
        }
        override poll(max: number): number {
          const count = super.poll(max);
          this.#open -= count;
          return count;
        }
      })(),
    "a full queue says so and recovers",
  ],
  [
    "starts without commit",
    () =>
      new (class extends Buggy {
        override submit(op: BlockOp): boolean {
          const taken = super.submit(op);
          super.commit();
          return taken;
        }
      })(),
    "nothing starts before commit",
  ],
  [
    "onReady from within the call",
    () =>
      new (class extends Buggy {
        override onReady(callback: () => void): void {
          callback();
        }
      })(),
    "onReady calls back once, on a later turn",
  ],
  [
    "takes operations after close",
    () =>
      new (class extends Buggy {
        override close(): void {}
      })(),
    "close ends everything",
  ],
  [
    "changes the slot of a write",
    () =>
      new (class extends Buggy {
        override commit(): number {
          const count = super.commit();
          const bytes = this.arena.bytes;
          bytes[0] = (bytes[0] ?? 0) ^ 1;
          return count;
        }
      })(),
    "random batches agree with a naive model",
  ],
];

function subjectOf(make: () => Buggy): ConformanceSubject {
  return {
    name: "planted",
    open: () => {
      const device = make();
      const pass = (): void => {
        device.clock.step();
      };
      return { device, pass, below: null };
    },
    openFailing: null,
    openShort: null,
  };
}

async function failures(subject: ConformanceSubject): Promise<string[]> {
  const results = await runConformance(subject, 11);
  return results.filter(({ outcome }) => outcome === "failed").map(({ check }) => check);
}

describe("the conformance suite", () => {
  it("finds nothing in the sound device", async () => {
    expect(await failures(subjectOf(() => new Buggy()))).toEqual([]);
  });

  it.each(bugs)("finds %s", async (_name, make, found) => {
    expect(await failures(subjectOf(make))).toContain(found);
  });

  it("finds a wrapper that swallows flushes", async () => {
    const subject: ConformanceSubject = {
      ...subjectOf(() => new Buggy()),
      open: () => {
        const device = new Buggy();
        const below = new TraceDevice(device.inner, device.clock);
        const faults: Fault[] = [
          { effect: "lost", kinds: [opKinds.flush, opKinds.dataFlush], times: null },
        ];
        const wrapper = new FaultDevice(below, faults, device.clock);
        const pass = (): void => {
          device.clock.step();
        };
        return { device: wrapper, pass, below };
      },
    };
    expect(await failures(subject)).toEqual(["a flush covers the writes that completed before it"]);
  });

  it("finds errors and short transfers that are hidden", async () => {
    const sound = subjectOf(() => new Buggy());
    const subject = { ...sound, openFailing: sound.open, openShort: sound.open };
    expect(await failures(subject)).toEqual(["EIO surfaces", "short transfers surface"]);
  });
});
