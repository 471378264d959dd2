/** What is selected: entries, and a part of the time. Everything that follows it subscribes. */
import { wholeColumns } from "./figures.js";

export class Selection {
  #followers = [];
  entries = new Set();
  /** Milliseconds since the run's start, or null. */
  range = null;

  constructor(model) {
    this.model = model;
    /** Repeats and single runs have one time axis; the points of a sweep do not. */
    this.timed = model.kind !== "sweep" && model.heatMaps.length > 0;
  }

  follow(follower) {
    this.#followers.push(follower);
  }

  toggle(entry) {
    if (!this.entries.delete(entry)) {
      this.entries.add(entry);
    }
    this.#tell();
  }

  /** Null for the whole time. */
  choose(range) {
    this.range = range === null || !this.timed ? null : wholeColumns(this.model, ...range);
    this.#tell();
  }

  clear() {
    if (this.entries.size > 0 || this.range !== null) {
      this.entries.clear();
      this.range = null;
      this.#tell();
    }
  }

  #tell() {
    for (const follower of this.#followers) {
      follower(this);
    }
  }
}
