/** Keys of randomness, of what is written and checked, and of what is reported. */
import { isRefusal, readDistribution, readPercentiles } from "./compound-value.ts";
import type { SupportedKey } from "./key.ts";
import { readPattern } from "./pattern-value.ts";

export const randomKeys: readonly SupportedKey[] = [
  {
    name: "random_distribution",
    type: "choice",
    default: "random",
    summary: "Skew of random offsets: random, zipf, pareto, normal, zoned, zoned_abs.",
    apply: (draft, value) => {
      const text = value.text();
      if (text.startsWith("sequence:")) {
        throw value.refuse("known to fio, not supported here");
      }
      const rules = value.read(readDistribution(text, value.kbBase));
      for (const [index, rule] of rules.entries()) {
        if (rule !== null) {
          draft.distribution[index as 0 | 1 | 2] = rule;
        }
      }
    },
  },
  {
    name: "percentage_random",
    type: "number",
    unit: "%",
    default: "100",
    summary: "Share of a random job's operations that are random, for read, write, trim.",
    apply: (draft, value) => {
      value.triple(draft.percentageRandom, { max: 100 });
    },
  },
  {
    name: "norandommap",
    type: "word",
    default: "0",
    summary: "Draw offsets freely instead of each block once.",
    apply: (draft, value) => {
      draft.norandommap = value.switch(true);
    },
  },
  {
    name: "randrepeat",
    type: "switch",
    default: "1",
    summary: "The same random numbers in every run.",
    apply: (draft, value) => {
      draft.randrepeat = value.switch(false);
    },
  },
  {
    name: "allrandrepeat",
    type: "switch",
    default: "0",
    summary: "As randrepeat, for every kind of random number.",
    apply: (draft, value) => {
      draft.allrandrepeat = value.switch(false);
    },
  },
  {
    name: "randseed",
    type: "number",
    default: "0x89",
    summary: "Seed of the random numbers.",
    apply: (draft, value) => {
      draft.randseed = value.count({ max: Number.MAX_SAFE_INTEGER });
    },
  },
];

/** fio's names; the longest that matches counts. */
const checks = [
  "0",
  "crc7",
  "crc16",
  "crc32c-intel",
  "crc32c",
  "crc32",
  "crc64",
  "md5",
  "xxhash",
  "sha1",
  "sha256",
  "sha512",
  "sha3-224",
  "sha3-256",
  "sha3-384",
  "sha3-512",
  "pattern_hdr",
  "pattern",
  "meta",
  "null",
] as const;

export const dataKeys: readonly SupportedKey[] = [
  {
    name: "verify",
    type: "choice",
    default: "0",
    summary: "How written data is checked: crc32c, md5, sha256, xxhash, pattern, meta, ...",
    apply: (draft, value) => {
      const choice = value.choice(checks);
      draft.verify = choice === "0" ? null : choice === "crc32c-intel" ? "crc32c" : choice;
    },
  },
  {
    name: "verify_pattern",
    type: "pattern",
    default: "",
    summary: "Bytes of the pattern: 0xHEX, decimal, \"text\", 'file', %o for the offset.",
    apply: (draft, value) => {
      const pattern = readPattern(value.text(), value.patternFile);
      if (isRefusal(pattern)) {
        throw value.refuse(pattern.refused);
      }
      draft.verifyPattern = pattern.bytes;
      draft.verifyPatternOffsets = pattern.offsets;
      if (!draft.places.has("verify")) {
        draft.verify = "pattern";
      }
    },
  },
  {
    name: "verify_fatal",
    type: "switch",
    default: "0",
    summary: "Stop at the first mismatch.",
    apply: (draft, value) => {
      draft.verifyFatal = value.switch(false);
    },
  },
  {
    name: "do_verify",
    type: "switch",
    default: "1",
    summary: "Read back and check after the writes.",
    apply: (draft, value) => {
      draft.doVerify = value.switch(false);
    },
  },
  {
    name: "zero_buffers",
    type: "word",
    default: "0",
    summary: "Write zeroes.",
    apply: (draft, value) => {
      draft.zeroBuffers = value.switch(true);
    },
  },
  {
    name: "refill_buffers",
    type: "word",
    default: "0",
    summary: "New content for every write.",
    apply: (draft, value) => {
      draft.refillBuffers = value.switch(true);
    },
  },
  {
    name: "buffer_compress_percentage",
    type: "number",
    unit: "%",
    default: "0",
    summary: "Share of the content that compresses away.",
    apply: (draft, value) => {
      draft.bufferCompressPercent = value.count({ max: 100 }, "last");
    },
  },
];

export const reportKeys: readonly SupportedKey[] = [
  {
    name: "percentile_list",
    type: "list",
    unit: "%",
    default: "1:5:10:20:30:40:50:60:70:80:90:95:99:99.5:99.9:99.95:99.99",
    summary: "Percentiles to report, at most 20.",
    apply: (draft, value) => {
      draft.percentiles = value.accept(readPercentiles(value.text()));
    },
  },
  {
    name: "clat_percentiles",
    type: "switch",
    default: "1",
    summary: "Percentiles of completion latency.",
    apply: (draft, value) => {
      draft.clatPercentiles = value.switch(false);
    },
  },
  {
    name: "slat_percentiles",
    type: "switch",
    default: "0",
    summary: "Percentiles of submission latency.",
    apply: (draft, value) => {
      draft.slatPercentiles = value.switch(false);
    },
  },
  {
    name: "lat_percentiles",
    type: "switch",
    default: "0",
    summary: "Percentiles of total latency.",
    apply: (draft, value) => {
      draft.latPercentiles = value.switch(false);
    },
  },
  {
    name: "unified_rw_reporting",
    type: "choice",
    default: "none",
    summary: "Directions apart (none), as one (mixed), or both.",
    apply: (draft, value) => {
      const choice = value.choice(["none", "mixed", "both", "0", "1", "2"]);
      draft.unifiedRwReporting =
        choice === "0" ? "none" : choice === "1" ? "mixed" : choice === "2" ? "both" : choice;
    },
  },
  {
    name: "kb_base",
    type: "choice",
    default: "1024",
    summary: "What k, m, g mean: powers of 1024 or of 1000.",
    priority: 1,
    apply: (draft, value) => {
      draft.kbBase = value.choice(["1024", "1000"]) === "1000" ? 1000 : 1024;
    },
  },
];
