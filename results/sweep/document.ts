/** A sweep file as YAML, with the line of each of its keys for messages. */
import { readFileSync, statSync } from "node:fs";
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { OsdynoError } from "../../engine/base/error.ts";

/** A sweep file is not larger than this. */
const mostBytes = 1 << 20;

function read(file: string, kind: string): string {
  try {
    if (statSync(file).size > mostBytes) {
      throw new OsdynoError("bad-input", `larger than 1 MiB: not a ${kind} file`, { file });
    }
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof OsdynoError) {
      throw error;
    }
    const { code } = error as NodeJS.ErrnoException;
    const words: Readonly<Record<string, string>> = {
      ENOENT: `no such ${kind} file`,
      EISDIR: `this is a directory, not a ${kind} file`,
    };
    throw new OsdynoError("bad-input", words[code ?? ""] ?? `cannot be read (${code})`, { file });
  }
}

export class SweepDocument {
  readonly raw: unknown;
  readonly path: string;
  /** As it stands in the file. */
  readonly text: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;

  /** What keys are called here that elsewhere have another name. */
  readonly #names: Readonly<Record<string, string>>;

  /**
   * Reads the file; throws `bad-input` with file and line when it is no YAML. `kind` is what messages
   * call it; `names`: what first keys that callers ask for are called in this file; `text`: what was read before.
   */
  constructor(
    path: string,
    kind = "sweep",
    names: Readonly<Record<string, string>> = {},
    text: string | null = null,
  ) {
    this.path = path;
    this.text = text ?? read(path, kind);
    this.#names = names;
    const options = { lineCounter: this.#lines, prettyErrors: false };
    this.#document = parseDocument(this.text, options);
    const syntax = this.#document.errors[0];
    if (syntax !== undefined) {
      throw this.#at(syntax.pos[0], syntax.message);
    }
    try {
      this.raw = this.#document.toJS();
    } catch (error) {
      // Aliases of aliases that would fill the memory.
      throw this.#at(0, error instanceof Error ? error.message : String(error));
    }
  }

  #at(offset: number, message: string): OsdynoError {
    const { line } = this.#lines.linePos(offset);
    return new OsdynoError("bad-input", message, { file: this.path, line });
  }

  /** Where a key is, or the deepest part of it that there is; the start when there is none. */
  #offset(keys: readonly PropertyKey[]): number {
    let node: unknown = this.#document.contents;
    let offset = 0;
    const [first, ...rest] = keys;
    const there = isMap(node) && typeof first === "string" && node.has(first);
    const own = typeof first === "string" && !there ? (this.#names[first] ?? first) : first;
    for (const name of own === undefined ? [] : [own, ...rest]) {
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === name);
        const key = pair?.key;
        offset = isScalar(key) ? (key.range?.[0] ?? offset) : offset;
        node = pair?.value;
      } else if (isSeq(node)) {
        node = node.items[Number(name)];
        offset = isNode(node) ? (node.range?.[0] ?? offset) : offset;
      }
    }
    return offset;
  }

  line(...keys: readonly PropertyKey[]): number {
    return this.#lines.linePos(this.#offset(keys)).line;
  }

  /** What is wrong with a key, as an error to throw. */
  refusal(keys: readonly PropertyKey[], message: string): OsdynoError {
    return this.#at(this.#offset(keys), message);
  }
}
