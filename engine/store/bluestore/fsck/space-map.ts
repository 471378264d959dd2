/** Who uses each unit of a store's space. */
import type { VisitExtent } from "../freelist.ts";
import { firstDataByte } from "../label.ts";
import type { Findings } from "./findings.ts";

/** Owners of a unit. */
export const owners = Object.freeze({ nobody: 0, object: 1, shared: 2, kv: 3, free: 4 } as const);
export type Owner = (typeof owners)[keyof typeof owners];
const ownerNames = ["nobody", "an object", "a shared blob", "the key-value store", "free space"];

/** Space that two claim. */
export interface Clash {
  readonly offsetBytes: number;
  readonly endBytes: number;
}

export class SpaceMap {
  readonly unitBytes: number;
  readonly #owner: Uint8Array;
  readonly #findings: Findings;
  readonly clashes: Clash[] = [];

  constructor(sizeBytes: number, unitBytes: number, findings: Findings) {
    this.unitBytes = unitBytes;
    this.#owner = new Uint8Array(sizeBytes / unitBytes);
    this.#findings = findings;
  }

  get units(): number {
    return this.#owner.length;
  }

  get firstUnit(): number {
    return firstDataByte(this.unitBytes) / this.unitBytes;
  }

  ownerOf(unit: number): Owner | undefined {
    return this.#owner[unit] as Owner | undefined;
  }

  /** Notes an owner; space that has one already or is outside of the store is a finding. */
  own(owner: Owner, what: string, offsetBytes: number, lengthBytes: number): void {
    const end = (offsetBytes + lengthBytes) / this.unitBytes;
    const first = offsetBytes / this.unitBytes;
    let told = false;
    for (let at = first; at < end; at += 1) {
      const before = at < this.firstUnit ? undefined : this.#owner[at];
      if (before === owners.nobody) {
        this.#owner[at] = owner;
      } else if (!told) {
        told = true;
        const other =
          before === undefined ? "outside of the store" : `of ${ownerNames[before]} too`;
        this.#findings.add({
          kind: "space",
          message: `${what}: the unit at ${at * this.unitBytes} is ${other}`,
          offsetBytes: at * this.unitBytes,
          repair: null,
        });
        if (before !== undefined) {
          this.clashes.push({ offsetBytes: at * this.unitBytes, endBytes: end * this.unitBytes });
        }
      }
    }
  }

  /** Runs of units for which `differs` holds, neighbours merged. */
  eachRun(differs: (unit: number) => boolean, visit: VisitExtent): void {
    let start = -1;
    for (let at = this.firstUnit; at <= this.units; at += 1) {
      const inside = at < this.units && differs(at);
      if (inside && start < 0) {
        start = at;
      } else if (!inside && start >= 0) {
        visit(start * this.unitBytes, (at - start) * this.unitBytes);
        start = -1;
      }
    }
  }
}
