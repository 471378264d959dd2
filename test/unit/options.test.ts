import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type OptionLayer, optionLayers } from "../../engine/options/option.ts";
import { OptionSet, type OptionSetting } from "../../engine/options/option-set.ts";
import { presets } from "../../engine/options/presets.ts";
import { findOption, optionNamed, optionTable } from "../../engine/options/registry.ts";
import { optionValueText, parseOptionValue } from "../../engine/options/value.ts";

const set = (
  settings: readonly Omit<OptionSetting, "origin">[],
  more: { kind?: "hdd" | "ssd"; preset?: string; layers?: readonly OptionLayer[] } = {},
) =>
  new OptionSet({
    layers: new Set<OptionLayer>(more.layers ?? ["store"]),
    kind: more.kind ?? "ssd",
    ...(more.preset === undefined ? {} : { preset: more.preset }),
    settings: settings.map((setting) => ({ ...setting, origin: "--set" })),
  });

describe("the registry", () => {
  it("has each name once, aliases included", () => {
    const names = optionTable.flatMap(({ name, aliases }) => [name, ...(aliases ?? [])]);
    expect(new Set(names).size).toBe(names.length);
  });

  it("has defaults that its own rules accept", () => {
    for (const option of optionTable) {
      expect(parseOptionValue(option, String(option.default)), option.name).toBe(option.default);
      expect(option.summary.length, option.name).toBeGreaterThan(10);
      if (option.choices !== undefined) {
        expect(option.type).toBe("choice");
      }
    }
  });

  it("knows every option of the documents' presets, and their values", () => {
    for (const { values } of presets) {
      for (const [name, value] of Object.entries(values)) {
        const option = optionNamed(name);
        for (const text of typeof value === "string" ? [value] : Object.values(value)) {
          parseOptionValue(option, text);
        }
      }
    }
    expect(presets.map(({ name }) => name)).toEqual([
      "documents-osd",
      "documents-source",
      "documents-rbd",
    ]);
  });

  it("offers the nearest name for an unknown one", () => {
    expect(() => optionNamed("bluestore_alocator")).toThrow(/did you mean bluestore_allocator\?/);
    expect(findOption("rbd_cache_max_size")).toBe(optionNamed("rbd_cache_size"));
  });

  it("knows FileStore's options, which do nothing, and what the others of it are", () => {
    const { notes } = set([{ name: "filestore_max_sync_interval", value: "10" }]);
    expect(notes).toEqual([
      expect.stringMatching(/^filestore_max_sync_interval=10 has no effect: FileStore is retired;/),
    ]);
    expect(() => optionNamed("filestore_sloppy_crc")).toThrow(/: FileStore is retired, /);
  });

  it("names a layer that can be told to people for every option", () => {
    for (const { layer } of optionTable) {
      expect(optionLayers[layer]).toBeDefined();
    }
  });
});

describe("values", () => {
  it.each([
    ["bluestore_min_alloc_size", "64K", 65536],
    ["bluestore_min_alloc_size", "16KiB", 16384],
    ["bluestore_block_size", "1.5g", 1.5 * 1024 ** 3],
    ["osd_memory_target", "4_Gi", 4 * 1024 ** 3],
    ["bluestore_max_defer_interval", "20ms", 0.02],
    ["bluestore_throttle_cost_per_io", "4K", 4096],
    ["bluestore_cache_autotune", "No", false],
    ["bluestore_compression_algorithm", "none", ""],
    ["rbd_persistent_cache_mode", "rwl", "pmem"],
  ])("%s=%s", (name, text, value) => {
    expect(parseOptionValue(optionNamed(name), text)).toBe(value);
  });

  it.each([
    ["bluestore_min_alloc_size", "-4K", /must be from 0 to 4194304/],
    ["bluestore_min_alloc_size", "4X", /needs a size/],
    ["osd_memory_target", "64M", /must be at least 939524096/],
    ["bluestore_cache_kv_ratio", "1.5", /must be from 0 to 1/],
    ["bluestore_cache_autotune", "maybe", /needs true or false/],
    ["bluestore_csum_type", "crc32", /one of none, crc32c, .* \(did you mean crc32c\?\)/],
    ["bluestore_retry_disk_reads", "", /needs a whole number/],
    ["bluestore_max_defer_interval", "3 weeks", /needs a time/],
  ])("%s=%s is refused", (name, text, message) => {
    expect(() => parseOptionValue(optionNamed(name), text)).toThrow(message);
  });

  it("are one line of bad input or a value, whatever is typed", () => {
    fc.assert(
      fc.property(fc.constantFrom(...optionTable), fc.string(), (option, text) => {
        try {
          parseOptionValue(option, text);
        } catch (error) {
          expect(error).toMatchObject({ code: "bad-input" });
        }
      }),
    );
  });

  it("print so that they can be read again", () => {
    for (const { type, default: value } of optionTable) {
      if (type === "size" && typeof value === "number") {
        const text = optionValueText(type, value).replace(" ", "");
        expect(parseOptionValue(optionNamed("rbd_qos_bps_limit"), text)).toBe(value);
      }
    }
  });
});

