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

/** Units of a page; even, so that halves of bytes suit. */
const pageUnits = 2 ** 15;
/** In place of an owner: the units of the page have several. */
const several = 15;

/**
 * Owners by unit, in pages: one that has the same owner throughout takes two bytes, others half a byte for
 * each unit, which is 128 MiB for 1 TiB in units of 4 KiB if there is no other.
 */
class OwnerPages {
  readonly units: number;
  /** Of all units of a page, or `several`. */
  readonly #whole: Uint8Array;
  readonly #pages: (Uint8Array | undefined)[];
  /** Units that somebody owns; and who, as long as it is one alone. */
  readonly #owned: Uint16Array;
  readonly #only: Uint8Array;

  constructor(units: number) {
    this.units = units;
    const pages = Math.ceil(units / pageUnits);
    this.#whole = new Uint8Array(pages);
    this.#pages = new Array<Uint8Array | undefined>(pages);
    this.#owned = new Uint16Array(pages);
    this.#only = new Uint8Array(pages);
  }

  get(unit: number): Owner | undefined {
    if (!(Number.isInteger(unit) && unit >= 0 && unit < this.units)) {
      return undefined;
    }
    const page = Math.floor(unit / pageUnits);
    const whole = this.#whole[page] as number;
    if (whole !== several) {
      return whole as Owner;
    }
    const at = unit % pageUnits;
    const pair = this.#pages[page]?.[at >> 1] as number;
    return ((at & 1) === 0 ? pair & 15 : pair >> 4) as Owner;
  }

  /** Of a unit that nobody owns. */
  set(unit: number, owner: Owner): void {
    const page = Math.floor(unit / pageUnits);
    let bytes = this.#pages[page];
    if (bytes === undefined) {
      bytes = new Uint8Array(pageUnits / 2);
      this.#pages[page] = bytes;
      this.#whole[page] = several;
      this.#only[page] = owner;
    }
    const at = unit % pageUnits;
    bytes[at >> 1] = (bytes[at >> 1] as number) | ((at & 1) === 0 ? owner : owner << 4);
    const owned = (this.#owned[page] as number) + 1;
    this.#owned[page] = owned;
    if (this.#only[page] !== owner) {
      this.#only[page] = several;
    } else if (owned === pageUnits) {
      this.#pages[page] = undefined;
      this.#whole[page] = owner;
    }
  }
}

export class SpaceMap {
  readonly unitBytes: number;
  readonly #owners: OwnerPages;
  readonly #findings: Findings;
  readonly clashes: Clash[] = [];

  constructor(sizeBytes: number, unitBytes: number, findings: Findings) {
    this.unitBytes = unitBytes;
    this.#owners = new OwnerPages(Math.floor(sizeBytes / unitBytes));
    this.#findings = findings;
  }

  get units(): number {
    return this.#owners.units;
  }

  get firstUnit(): number {
    return firstDataByte(this.unitBytes) / this.unitBytes;
  }

  ownerOf(unit: number): Owner | undefined {
    return this.#owners.get(unit);
  }

  /** Notes an owner; space that has one already or is outside of the store is a finding. */
  own(owner: Owner, what: string, offsetBytes: number, lengthBytes: number): void {
    const end = (offsetBytes + lengthBytes) / this.unitBytes;
    const first = offsetBytes / this.unitBytes;
    let told = false;
    for (let at = first; at < end; at += 1) {
      const before = at < this.firstUnit ? undefined : this.#owners.get(at);
      if (before === owners.nobody) {
        this.#owners.set(at, owner);
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
