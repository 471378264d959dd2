/** `osdyno store`: looks into a store that is not in use. */
import { statSync, truncateSync } from "node:fs";
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { optionNamed } from "../../engine/options/registry.ts";
import { parseOptionValue } from "../../engine/options/value.ts";
import { Holds } from "../../engine/os/hold.ts";
import { expandStore } from "../../engine/store/bluestore/expand.ts";
import { allLabels, Inspection } from "../../engine/store/bluestore/inspect.ts";
import type { BlueStoreParts } from "../../engine/store/bluestore/parts.ts";
import { RealStore } from "../../engine/store/real-store.ts";
import { toolStore, withStoreParts } from "../../engine/store/store-tools.ts";
import { readSetting } from "../../workloads/stack.ts";
import {
  countersText,
  expansionText,
  freeText,
  keyText,
  labelText,
  objectLines,
  onodeText,
  overviewText,
} from "../store-text.ts";
import { gathered, withPlugIns } from "./fsck.ts";

interface StoreFlags {
  readonly json?: true;
  readonly set: readonly string[];
}

function print(flags: StoreFlags, document: unknown, text: () => string): void {
  const shown = flags.json === true ? JSON.stringify(document, null, 2) : text();
  process.stdout.write(`${shown}\n`);
}

function requestOf(path: string, flags: StoreFlags, write: boolean) {
  return { path, settings: flags.set.map((text) => readSetting(text, "--set")), write };
}

async function withParts<T>(
  path: string,
  flags: StoreFlags,
  use: (parts: BlueStoreParts) => Promise<T>,
  { write = false, holds }: { readonly write?: boolean; readonly holds?: Holds } = {},
): Promise<T> {
  const request = requestOf(path, flags, write);
  return await withStoreParts(holds === undefined ? request : { ...request, holds }, use);
}

async function inspect<T>(
  path: string,
  flags: StoreFlags,
  use: (inspection: Inspection) => T,
): Promise<T> {
  return await withParts(path, flags, async (parts) => {
    const inspection = await Inspection.open(parts);
    try {
      return use(inspection);
    } finally {
      await inspection.close();
    }
  });
}

/** Whole name, part of a name, or a pattern with * and ?. */
function matcher(filter: string | undefined): (name: string) => boolean {
  if (filter === undefined) {
    return () => true;
  }
  if (!/[*?]/.test(filter)) {
    return (name) => name.includes(filter);
  }
  const escaped = filter.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  const pattern = new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s");
  return (name) => pattern.test(name);
}

function limitOf(text: string): number {
  if (!/^\d+$/.test(text)) {
    throw new OsdynoError("bad-input", `--limit ${text}: give a whole number; 0: no limit`);
  }
  return Number(text) === 0 ? Number.POSITIVE_INFINITY : Number(text);
}

/** The first ones, and whether there are more. */
function taken<T>(
  all: Iterable<T>,
  limit: number,
): { readonly items: T[]; readonly more: boolean } {
  const items: T[] = [];
  for (const item of all) {
    if (items.length === limit) {
      return { items, more: true };
    }
    items.push(item);
  }
  return { items, more: false };
}

function subcommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument("<path>", "the store's main device or file")
    .option(
      "--set <name=value>",
      "an option of the store, e.g. where its db device is",
      gathered,
      [],
    )
    .option(
      "--plugin <file>",
      "a module with what the store was made with (checksum, compressor, key-value store)",
      gathered,
      [],
    )
    .option("--json", "one JSON document")
    .hook("preAction", withPlugIns);
}

function labelCommand(): Command {
  return subcommand("label", "the labels of the store's devices").action(
    async (path: string, flags: StoreFlags) => {
      const labels = await withParts(path, flags, allLabels);
      print(flags, { path, labels }, () => labels.map(labelText).join("\n\n"));
    },
  );
}

interface LimitFlags extends StoreFlags {
  readonly limit: string;
}

function listCommand(): Command {
  return subcommand("list", "the objects of the store, in order")
    .argument("[filter]", "a part of names, or a pattern with * and ?")
    .option("--limit <count>", "objects at most; 0: all", "1000")
    .action(async (path: string, filter: string | undefined, flags: LimitFlags) => {
      const limit = limitOf(flags.limit);
      const { items, more } = await inspect(path, flags, (inspection) =>
        taken(inspection.objects(matcher(filter)), limit),
      );
      print(flags, { path, objects: items, more }, () => objectLines(items, more));
    });
}

