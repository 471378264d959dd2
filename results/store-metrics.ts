/** Metrics of object stores, from the counters of a run; of several stores those of all together. */

type Counters = Readonly<Record<string, number>>;

/** `fragmentation` is of one store, and where there are several this counter of each says it. */
export const ofOneStore: Readonly<Record<string, string>> = {
  fragmentation: "bluestore.fragmentation_score",
};

/** A counter's name taken apart: `bdev.flushes@store:a.img` is that of one store. */
export function splitCounter(name: string): {
  readonly counter: string;
  readonly store: string | null;
} {
  const at = name.indexOf("@");
  return at < 0
    ? { counter: name, store: null }
    : { counter: name.slice(0, at), store: name.slice(at + 1) };
}

/**
 * Runs of earlier versions recorded the first of several stores under the plain names, which then say nothing
 * of the run.
 */
function countedFirstOnly(counters: Counters): boolean {
  const score = "bluestore.fragmentation_score";
  return score in counters && Object.keys(counters).some((key) => key.startsWith(`${score}@`));
}

/** The sum over several stores of what each of them has; null without any. */
function ofEach(counters: Counters, name: string): number | null {
  const own = Object.keys(counters).filter((key) => key.startsWith(`${name}@`));
  return own.length === 0 ? null : own.reduce((sum, key) => sum + (counters[key] ?? 0), 0);
}

const queryOf = (text: string) => text.split("?").slice(1).join("?");
const pathOf = (text: string) =>
  (text.split("?")[0] ?? "").replace(/^store:/, "").replace(/^(\.\/)+/, "");

/**
 * The target that somebody means: by its whole text, or by the end of its path, with or without what stands behind
 * the `?`. Null where none or several are so called.
 */
export function targetCalled(name: string, targets: readonly string[]): string | null {
  if (targets.includes(name)) {
    return name;
  }
  const [path, query] = [pathOf(name), queryOf(name)];
  const found = targets.filter(
    (text) =>
      (pathOf(text) === path || pathOf(text).endsWith(`/${path}`)) &&
      (query === "" || queryOf(text) === query),
  );
  return found.length === 1 ? (found[0] ?? null) : null;
}

/**
 * A counter of stores or layers; with `@TARGET` that of one store, which is the run's `target` where it is the only
 * one. Null where none has counted it.
 */
export function storeCounter(counters: Counters, name: string, target: string): number | null {
  const { counter, store } = splitCounter(name);
  if (store === null) {
    return Object.hasOwn(counters, name) ? (counters[name] ?? null) : null;
  }
  const own = Object.keys(counters)
    .filter((key) => key.startsWith(`${counter}@`))
    .map((key) => key.slice(counter.length + 1));
  const called = targetCalled(store, own.length === 0 ? [target] : own);
  const key = own.length === 0 ? counter : `${counter}@${called}`;
  return called === null ? null : (counters[key] ?? null);
}

/** Deferred writes: written in place after they stood in the log, which is the key-value store's. */
const inPlace = "bluestore.submitted_deferred_write_bytes";

/** Sections of counters that are no key-value store's. */
const ofStore = /^(bluestore|bdev|volume|memory|throttle-[^.]*)\./;

/**
 * A metric that is made of what object stores counted, of all stores of a run together; null where a run has
 * none, and of one that holds for each of several stores by itself.
 */
export function storeFigure(counters: Counters, name: string): number | null {
  if (countedFirstOnly(counters)) {
    return null;
  }
  const of = (counter: string) => (Object.hasOwn(counters, counter) ? counters[counter] : null);
  const sum = (...names: readonly string[]) =>
    names.reduce((total, counter) => total + (of(counter) ?? 0), 0);
  /** Of key-value stores, whatever they are called. */
  const kv = (counter: string) =>
    Object.keys(counters).filter((key) => key.endsWith(`.${counter}`) && !ofStore.test(key));
  const share = (part: number, whole: number) => (whole === 0 ? null : part / whole);
  switch (name) {
    case "write_amplification":
      return share(sum("bdev.write_bytes", ...kv("written_bytes")), sum("volume.write_bytes"));
    case "write_amplification.data":
      return share(sum("bdev.write_bytes") - sum(inPlace), sum("volume.write_bytes"));
    case "write_amplification.deferred":
      return share(sum(inPlace), sum("volume.write_bytes"));
    case "write_amplification.kv":
      return share(sum(...kv("written_bytes")), sum("volume.write_bytes"));
    case "flushes_per_io":
      return share(
        sum("bdev.flushes", ...kv("flushes"), ...kv("durable_writes")),
        sum("volume.reads", "volume.writes", "volume.trims"),
      );
    case "fragmentation":
      return of("bluestore.fragmentation_score") ?? null;
    case "store_memory_bytes":
      return of("memory.most_bytes") ?? ofEach(counters, "memory.most_bytes");
    case "alloc_ns.p50":
    case "alloc_ns.p99":
      return of(`bluestore.allocator_lat.${name.slice("alloc_ns.".length)}_ns`) ?? null;
    case "cache_hit_ratio":
      return share(
        sum("bluestore.buffer_hit_bytes"),
        sum("bluestore.buffer_hit_bytes", "bluestore.buffer_miss_bytes"),
      );
    default:
      return null;
  }
}