describe("a set of options", () => {
  it("takes the default of the kind of device while the option is 0", () => {
    expect(set([], { kind: "hdd" }).number("bluestore_prefer_deferred_size")).toBe(65536);
    expect(set([], { kind: "ssd" }).number("bluestore_prefer_deferred_size")).toBe(0);
    const own = set([{ name: "bluestore_prefer_deferred_size_ssd", value: "32K" }]);
    expect(own.number("bluestore_prefer_deferred_size")).toBe(32768);
    const both = set([
      { name: "bluestore_prefer_deferred_size_ssd", value: "32K" },
      { name: "bluestore_prefer_deferred_size", value: "16K" },
    ]);
    expect(both.number("bluestore_prefer_deferred_size")).toBe(16384);
  });

  it("refuses what acts on a layer that is not there, by its name", () => {
    expect(() => set([{ name: "rbd_cache", value: "true" }])).toThrow(
      "rbd_cache=true: acts on the client cache, which this target does not have",
    );
    expect(() => set([{ name: "osd_op_queue", value: "wpq" }], { layers: [] })).toThrow(
      /scheduler/,
    );
  });

  it("accepts what is obsolete, with a note and without effect", () => {
    const options = set([{ name: "journal_aio", value: "false" }]);
    expect(options.notes).toEqual(["journal_aio=false has no effect: FileStore is retired"]);
    expect(options.isSet("journal_aio")).toBe(false);
    const { notes } = set([
      { name: "rbd_cache_max_dirty_object", value: "10" },
      { name: "rbd_rwl_log_periodic_stats", value: "true" },
    ]);
    expect(notes).toEqual([
      expect.stringMatching(/^rbd_cache_max_dirty_object=10 has no effect: the cache holds pages/),
      expect.stringMatching(/has no effect: Ceph has it no more/),
    ]);
  });

  it("puts settings over a preset, and says what the preset could not do", () => {
    const options = set([{ name: "bluestore_cache_size", value: "2G" }], {
      preset: "documents-osd",
      kind: "hdd",
    });
    expect(options.number("bluestore_cache_size")).toBe(2 * 1024 ** 3);
    expect(options.number("bluestore_cache_meta_ratio")).toBe(0.4);
    expect(options.notes[0]).toMatch(/osd_recovery_sleep/);
    const { bluestore_cache_size: size, bluestore_cache_meta_ratio: ratio } = options.record();
    expect([size?.origin, ratio?.origin]).toEqual(["--set", "preset documents-osd"]);
  });

  it("takes the preset's value for the kind of device", () => {
    const of = (kind: "hdd" | "ssd") =>
      set([], { preset: "documents-osd", kind }).number("bluestore_cache_size");
    expect([of("hdd"), of("ssd")]).toEqual([4 * 1024 ** 3, 8 * 1024 ** 3]);
  });

  it("changes at run time what may change, and tells who asked", () => {
    const options = set([]);
    const seen: number[] = [];
    const name = "bluestore_throttle_bytes";
    options.observe(name, () => seen.push(options.number(name)));
    options.change({ name, value: "1M", origin: "ceph" });
    expect(seen).toEqual([1048576]);
    expect(() =>
      options.change({ name: "bluestore_min_alloc_size", value: "16K", origin: "ceph" }),
    ).toThrow(/takes effect when it is made anew only/);
    options.observe("bluestore_deferred_batch_ops", () =>
      seen.push(options.number("bluestore_deferred_batch_ops")),
    );
    options.change({ name: "bluestore_deferred_batch_ops_ssd", value: "7", origin: "ceph" });
    expect(seen).toEqual([1048576, 7]);
  });

  it("records every option of its layers and no other", () => {
    const record = set([]).record();
    expect(record).toHaveProperty("bluestore_csum_type", { value: "crc32c", origin: "default" });
    expect(record).not.toHaveProperty("rbd_cache");
    expect(record).not.toHaveProperty("journal_dio");
  });
});
