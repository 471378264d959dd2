/** Places in job files and on the command line, and the errors and notes that carry them. */
import { OsdynoError } from "../../engine/base/error.ts";
import type { LintNote } from "./model.ts";

/** `line` counts from 1; on the command line it is the number of the argument. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** `Place.file` of arguments. */
export const commandLine = "command line";

/** A bad-input error at a place. Arguments have no line that a person could look up. */
export function badInput(place: Place, message: string): OsdynoError {
  const context =
    place.file === commandLine ? { file: place.file } : { file: place.file, line: place.line };
  return new OsdynoError("bad-input", message, context);
}

/** Collects the linter's notes, each once per place and text. */
export class Notes {
  readonly #seen = new Set<string>();
  readonly list: LintNote[] = [];

  add(place: Place, key: string, message: string): void {
    const id = `${place.file}\0${place.line}\0${key}\0${message}`;
    if (!this.#seen.has(id)) {
      this.#seen.add(id);
      this.list.push({ place, key, message });
    }
  }
}

/** A value as it appears in a message: quoted only when blanks would blur it, and never pages long. */
export function shown(value: string): string {
  const short = value.length > 60 ? `${value.slice(0, 57)}...` : value;
  return short === "" || /\s/.test(short) ? JSON.stringify(short) : short;
}
