/** `--plugin FILE`: hot paths of the user's own take part in runs on a store. */
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Done, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const firstFit = fileURLToPath(new URL("../../engine/hot/allocator/first-fit.ts", import.meta.url));

const modules = {
  // Adds up the words of a chunk, each times its place.
  "sum.ts": `export default {
    hotPath: "checksum", name: "sum", describe: "a sum of words, each times its place",
    create: () => {
      const sumOf = (bytes: Uint8Array, at: number, length: number): number => {
        const words = new DataView(bytes.buffer, bytes.byteOffset + at, length);
        let sum = 1;
        for (let index = 0; index + 4 <= length; index += 4) {
          sum = (Math.imul(sum, 31) + words.getUint32(index, true)) | 0;
        }
        for (let index = length - (length % 4); index < length; index += 1) {
          sum = (Math.imul(sum, 31) + words.getUint8(index)) | 0;
        }
        return sum >>> 0;
      };
      return {
        valueBytes: 4,
        checksum: (bytes: Uint8Array, chunkBytes: number, out: Uint8Array) => {
          const view = new DataView(out.buffer, out.byteOffset, out.length);
          for (let at = 0; at < bytes.length; at += chunkBytes) {
            view.setUint32((at / chunkBytes) * 4, sumOf(bytes, at, chunkBytes), true);
          }
        },
        verify: (bytes: Uint8Array, chunkBytes: number, sums: Uint8Array) => {
          const view = new DataView(sums.buffer, sums.byteOffset, sums.length);
          for (let at = 0; at < bytes.length; at += chunkBytes) {
            if (view.getUint32((at / chunkBytes) * 4, true) !== sumOf(bytes, at, chunkBytes)) {
              return at / chunkBytes;
            }
          }
          return -1;
        },
      };
    },
  };`,
  "squeeze.ts": `export default {
    hotPath: "compressor", name: "squeeze", describe: "lz4 under another name",
    create: ({ open }: { open: (name: string) => object }) => {
      const inner = open("lz4") as any;
      return {
        name: "squeeze",
        compress: (bytes: Uint8Array, out: Uint8Array) => inner.compress(bytes, out),
        decompress: (...given: unknown[]) => inner.decompress(...given),
      };
    },
  };`,
  "mine.ts": `export default {
    hotPath: "cache", name: "mine", describe: "lru under another name",
    create: ({ open }: { open: (name: string, options: object) => object }, options: object) =>
      open("lru", options),
  };`,
  "tree.ts": `export default {
    hotPath: "kv", name: "tree", describe: "waltree under another name",
    create: ({ open }: { open: (name: string, context: object) => object }, context: object) =>
      open("waltree", context),
  };`,
  "broken.ts": `export default {
    hotPath: "allocator", name: "broken", describe: "gives what it does not have",
    create: ({ create }: any, options: any) => {
      const inner = create("stupid", options);
      return new Proxy(inner, {
        get: (target, key) => {
          const found = target[key];
          if (key === "freeBytes") {
            return () => target.freeBytes() + 4096;
          }
          return typeof found === "function" ? found.bind(target) : found;
        },
      });
    },
  };`,
};

function run(target: string, ...more: readonly string[]): Done {
  return place.run([
    ...["run", "--no-report", "--no-progress", "--out=r", `--target=store:${target}`],
    ...["--name=a", "--rw=randwrite", "--bs=16k", "--size=2m", "--verify=crc32c"],
    ...["--buffer_compress_percentage=60", "--iodepth=4", ...more],
  ]);
}

