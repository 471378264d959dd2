/** Groups of batches as they lie in the log of a waltree. */
import { OsdynoError } from "../../base/error.ts";
import type { LaneIo } from "./lane-io.ts";
import { readU32 } from "./page.ts";
import type { PrefixedTree } from "./prefixed-tree.ts";
import { premisesHold } from "./premises.ts";
import { type FragmentKind, fragmentKinds } from "./waltree-format.ts";

export function damaged(text: string): OsdynoError {
  return new OsdynoError("io", `waltree: ${text}`, { damaged: true });
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) {
    return only;
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Applies a group of batches: each u32 length, records. */
function applyGroup(tree: PrefixedTree, group: Uint8Array): void {
  for (let at = 0; at < group.length; ) {
    const end = at + 4 + readU32(group, at);
    if (end > group.length) {
      throw damaged("a group of the log ends within a batch");
    }
    tree.apply(group.subarray(at + 4, end));
    at = end;
  }
}

/** A group as it was read from the log. */
export interface LogGroup {
  readonly batches: Uint8Array;
  /** What it stands on; empty: nothing. */
  readonly premises: Uint8Array;
}

export const noGroup: LogGroup = { batches: new Uint8Array(0), premises: new Uint8Array(0) };

/** `null`: it has lost its beginning. */
export function groupOf(kind: FragmentKind, parts: readonly Uint8Array[]): LogGroup | null {
  const bytes = joined(parts);
  if (kind !== fragmentKinds.premised) {
    return { batches: bytes, premises: bytes.subarray(0, 0) };
  }
  const end = bytes.length < 4 ? Number.POSITIVE_INFINITY : 4 + readU32(bytes, 0);
  return end > bytes.length
    ? null
    : { batches: bytes.subarray(end), premises: bytes.subarray(4, end) };
}

/** Applies groups one behind: whether the last one of a log is there its premises say. */
export class GroupReplay {
  readonly #tree: PrefixedTree;
  #last: LogGroup | null = null;

  constructor(tree: PrefixedTree) {
    this.#tree = tree;
  }

  add(group: LogGroup): void {
    this.#apply();
    this.#last = group;
  }

  /** `durable`: it is known that the last one is there. Else whether it is. */
  async end(durable: boolean, { base }: { readonly base: LaneIo }): Promise<boolean> {
    const premises = this.#last?.premises ?? new Uint8Array(0);
    const there =
      durable || (await premisesHold(premises, (offset, length) => base.readRange(offset, length)));
    if (there) {
      this.#apply();
    }
    return there;
  }

  #apply(): void {
    if (this.#last !== null) {
      applyGroup(this.#tree, this.#last.batches);
      this.#last = null;
    }
  }
}
