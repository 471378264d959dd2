/**
 * Every key a job may hold: its type, unit, default and what it does to a draft. The keys with an
 * `apply` are the supported ones; `foreign-keys.ts` names fio's others.
 */

import { blockKeys } from "./block-keys.ts";
import {
  isRefusal,
  readCpus,
  readDistribution,
  readNames,
  readPercentiles,
} from "./compound-value.ts";
import { deepestQueue, mostClones, type SupportedKey } from "./key.ts";
import { ownKeys } from "./own-keys.ts";
import { readPattern } from "./pattern-value.ts";

const mostFiles = 65_535;

const fileKeys: readonly SupportedKey[] = [
  {
    name: "description",
    type: "text",
    default: "",
    summary: "Free text, kept with the results.",
    apply: (draft, value) => {
      draft.description = value.text();
    },
  },
  {
    name: "name",
    type: "text",
    default: "the section's name",
    summary: "Name of the job; on the command line it starts a job.",
    apply: (draft, value) => {
      draft.name = value.text();
    },
  },
  {
    name: "filename",
    type: "names",
    default: "made by filename_format",
    summary: "Files or devices, separated by colons; a backslash keeps a colon.",
    priority: -1,
    apply: (draft, value) => {
      const names = readNames(value.text());
      if (names.length === 0) {
        throw value.refuse("names no file");
      }
      if (draft.filenames.length > 0) {
        value.note(
          `fio adds to the files already named (${draft.filenames.join(", ")}), it does not replace them`,
        );
      }
      draft.filenames.push(...names);
      if (draft.filenames.length > mostFiles) {
        throw value.refuse(`more than ${mostFiles} files`);
      }
    },
  },
  {
    name: "filename_format",
    type: "text",
    default: "$jobname.$jobnum.$filenum",
    summary: "How files are named that the job makes itself.",
    priority: -1,
    apply: (draft, value) => {
      draft.filenameFormat = value.text();
    },
  },
  {
    name: "directory",
    type: "names",
    default: "the current directory",
    summary: "Directories of the files, separated by colons; clones take turns.",
    apply: (draft, value) => {
      draft.directories = readNames(value.text());
    },
  },
  {
    name: "nrfiles",
    aliases: ["nr_files"],
    type: "number",
    default: "1",
    summary: "Files per job; a filename decides instead.",
    apply: (draft, value) => {
      draft.nrfiles = value.count({ min: 1, max: mostFiles });
    },
  },
  {
    name: "size",
    type: "size",
    unit: "bytes or %",
    default: "the file's or device's size",
    summary: "Size of the job's files together, or percent of what is there.",
    apply: (draft, value) => {
      draft.size = value.size();
    },
  },
  {
    name: "io_size",
    aliases: ["io_limit"],
    type: "size",
    unit: "bytes or %",
    default: "size",
    summary: "Bytes to transfer, if other than size.",
    apply: (draft, value) => {
      draft.ioSize = value.size();
    },
  },
  {
    name: "filesize",
    type: "range",
    unit: "bytes",
    default: "size / nrfiles",
    summary: "Size of each file, or a range to draw it from.",
    apply: (draft, value) => {
      draft.filesize = value.sizeRange();
    },
  },
  {
    name: "offset",
    aliases: ["fileoffset"],
    type: "size",
    unit: "bytes or %",
    default: "0",
    summary: "Where in the file the job begins.",
    apply: (draft, value) => {
      draft.offset = value.size();
    },
  },
  {
    name: "offset_increment",
    type: "size",
    unit: "bytes or %",
    default: "0",
    summary: "Added to the offset once for each clone.",
    apply: (draft, value) => {
      draft.offsetIncrement = value.size();
    },
  },
  {
    name: "unlink",
    type: "switch",
    default: "0",
    summary: "Remove the job's files when it is done.",
    apply: (draft, value) => {
      draft.unlink = value.switch(false);
    },
  },
  {
    name: "create_only",
    type: "switch",
    default: "0",
    summary: "Lay the files out and stop.",
    apply: (draft, value) => {
      draft.createOnly = value.switch(false);
    },
  },
];

