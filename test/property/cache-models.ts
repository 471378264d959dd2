/**
 * The cache policies once more, the plain way: arrays, front first, searched from end to end. The real ones
 * must have the same order after every step.
 */
import type { CacheKey, CacheSnapshot } from "../../engine/hot/cache/cache.ts";
import { FrequencySketch, hashOf } from "../../engine/hot/cache/sketch.ts";

interface Entry {
  readonly key: CacheKey;
  bytes: number;
  uses: number;
}

type Lists = Record<string, Entry[]>;

const sum = (list: readonly Entry[] = []) => list.reduce((total, { bytes }) => total + bytes, 0);

export abstract class Model {
  readonly lists: Lists;
  /** Pinned entries and the list they return to. */
  readonly pinned = new Map<CacheKey, { entry: Entry; home: string; pins: number }>();
  evicted: CacheKey[] = [];
  readonly #ghosts: readonly string[];

  constructor(lists: readonly string[], ghosts: readonly string[] = []) {
    this.lists = Object.fromEntries([...lists, ...ghosts].map((name) => [name, []]));
    this.#ghosts = ghosts;
  }

  abstract arrive(entry: Entry, ghost: string | null): void;
  /** `home`: the list it is in, or returns to. Answers where it belongs from now on, null: it stays. */
  abstract use(entry: Entry, home: string): string | null;
  abstract shrink(room: number): void;
  settle(): void {}
  leaving(_entry: Entry): void {}

  insert(key: CacheKey, bytes: number): void {
    let ghost: string | null = null;
    for (const name of this.#ghosts) {
      const list = this.list(name);
      const at = list.findIndex((entry) => entry.key === key);
      if (at >= 0) {
        list.splice(at, 1);
        ghost = name;
      }
    }
    this.arrive({ key, bytes, uses: 0 }, ghost);
  }

  hit(key: CacheKey): void {
    const held = this.pinned.get(key);
    if (held !== undefined) {
      held.home = this.use(held.entry, held.home) ?? held.home;
    } else {
      const { entry, name } = this.find(key);
      const to = this.use(entry, name);
      if (to !== null) {
        this.move(entry, name, to);
      }
    }
    this.settle();
  }

  setBytes(key: CacheKey, bytes: number): void {
    (this.pinned.get(key)?.entry ?? this.find(key).entry).bytes = bytes;
  }

  remove(key: CacheKey): void {
    if (!this.pinned.delete(key)) {
      const { entry, name } = this.find(key);
      this.leaving(entry);
      this.take(entry, name);
    }
  }

  pin(key: CacheKey): void {
    const held = this.pinned.get(key);
    if (held !== undefined) {
      held.pins += 1;
      return;
    }
    const { entry, name } = this.find(key);
    this.leaving(entry);
    this.take(entry, name);
    this.pinned.set(key, { entry, home: name, pins: 1 });
  }

  unpin(key: CacheKey): void {
    const held = this.pinned.get(key);
    if (held !== undefined) {
      held.pins -= 1;
      if (held.pins === 0) {
        this.pinned.delete(key);
        this.list(held.home).unshift(held.entry);
      }
    }
  }

  trimTo(bytes: number): void {
    const pinned = sum([...this.pinned.values()].map(({ entry }) => entry));
    this.shrink(Math.max(0, bytes - pinned));
  }

  snapshot(): CacheSnapshot {
    return Object.fromEntries(
      Object.entries(this.lists).map(([name, list]) => [name, list.map(({ key }) => key)]),
    );
  }

  list(name: string): Entry[] {
    const list = this.lists[name];
    if (list === undefined) {
      throw new Error(`no list ${name}`);
    }
    return list;
  }

  size(name: string): number {
    return sum(this.lists[name]);
  }

  last(name: string): Entry {
    const entry = this.list(name).at(-1);
    if (entry === undefined) {
      throw new Error(`${name} is empty`);
    }
    return entry;
  }

