/** What a store that is crashed was asked and answered, and what it must hold then. */
import type { RandomStoreRun } from "./conformance-random.ts";
import type { StoreSession } from "./conformance-session.ts";
import { objectName } from "./object-name.ts";
import { storeErrnos } from "./object-store.ts";
import { opCodes, Transaction } from "./transaction.ts";

export const phases = ["making", "mounting", "running", "unmounting", "unmounted"] as const;
export type Phase = (typeof phases)[number];

/** What a scenario marks. A transaction leaves its number behind, as an attribute of one object. */
export type Mark =
  | { readonly kind: "phase"; readonly phase: Phase }
  | { readonly kind: "made" }
  | { readonly kind: "asked"; readonly id: number; readonly transaction: Transaction }
  | { readonly kind: "acked"; readonly id: number; readonly result: number }
  | { readonly kind: "did"; readonly what: string };

/** Transactions under way at once are fewer. */
const remembered = 64;
export const meta = "meta";
export const counterObject = objectName({ pool: -1, name: "counter" });
/** Operations worth telling. */
export const toldOps: Readonly<Partial<Record<number, string>>> = {
  [opCodes.write]: "a write",
  [opCodes.clone]: "a clone",
  [opCodes.cloneRange]: "a clone of a range",
  [opCodes.rename]: "a rename",
  [opCodes.omapSet]: "omap",
  [opCodes.omapRemoveRange]: "a range removed from an omap",
  [opCodes.splitCollection]: "a split",
  [opCodes.mergeCollection]: "a merge",
  [opCodes.remove]: "a removal",
};

/** What the first transaction does; it fills the store to begin with. */
export function firstTransaction(filledBytes: number): Transaction {
  return new Transaction()
    .createCollection(meta, 0)
    .createCollection("1.0", 0)
    .touch(meta, counterObject)
    .write(meta, objectName({ pool: -1, name: "filler" }), 0, new Uint8Array(filledBytes).fill(7));
}

/** Lets the transaction leave its number. */
export function leaveNumber(transaction: Transaction, id: number): Transaction {
  const left = [
    ["id", encodeId(id)],
    [`t${id % remembered}`, encodeId(id)],
  ] as const;
  return transaction.setAttrs(meta, counterObject, new Map(left));
}

function encodeId(id: number): Uint8Array {
  return Uint8Array.of(id & 255, id >> 8);
}

interface LeftNumbers {
  readonly newest: number;
  readonly ids: ReadonlySet<number>;
}

/** The numbers of the last transactions that took effect, the newest as well. */
export async function idsIn(session: StoreSession): Promise<LeftNumbers> {
  const ids = new Set<number>([0]);
  const found = await session.statErrno(meta, counterObject);
  if (found !== -storeErrnos.ENOENT) {
    for (const value of (await session.attrs(meta, counterObject)).values()) {
      ids.add((value[0] as number) + ((value[1] as number) << 8));
    }
  }
  return { newest: Math.max(...ids), ids };
}

export interface Expected {
  readonly asked: ReadonlyMap<number, Transaction>;
  readonly acked: ReadonlySet<number>;
  /** Refused by the store as by the model, or for want of space. */
  readonly refused: ReadonlySet<number>;
  readonly lastAsked: number;
  readonly lastAcked: number;
}

export function expectation(marks: readonly Mark[]): Expected {
  const asked = new Map<number, Transaction>();
  const refused = new Set<number>();
  const acked = new Set<number>();
  let lastAsked = 0;
  let lastAcked = 0;
  for (const mark of marks) {
    if (mark.kind === "asked") {
      // A later life of the store asks under numbers that a crash made free.
      for (let id = mark.id; id <= lastAsked; id += 1) {
        asked.delete(id);
        refused.delete(id);
        acked.delete(id);
      }
      asked.set(mark.id, mark.transaction);
      lastAsked = mark.id;
    } else if (mark.kind === "acked" && mark.result === 0) {
      lastAcked = mark.id;
      acked.add(mark.id);
    } else if (mark.kind === "acked" && mark.result !== -storeErrnos.EIO) {
      refused.add(mark.id);
      acked.add(mark.id);
    }
  }
  return { asked, acked, refused, lastAsked, lastAcked };
}

/** Brings the model of a new run to what a store must hold that ended with these numbers. */
export function playUntil(
  run: RandomStoreRun,
  expected: Expected,
  { newest, ids }: LeftNumbers,
): void {
  for (let each = 1; each <= newest; each += 1) {
    const transaction = expected.asked.get(each);
    // Refused for want of space or by a disk that failed, and the crash came before anybody was told.
    const quiet = !expected.acked.has(each) && !ids.has(each);
    if (transaction !== undefined && !expected.refused.has(each) && !quiet) {
      run.model(transaction);
    }
  }
}

/** Names for the coverage. */
export function covered(marks: readonly Mark[]): string[] {
  const names = new Set<string>();
  const open = new Map<number, Transaction>();
  let phase = "making";
  for (const mark of marks) {
    switch (mark.kind) {
      case "did":
        names.add(`after: ${mark.what}`);
        break;
      case "phase":
        phase = mark.phase;
        break;
      case "asked":
        open.set(mark.id, mark.transaction);
        break;
      case "acked":
        open.delete(mark.id);
        if (mark.result === -storeErrnos.ENOSPC) {
          names.add("after: a full device");
        }
        break;
      default:
    }
  }
  names.add(`while: ${phase}`);
  for (const transaction of open.values()) {
    for (let at = 0; at < transaction.count; at += 1) {
      const what = toldOps[transaction.op(at).code];
      if (what !== undefined) {
        names.add(`under way: ${what}`);
      }
    }
  }
  return [...names];
}
