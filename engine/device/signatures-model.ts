/** What a signature is, and what a rule that finds one looks at. */

export type SignatureKind =
  | "partition-table"
  | "filesystem"
  | "raid"
  | "lvm"
  | "crypto"
  | "swap"
  | "cache"
  | "ceph"
  | "osdyno";

export interface Signature {
  readonly kind: SignatureKind;
  /** As `blkid` calls it: `ext4`, `LVM2_member`, `gpt`. */
  readonly name: string;
  /** For a sentence: `an ext4 file system`. */
  readonly what: string;
  /** Where the magic number stands. */
  readonly offsetBytes: number;
  /** The label that its maker gave it. */
  readonly label: string | null;
}

/** Bytes to be searched. */
export interface Region {
  readonly sizeBytes: number;
  /** Sector sizes that a partition table may have been written with. */
  readonly sectorBytes: readonly number[];
  /** Exactly `length` bytes from `offset`; `null` when they do not lie inside. */
  bytes(offset: number, length: number): Buffer | null;
}

/** A rule that looks at structure, not at one magic number alone. */
export type SignatureRule = (region: Region) => Signature | null;
