import type { ReadaheadTuning } from "./tuning.ts";

/** A range to be read ahead. */
export interface AheadRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/**
 * Decides what to read ahead. After so many reads in a row, each beginning where the one before ended,
 * a window as large as what was read so far is read behind them; each time the reads pass its middle
 * the next window is twice as large, up to a limit (librbd's rules, rbd.md 8.8).
 */
export class Readahead {
  readonly #tuning: ReadaheadTuning;
  readonly #imageBytes: number;
  readonly #alignBytes: number;
  #inRow = 0;
  #rowBytes = 0;
  #endBytes = -1;
  #totalBytes = 0;
  #windowBytes = 0;
  #aheadBytes = 0;
  #triggerBytes = 0;

  constructor(tuning: ReadaheadTuning, imageBytes: number, alignBytes: number) {
    this.#tuning = tuning;
    this.#imageBytes = imageBytes;
    this.#alignBytes = alignBytes;
  }

  /** A client reads; what is to be read ahead now, or `null`. */
  read(offsetBytes: number, lengthBytes: number): AheadRange | null {
    const { triggerRequests, maxBytes, disableAfterBytes } = this.#tuning;
    this.#totalBytes += lengthBytes;
    if (triggerRequests === 0 || maxBytes === 0) {
      return null;
    }
    if (disableAfterBytes > 0 && this.#totalBytes > disableAfterBytes) {
      return null;
    }
    if (offsetBytes === this.#endBytes) {
      this.#inRow += 1;
      this.#rowBytes += lengthBytes;
    } else {
      this.#inRow = 0;
      this.#rowBytes = 0;
      this.#windowBytes = 0;
      this.#triggerBytes = 0;
    }
    this.#endBytes = offsetBytes + lengthBytes;
    if (this.#inRow < triggerRequests) {
      return null;
    }
    if (this.#windowBytes === 0) {
      this.#windowBytes = Math.min(this.#rowBytes, maxBytes);
      this.#aheadBytes = this.#endBytes;
    } else if (this.#endBytes >= this.#triggerBytes) {
      this.#windowBytes = Math.min(this.#windowBytes * 2, maxBytes);
      this.#aheadBytes = Math.max(this.#aheadBytes, this.#endBytes);
    } else {
      return null;
    }
    return this.#next();
  }

  /** Only so far could be read ahead; the rest of the range comes with the next window. */
  reached(endBytes: number): void {
    this.#aheadBytes = endBytes;
    this.#triggerBytes = Math.min(this.#triggerBytes, Math.max(this.#endBytes, endBytes - 1));
  }

  #next(): AheadRange | null {
    const from = this.#aheadBytes;
    const align = this.#alignBytes;
    // An end inside the alignment is drawn back to it, unless nothing would be left.
    const wanted = Math.min(from + this.#windowBytes, this.#imageBytes);
    const aligned = wanted - (wanted % align);
    const to = aligned > from ? aligned : wanted;
    if (to <= from) {
      return null;
    }
    this.#aheadBytes = to;
    this.#triggerBytes = from + (to - from) / 2;
    return { offsetBytes: from, lengthBytes: to - from };
  }
}
