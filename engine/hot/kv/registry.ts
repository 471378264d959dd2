/** The key-value stores by name, as `bluestore_kvbackend` selects them. */
import { OsdynoError } from "../../base/error.ts";
import type { KeyValueEngine, KeyValueStore, KvOpenContext } from "./kv.ts";
import { memoryEngine } from "./memory.ts";
import { rocksdbEngine } from "./rocksdb.ts";
import { waltreeEngine } from "./waltree.ts";

const engines = new Map<string, KeyValueEngine>(
  [rocksdbEngine, waltreeEngine, memoryEngine].map((engine) => [engine.name, engine]),
);

/** Adds an implementation; refuses a name that is taken. */
export function registerKeyValueEngine(engine: KeyValueEngine): void {
  if (engines.has(engine.name)) {
    throw new OsdynoError("bad-input", `there is a key-value store named ${engine.name} already`);
  }
  engines.set(engine.name, engine);
}

/** All of them, in the order they were registered, usable here or not. */
export function keyValueEngines(): readonly KeyValueEngine[] {
  return [...engines.values()];
}

/** The implementation of that name; throws `bad-input` or `unavailable` with what to do. */
export function keyValueEngine(name: string): KeyValueEngine {
  const engine = engines.get(name);
  if (engine === undefined) {
    const known = [...engines.keys()].join(", ");
    throw new OsdynoError("bad-input", `unknown key-value store ${name}; there are: ${known}`);
  }
  if (engine.unavailable !== null) {
    throw new OsdynoError("unavailable", `key-value store ${name}: ${engine.unavailable}`);
  }
  return engine;
}

/** Opens or makes a store. */
export async function openKeyValueStore(
  name: string,
  context: KvOpenContext,
): Promise<KeyValueStore> {
  return await keyValueEngine(name).open(context);
}
