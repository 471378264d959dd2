/** Groups of batches as they lie in the log of a waltree. */
import { OsdynoError } from "../../base/error.ts";
import { readU32 } from "./page.ts";
import type { PrefixedTree } from "./prefixed-tree.ts";

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
export function applyGroup(tree: PrefixedTree, group: Uint8Array): void {
  for (let at = 0; at < group.length; ) {
    const end = at + 4 + readU32(group, at);
    if (end > group.length) {
      throw damaged("a group of the log ends within a batch");
    }
    tree.apply(group.subarray(at + 4, end));
    at = end;
  }
}