const engineKeys: readonly SupportedKey[] = [
  {
    name: "ioengine",
    type: "text",
    default: "psync",
    summary: "How I/O is sent: io_uring, psync, null, memory (ours).",
    apply: (draft, value) => {
      draft.ioengine = value.text();
    },
  },
  {
    name: "iodepth",
    type: "number",
    default: "1",
    summary: "Operations in flight at most.",
    apply: (draft, value) => {
      draft.iodepth = value.count({ min: 1, max: deepestQueue });
    },
  },
  {
    name: "direct",
    type: "switch",
    default: "0",
    summary: "Bypass the page cache (O_DIRECT).",
    apply: (draft, value) => {
      draft.direct = value.switch(false);
    },
  },
  {
    name: "buffered",
    type: "switch",
    default: "1",
    summary: "The opposite of direct.",
    apply: (draft, value) => {
      draft.direct = !value.switch(false);
    },
  },
  {
    name: "sync",
    type: "choice",
    default: "none",
    summary: "Open with O_SYNC or O_DSYNC: none, sync, dsync.",
    apply: (draft, value) => {
      const choice = value.choice(["none", "0", "sync", "1", "dsync"]);
      draft.sync = choice === "0" ? "none" : choice === "1" ? "sync" : choice;
    },
  },
  {
    name: "fsync",
    type: "number",
    default: "0",
    summary: "fsync after every so many writes; 0 = never.",
    apply: (draft, value) => {
      draft.fsync = value.count({});
    },
  },
  {
    name: "fdatasync",
    type: "number",
    default: "0",
    summary: "fdatasync after every so many writes; 0 = never.",
    apply: (draft, value) => {
      draft.fdatasync = value.count({});
    },
  },
  {
    name: "end_fsync",
    type: "switch",
    default: "0",
    summary: "fsync each file when the writes are done.",
    apply: (draft, value) => {
      draft.endFsync = value.switch(false);
    },
  },
];

const runKeys: readonly SupportedKey[] = [
  {
    name: "numjobs",
    type: "number",
    default: "1",
    summary: "Clones of the job, each in a thread of its own.",
    apply: (draft, value) => {
      draft.numjobs = value.count({ min: 1, max: mostClones });
    },
  },
  {
    name: "thread",
    type: "word",
    default: "0",
    summary: "Threads instead of processes; jobs always run in threads here.",
    apply: (draft, value) => {
      draft.thread = value.switch(true);
    },
  },
  {
    name: "runtime",
    aliases: ["timeout"],
    type: "time",
    unit: "s",
    default: "until the size is done",
    summary: "Longest time to run.",
    apply: (draft, value) => {
      draft.runtimeNs = value.time(true);
    },
  },
  {
    name: "time_based",
    type: "word",
    default: "0",
    summary: "Start over until the runtime ends.",
    apply: (draft, value) => {
      draft.timeBased = value.switch(true);
    },
  },
  {
    name: "ramp_time",
    type: "time",
    unit: "s",
    default: "0",
    summary: "Warm-up before measuring; labelled, never a restart.",
    apply: (draft, value) => {
      draft.rampNs = value.time(true);
    },
  },
  {
    name: "startdelay",
    type: "time",
    unit: "s",
    default: "0",
    summary: "Wait before the job begins.",
    apply: (draft, value) => {
      draft.startDelayNs = value.time(true, true);
    },
  },
  {
    name: "stonewall",
    aliases: ["wait_for_previous"],
    type: "word",
    default: "0",
    summary: "Begin when every job before is done; starts a new reporting group.",
    apply: (draft, value) => {
      draft.stonewall = value.switch(true);
    },
  },
  {
    name: "new_group",
    type: "word",
    default: "0",
    summary: "Start a new reporting group.",
    apply: (draft, value) => {
      draft.newGroup = value.switch(true);
    },
  },
  {
    name: "group_reporting",
    type: "word",
    default: "0",
    summary: "One result for the whole group.",
    apply: (draft, value) => {
      draft.groupReporting = value.switch(true);
    },
  },
  {
    name: "loops",
    type: "number",
    default: "1",
    summary: "How often the whole is done.",
    apply: (draft, value) => {
      draft.loops = Math.max(1, value.count({}));
    },
  },
  {
    name: "number_ios",
    type: "number",
    default: "no limit",
    summary: "Operations at most.",
    apply: (draft, value) => {
      draft.numberIos = value.count({ max: Number.MAX_SAFE_INTEGER });
    },
  },
  {
    name: "cpus_allowed",
    type: "list",
    default: "all",
    summary: "CPUs the job may use: 0,5,8-15.",
    apply: (draft, value) => {
      draft.cpusAllowed = value.accept(readCpus(value.text(), value.environment.cpuCount));
    },
  },
];

