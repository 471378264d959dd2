/** What checking a store finds, and what mends it. */
import type { KeyValueStore, KvBatch } from "../../../hot/kv/kv.ts";

export const findingKinds = Object.freeze({
  metadata: "parts of the key-value store that cannot be read",
  record: "records that cannot be read",
  number: "numbers of objects and shared blobs",
  collection: "objects and their collections",
  extent: "extents of objects",
  shard: "shards of extent maps",
  blob: "blobs",
  checksum: "lengths of checksums",
  "shared blob": "counts of shared blobs",
  space: "space with several owners",
  leak: "space that nobody uses and that is not free",
  usage: "statistics of usage",
  omap: "omap of objects that are not there",
  deferred: "deferred writes",
  data: "data that is not what was written",
});
export type FindingKind = keyof typeof findingKinds;

/** Adds what mends a finding to a batch for the key-value store, which is open for writing. */
export type Repair = (batch: KvBatch, kv: KeyValueStore) => void;

export interface Finding {
  readonly kind: FindingKind;
  readonly message: string;
  /** Name of the object, where it is about one. */
  readonly object?: string;
  /** In the object for data, else on the device. */
  readonly offsetBytes?: number;
  /** `null`: nothing that is still there tells what is right. */
  readonly repair: Repair | null;
}

/** Findings in memory are limited: a store may be damaged all over. */
const mostOfAKind = 1000;

export class Findings {
  readonly list: Finding[] = [];
  readonly #counts = new Map<FindingKind, number>();
  /** Records are read more than once. */
  readonly #records = new Set<string>();
  /**
   * Records of objects could not be read: what they refer to looks as if nobody did, so nothing is
   * released or counted anew.
   */
  objectsUnread = false;
  /** Records of any kind could not be read: what is missing elsewhere may be among them. */
  recordsUnread = false;

  add(finding: Finding): void {
    if (finding.kind === "record") {
      if (this.#records.has(finding.message)) {
        return;
      }
      this.#records.add(finding.message);
    }
    const count = (this.#counts.get(finding.kind) ?? 0) + 1;
    this.#counts.set(finding.kind, count);
    if (count <= mostOfAKind) {
      this.list.push(finding);
    }
  }

  /** Whether more were found than are listed. */
  get cut(): boolean {
    return this.total > this.list.length;
  }

  get total(): number {
    let total = 0;
    for (const count of this.#counts.values()) {
      total += count;
    }
    return total;
  }
}