  find(key: CacheKey): { entry: Entry; name: string } {
    for (const [name, list] of Object.entries(this.lists)) {
      const entry = this.#ghosts.includes(name) ? undefined : list.find((each) => each.key === key);
      if (entry !== undefined) {
        return { entry, name };
      }
    }
    throw new Error(`${key} is not held`);
  }

  take(entry: Entry, name: string): void {
    const list = this.list(name);
    list.splice(list.indexOf(entry), 1);
  }

  move(entry: Entry, from: string, to: string): void {
    this.take(entry, from);
    this.list(to).unshift(entry);
  }

  evict(entry: Entry, from: string, ghost: string | null = null): void {
    this.leaving(entry);
    this.take(entry, from);
    this.evicted.push(entry.key);
    if (ghost !== null) {
      this.list(ghost).unshift(entry);
    }
  }

  trimGhosts(name: string, bytes: number): void {
    while (this.size(name) > bytes && this.list(name).length > 0) {
      this.list(name).pop();
    }
  }
}

class LruModel extends Model {
  constructor() {
    super(["all"]);
  }
  arrive(entry: Entry): void {
    this.list("all").unshift(entry);
  }
  use(): string {
    return "all";
  }
  shrink(room: number): void {
    while (this.size("all") > room) {
      this.evict(this.last("all"), "all");
    }
  }
}

class TwoQueueModel extends Model {
  constructor() {
    super(["hot", "warm_in"], ["warm_out"]);
  }
  arrive(entry: Entry, ghost: string | null): void {
    this.list(ghost === null ? "warm_in" : "hot").unshift(entry);
  }
  use(_entry: Entry, home: string): string | null {
    return home === "hot" ? "hot" : null;
  }
  shrink(room: number): void {
    if (this.size("hot") + this.size("warm_in") > room) {
      const share = Math.floor(room / 2);
      const hotSpare = Math.max(0, room - share - this.size("hot"));
      const inSpare = Math.max(0, share - this.size("warm_in"));
      while (this.size("warm_in") > share + hotSpare) {
        this.evict(this.last("warm_in"), "warm_in", "warm_out");
      }
      while (this.size("hot") > room - share + (hotSpare > 0 ? 0 : inSpare)) {
        this.evict(this.last("hot"), "hot");
      }
    }
    this.trimGhosts("warm_out", room / 2);
  }
}