test("plug-ins of five hot paths make a store together, and are recorded", () => {
  for (const [name, text] of Object.entries(modules)) {
    place.write(name, text);
  }
  const files = [firstFit, "sum.ts", "squeeze.ts", "mine.ts", "tree.ts"];
  const plugIns = files.map((file) => `--plugin=${file}`);
  const chosen = [
    "bluestore_allocator=first-fit",
    "bluestore_csum_type=sum",
    "bluestore_compression_algorithm=squeeze",
    "bluestore_compression_mode=force",
    "bluestore_cache_type=mine",
    "bluestore_kvbackend=tree",
  ].map((setting) => `--set=${setting}`);
  const done = run("s?size=192m", ...plugIns, ...chosen);
  expect(done.err).not.toContain("osdyno:");
  expect(done.code).toBe(0);
  const { environment, options, osdyno } = place.record("r");
  expect(environment["plugins"]).toMatchObject([
    { hot_path: "allocator", name: "first-fit", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    { hot_path: "checksum", name: "sum", file: place.path("sum.ts") },
    { hot_path: "compressor", name: "squeeze" },
    { hot_path: "cache", name: "mine" },
    { hot_path: "kv", name: "tree" },
  ]);
  expect(options["bluestore_csum_type"]).toEqual({ value: "sum", origin: "--set" });
  expect(osdyno.counters?.["bluestore.compress_success_count"]).toBeGreaterThan(0);
  // Found again with its plug-ins, and with other choices for what is written from now on.
  const again = run("s", ...plugIns, "--verify_only");
  expect(again.err).not.toContain("osdyno:");
  expect(again.code).toBe(0);
  const checked = place.run(["fsck", "s", "--deep", ...plugIns]);
  expect(checked.out).toContain("no errors");
  expect(checked.code).toBe(0);
  const without = run("s", "--verify_only");
  expect(without.code).toBe(2);
  expect(without.err).toMatch(/^osdyno: unknown key-value store tree; there are: .*\n$/);
}, 120_000);

test("data of a plug-in that is not there is an error, never wrong data", () => {
  place.write("sum.ts", modules["sum.ts"]);
  const chosen = ["--set=bluestore_csum_type=sum", "--set=bluestore_kvbackend=waltree"];
  expect(run("s?size=192m", "--plugin=sum.ts", ...chosen).code).toBe(0);
  const without = run("s", "--verify_only");
  expect(without.code).toBe(1);
}, 60_000);

test.each([
  ["broken.ts", /^osdyno: --plugin .*broken\.ts: allocator broken does not conform: [^\n]+\n$/],
  ["absent.ts", /^osdyno: .*absent\.ts: cannot be loaded: [^\n]+\n$/],
])("%s is refused in one line", (file, line) => {
  place.write("broken.ts", modules["broken.ts"]);
  const { code, err } = run("s?size=192m", `--plugin=${file}`);
  expect(err).toMatch(line);
  expect(code).toBe(2);
  expect(place.files()).toEqual(["broken.ts"]);
});

test("an allocator that is not loaded is named with those there are", () => {
  const { code, err } = run("s?size=192m", "--set=bluestore_allocator=first-fit");
  expect(err).toMatch(/bluestore_allocator=first-fit: one of stupid, bitmap, avl, btree, hybrid/);
  expect(code).toBe(2);
});

test("hot paths of the user's own take part in benches", () => {
  for (const [name, text] of Object.entries(modules)) {
    place.write(name, text);
  }
  const bench = (hotPath: string, file: string, ...flags: string[]) => {
    const few = ["--rounds=1", "--runtime=5", "--steps=200", "--capacity=1"];
    const kept = `out-${file}`.replaceAll("/", "-");
    const args = ["bench", hotPath, "--plugin", file, ...few, "--out", kept, ...flags, "--json"];
    const { code, out, err } = place.run(args);
    expect(code, err).toBe(0);
    return JSON.parse(out) as { rows: Record<string, unknown>[] };
  };
  const sums = bench("checksum/sum", "sum.ts").rows.map((row) => row["implementation"]);
  expect(new Set(sums)).toEqual(new Set(["sum"]));
  const blobs = bench("compressor", "squeeze.ts").rows.map((row) => row["implementation"]);
  expect(blobs).toEqual(expect.arrayContaining(["squeeze", "lz4"]));
  // What is in TypeScript is timed through the interface only.
  const cells = bench("allocator/first-fit", firstFit).rows.map((row) => row["cell"]);
  expect(cells).toHaveLength(9);
  expect(cells).toContainEqual(
    expect.objectContaining({ allocator: "first-fit", side: "typescript" }),
  );
  const stores = bench("kv/tree", "tree.ts", "--keys=100", "--commits=8").rows;
  expect(stores.map((row) => row["operation"])).toContain("open");
  const refused = place.run(["bench", "checksum", "--plugin", "missing.ts"]);
  expect(refused).toMatchObject({ code: 2, out: "" });
}, 120_000);