const paceKeys: readonly SupportedKey[] = [
  {
    name: "rate",
    type: "size",
    unit: "bytes/s",
    default: "no limit",
    summary: "Bytes a second on an absolute schedule, for read, write, trim.",
    apply: (draft, value) => {
      value.triple(draft.rate, {});
    },
  },
  {
    name: "rate_iops",
    type: "number",
    unit: "1/s",
    default: "no limit",
    summary: "Operations a second on an absolute schedule, for read, write, trim.",
    apply: (draft, value) => {
      value.triple(draft.rateIops, { max: 2 ** 32 - 1 });
      if (value.kbBase === 1024 && /\d[kmg]/i.test(value.text())) {
        value.note(`k, m, g are powers of 1024 here too: fio reads ${draft.rateIops[0]} a second`);
      }
    },
  },
  {
    name: "rate_process",
    type: "choice",
    default: "linear",
    summary: "Even gaps (linear) or exponential ones (poisson).",
    apply: (draft, value) => {
      draft.rateProcess = value.choice(["linear", "poisson"]);
    },
  },
  {
    name: "thinktime",
    type: "time",
    unit: "us",
    default: "0",
    summary: "Pause after completed operations.",
    apply: (draft, value) => {
      draft.thinktimeNs = value.time(false);
    },
  },
  {
    name: "thinktime_blocks",
    type: "number",
    default: "1",
    summary: "Operations between two pauses.",
    apply: (draft, value) => {
      draft.thinktimeBlocks = Math.max(1, value.count({}));
    },
  },
];

const randomKeys: readonly SupportedKey[] = [
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

/** Checks that fio has and this version does not. */
const otherChecks =
  "md5 crc64 crc32 crc16 crc7 sha1 sha256 sha512 sha3-224 sha3-256 sha3-384 sha3-512 xxhash pattern_hdr null";

const dataKeys: readonly SupportedKey[] = [
  {
    name: "verify",
    type: "choice",
    default: "0",
    summary: "How written data is checked: crc32c, pattern, meta.",
    apply: (draft, value) => {
      const choices = ["0", "crc32c-intel", "crc32c", "pattern", "meta"] as const;
      const choice = value.choice(choices, otherChecks.split(" "));
      draft.verify = choice === "0" ? null : choice === "crc32c-intel" ? "crc32c" : choice;
    },
  },
  {
    name: "verify_pattern",
    type: "pattern",
    default: "",
    summary: 'Bytes of the pattern: 0xHEX, decimal, "text", %o for the offset.',
    apply: (draft, value) => {
      const pattern = readPattern(value.text());
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

const reportKeys: readonly SupportedKey[] = [
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

/** The supported keys, in the order of a help page. */
export const supportedKeys: readonly SupportedKey[] = [
  ...fileKeys,
  ...blockKeys,
  ...engineKeys,
  ...runKeys,
  ...paceKeys,
  ...randomKeys,
  ...dataKeys,
  ...reportKeys,
  ...ownKeys,
];