class ArcModel extends Model {
  #target = 0;
  #room = Number.MAX_SAFE_INTEGER;
  constructor() {
    super(["once", "often"], ["once_gone", "often_gone"]);
  }
  arrive(entry: Entry, ghost: string | null): void {
    if (ghost === null) {
      this.list("once").unshift(entry);
      return;
    }
    const mine = this.size(ghost) + entry.bytes;
    const theirs = this.size(ghost === "once_gone" ? "often_gone" : "once_gone");
    const step = entry.bytes * Math.max(1, theirs / mine);
    this.#target =
      ghost === "once_gone"
        ? Math.min(this.#room, this.#target + step)
        : Math.max(0, this.#target - step);
    this.list("often").unshift(entry);
  }
  use(): string {
    return "often";
  }
  shrink(room: number): void {
    this.#room = room;
    this.#target = Math.min(this.#target, room);
    while (this.size("once") + this.size("often") > room) {
      const once = this.list("once").length > 0 && this.size("once") > this.#target;
      if (once || this.list("often").length === 0) {
        this.evict(this.last("once"), "once", "once_gone");
      } else {
        this.evict(this.last("often"), "often", "often_gone");
      }
    }
    this.trimGhosts("once_gone", room - this.size("once"));
    const held = this.size("once") + this.size("often") + this.size("once_gone");
    this.trimGhosts("often_gone", 2 * room - held);
  }
}

class S3FifoModel extends Model {
  constructor() {
    super(["small", "main"], ["gone"]);
  }
  arrive(entry: Entry, ghost: string | null): void {
    this.list(ghost === null ? "small" : "main").unshift(entry);
  }
  use(entry: Entry): null {
    entry.uses = Math.min(3, entry.uses + 1);
    return null;
  }
  shrink(room: number): void {
    while (this.size("small") + this.size("main") > room) {
      if (this.size("small") > room * 0.1 || this.list("main").length === 0) {
        const entry = this.last("small");
        if (entry.uses >= 2) {
          entry.uses = 0;
          this.move(entry, "small", "main");
        } else {
          this.evict(entry, "small", "gone");
        }
      } else {
        const entry = this.last("main");
        if (entry.uses > 0) {
          entry.uses -= 1;
          this.move(entry, "main", "main");
        } else {
          this.evict(entry, "main");
        }
      }
    }
    this.trimGhosts("gone", room - room * 0.1);
  }
}

class SieveModel extends Model {
  #hand: Entry | null = null;
  constructor() {
    super(["all"]);
  }
  arrive(entry: Entry): void {
    this.list("all").unshift(entry);
  }
  use(entry: Entry): null {
    entry.uses = 1;
    return null;
  }
  override leaving(entry: Entry): void {
    if (entry === this.#hand) {
      this.#hand = this.#newer(entry);
    }
  }
  shrink(room: number): void {
    while (this.size("all") > room) {
      let entry = this.#hand ?? this.last("all");
      while (entry.uses > 0) {
        entry.uses = 0;
        entry = this.#newer(entry) ?? this.last("all");
      }
      this.#hand = entry;
      this.evict(entry, "all");
    }
  }
  #newer(entry: Entry): Entry | null {
    const list = this.list("all");
    return list[list.indexOf(entry) - 1] ?? null;
  }
}

class WindowTinyLfuModel extends Model {
  // The sketch is the same: it has a test of its own.
  readonly #sketch = new FrequencySketch(1024);
  #room = Number.MAX_SAFE_INTEGER;
  constructor() {
    super(["window", "probation", "guarded"]);
  }
  arrive(entry: Entry): void {
    this.#sketch.add(hashOf(entry.key));
    this.list("window").unshift(entry);
  }
  use(entry: Entry, home: string): string {
    this.#sketch.add(hashOf(entry.key));
    return home === "window" ? "window" : "guarded";
  }
  override settle(): void {
    while (this.size("guarded") > this.#room * 0.8) {
      this.move(this.last("guarded"), "guarded", "probation");
    }
  }
  shrink(room: number): void {
    const windowRoom = Math.floor(room * 0.01);
    this.#room = room - windowRoom;
    this.settle();
    const main = () => this.size("probation") + this.size("guarded");
    while (this.size("window") > windowRoom) {
      const candidate = this.last("window");
      let admitted = true;
      while (admitted && main() + candidate.bytes > this.#room) {
        const [name] = ["probation", "guarded"].filter((each) => this.list(each).length > 0);
        const victim = name === undefined ? null : this.last(name);
        if (name === undefined || victim === null || this.#uses(victim) >= this.#uses(candidate)) {
          admitted = false;
        } else {
          this.evict(victim, name);
        }
      }
      if (admitted) {
        this.move(candidate, "window", "probation");
      } else {
        this.evict(candidate, "window");
      }
    }
    while (main() > this.#room) {
      const name = this.list("probation").length > 0 ? "probation" : "guarded";
      this.evict(this.last(name), name);
    }
  }
  #uses({ key }: Entry): number {
    return this.#sketch.estimate(hashOf(key));
  }
}

export const cacheModels: Readonly<Record<string, () => Model>> = {
  lru: () => new LruModel(),
  "2q": () => new TwoQueueModel(),
  arc: () => new ArcModel(),
  s3fifo: () => new S3FifoModel(),
  sieve: () => new SieveModel(),
  wtinylfu: () => new WindowTinyLfuModel(),
};
