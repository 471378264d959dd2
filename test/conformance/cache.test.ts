/** The conformance suite of cache policies on every implementation, and on some that break a promise. */
import { expect, test } from "vitest";
import type { CacheOptions, CachePolicy, OnEvict } from "../../engine/hot/cache/cache.ts";
import { cacheChecks } from "../../engine/hot/cache/conformance.ts";
import { cacheOfPlugIn } from "../../engine/hot/cache/plug-in.ts";
import { cacheKinds, openCache, registerCache } from "../../engine/hot/cache/registry.ts";
import { runCheck } from "../../engine/hot/checks.ts";

const seed = 44;

for (const kind of cacheKinds()) {
  test.each(cacheChecks.map((check) => [check.name, check] as const))(
    `${kind.name}: %s`,
    (_name, check) => {
      const { outcome, reason } = runCheck({ create: () => kind.create({}) }, check, seed);
      expect(`${outcome} ${reason}`.trim()).toBe("passed");
    },
  );
}

/** An LRU cache with one method replaced. */
function withOther<Name extends keyof CachePolicy>(
  name: Name,
  make: (policy: CachePolicy) => CachePolicy[Name],
): () => CachePolicy {
  return () => {
    const policy = openCache("lru");
    const replaced = make(policy);
    return new Proxy(policy, {
      get(target, property) {
        if (property === name) {
          return replaced;
        }
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
}

/** Each breaks one promise. */
const broken: Readonly<Record<string, () => CachePolicy>> = {
  "entries come, are held and leave": withOther(
    "trimTo",
    (policy) => (bytes: number, evict: OnEvict) => {
      policy.trimTo(Math.max(1, Math.floor(bytes / 2)), evict);
    },
  ),
  "figures and victims are right under random use": withOther(
    "trimTo",
    (policy) => (bytes: number) => policy.trimTo(bytes, () => {}),
  ),
  "pinned entries stay": withOther("pin", () => () => {}),
  "bytes are told by their age": withOther("shiftAgeBins", () => () => {}),
};

test.each(Object.entries(broken).filter(([name]) => name !== "what is used often stays"))(
  "the suite finds who breaks: %s",
  (name, create) => {
    const check = cacheChecks.find((each) => each.name === name);
    expect(check).toBeDefined();
    if (check !== undefined) {
      expect(runCheck({ create }, check, seed).outcome).toBe("failed");
    }
  },
);

test("the suite finds who keeps what is new and evicts what was used last", () => {
  const check = cacheChecks.find((each) => each.name === "what is used often stays");
  const create = (): CachePolicy => {
    const policy = openCache("lru");
    // Pins whatever comes first, so that newcomers are all that leaves.
    let held = 0;
    const insert = policy.insert.bind(policy);
    policy.insert = (key, bytes) => {
      const slot = insert(key, bytes);
      held += 1;
      if (held > 300 && held <= 500) {
        policy.pin(slot);
      }
      return slot;
    };
    return policy;
  };
  expect(check).toBeDefined();
  if (check !== undefined) {
    expect(runCheck({ create }, check, seed).outcome).toBe("failed");
  }
});

test("names are unique; unknown ones are refused with those there are", () => {
  expect(cacheKinds().map(({ name }) => name)).toEqual([
    "2q",
    "lru",
    "arc",
    "s3fifo",
    "sieve",
    "wtinylfu",
  ]);
  expect(() => openCache("clock")).toThrow("unknown cache clock; there are: 2q, lru");
  const [first] = cacheKinds();
  expect(() => first !== undefined && registerCache(first)).toThrow("already");
});

test("a plug-in becomes a policy; its conformance is told", () => {
  const exported = {
    hotPath: "cache",
    name: "mine",
    describe: "sieve under another name",
    create: (context: { open: typeof openCache }, options: CacheOptions) =>
      context.open("sieve", options),
  };
  const kind = cacheOfPlugIn(exported, { open: openCache }, "mine.ts");
  for (const check of cacheChecks) {
    expect(runCheck({ create: () => kind.create({}) }, check, seed).reason).toBe("");
  }
});

test("2q's shares are options", () => {
  const fill = (options: CacheOptions) => {
    const policy = openCache("2q", options);
    for (let key = 0; key < 100; key += 1) {
      policy.insert(key, 100);
    }
    policy.trimTo(5000, () => {});
    return policy.snapshot();
  };
  expect(fill({})["warm_out"]).toHaveLength(25);
  expect(fill({ bluestore_2q_cache_kout_ratio: 0.1 })["warm_out"]).toHaveLength(5);
});
