import { describe, expect, test } from "vitest";
import { runStoreCheck, storeChecks } from "../../engine/store/conformance.ts";
import { RandomStoreRun } from "../../engine/store/conformance-random.ts";
import { StoreSession } from "../../engine/store/conformance-session.ts";
import type { ObjectStore } from "../../engine/store/object-store.ts";
import { nativeStoreSubjects } from "./native-store.ts";
import { memStoreSubject, storeSubjects } from "./store-subjects.ts";

const seed = 20_261;

for (const subject of [...storeSubjects, ...nativeStoreSubjects]) {
  describe(subject.name, () => {
    for (const check of storeChecks) {
      test(check.name, async (context) => {
        const reason = await runStoreCheck(subject, check, seed);
        if (reason !== null) {
          context.skip(reason);
        }
      });
    }
  });
}

/** A store that loses the last byte of every tenth read. */
function flawed(store: ObjectStore): ObjectStore {
  let reads = 0;
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (name !== "read" || typeof value !== "function") {
        return typeof value === "function" ? value.bind(target) : value;
      }
      return (...args: Parameters<ObjectStore["read"]>) => {
        const [collection, object, offset, into, done] = args;
        target.read(collection, object, offset, into, (length) => {
          reads += 1;
          if (reads % 10 === 0 && length > 0) {
            into[length - 1] = (into[length - 1] as number) ^ 1;
          }
          done(length);
        });
      };
    },
  });
}

test("a planted flaw is found", async () => {
  const harness = await memStoreSubject.create(seed);
  const session = new StoreSession(
    memStoreSubject,
    { ...harness, store: flawed(harness.store) },
    seed,
  );
  const run = new RandomStoreRun(session, { steps: 40, remountEvery: 0, objects: 12 });
  await expect(run.run()).rejects.toThrow(/differs/);
});