function kvCommand(): Command {
  return subcommand("kv", "the records of the key-value store")
    .argument("[prefix]", "those of one prefix: C, L, O, S, T, X, B, b, p")
    .option("--limit <count>", "records at most; 0: all", "1000")
    .action(async (path: string, prefix: string | undefined, flags: LimitFlags) => {
      const limit = limitOf(flags.limit);
      const { items, more } = await inspect(path, flags, (inspection) => {
        const known = inspection.prefixes;
        if (prefix !== undefined && !known.includes(prefix)) {
          throw new OsdynoError(
            "bad-input",
            `a store has no records under ${prefix}; there are ${known.join(", ")}`,
          );
        }
        return taken(inspection.records(prefix ?? null), limit);
      });
      const records = items.map(({ prefix: under, key, value }) => ({
        prefix: under,
        key: Buffer.from(key).toString("hex"),
        value: Buffer.from(value).toString("hex"),
      }));
      print(flags, { path, records, more }, () => {
        const lines = items.map(({ prefix: under, key, value }) =>
          [under, keyText(key), `${value.length} bytes`, keyText(value.subarray(0, 40))].join("  "),
        );
        return [...lines, ...(more ? ["... and more (--limit)"] : [])].join("\n");
      });
    });
}

function freeCommand(): Command {
  return subcommand("free", "free extents of the main device, and how fragmented they are").action(
    async (path: string, flags: StoreFlags) => {
      const free = await inspect(path, flags, (inspection) => inspection.free());
      print(flags, { path, ...free }, () => freeText(free));
    },
  );
}

interface DumpFlags extends StoreFlags {
  readonly counters?: true;
}

async function dumpCounters(path: string, flags: DumpFlags): Promise<void> {
  const store = await RealStore.open(toolStore(requestOf(path, flags, true)));
  const counters = store.perfCounters();
  await store.close();
  print(flags, { path, counters }, () => countersText(counters));
}

function dumpCommand(): Command {
  return subcommand("dump", "what the store is and holds, or all about one object")
    .argument("[object]", "an object's name")
    .option(
      "--counters",
      "its counters since it was opened for this, which writes to a store that was not closed; a run's own are in its run.json",
    )
    .action(async (path: string, object: string | undefined, flags: DumpFlags) => {
      if (flags.counters === true) {
        await dumpCounters(path, flags);
        return;
      }
      if (object !== undefined) {
        const objects = await inspect(path, flags, (inspection) => inspection.onodes(object));
        if (objects.length === 0) {
          throw new OsdynoError("bad-input", `${path}: no object is called ${object}`);
        }
        print(flags, { path, objects }, () => objects.map(onodeText).join("\n\n"));
        return;
      }
      const overview = await inspect(path, flags, (inspection) => ({
        label: inspection.label,
        geometry: inspection.geometry,
        collections: inspection.collections(),
        usage: inspection.usage(),
        kv: inspection.kvCounters(),
      }));
      print(flags, { path, ...overview }, () => overviewText(path, overview));
    });
}

interface ExpandFlags extends StoreFlags {
  readonly size?: string;
}

/** Makes a file longer; devices have their size. */
function lengthen(path: string, text: string): void {
  const size = Number(
    parseOptionValue({ ...optionNamed("bluestore_block_size"), name: "--size" }, text),
  );
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true) {
    throw new OsdynoError("bad-input", `--size ${text}: ${path} is no file`);
  }
  if (size < found.size) {
    throw new OsdynoError(
      "bad-input",
      `--size ${text}: ${path} has ${found.size} bytes already; a store is not made smaller`,
    );
  }
  truncateSync(path, size);
}

function expandCommand(): Command {
  return subcommand("expand", "take all of devices that have become larger")
    .option("--size <size>", "make the main file so long first")
    .action(async (path: string, flags: ExpandFlags) => {
      const holds = new Holds();
      const expand = async () => {
        if (flags.size !== undefined) {
          // Only what is a store, and free, is touched.
          await withParts(path, flags, allLabels, { holds });
          lengthen(path, flags.size);
        }
        return await withParts(path, flags, expandStore, { write: true, holds });
      };
      const expansions = await expand().finally(() => holds.close());
      print(flags, { path, devices: expansions }, () => expansionText(expansions));
    });
}

export function storeCommand(): Command {
  const command = new Command("store").description(
    "look into a store that is not in use: dump, list, kv, free, label; expand",
  );
  const all = [dumpCommand, listCommand, kvCommand, freeCommand, labelCommand, expandCommand];
  for (const make of all) {
    command.addCommand(make());
  }
  return command;
}
