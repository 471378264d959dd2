/** Keys of how files are made, opened, chosen, locked and left, of zones and of the order of operations. */
import { isRefusal, readDistribution } from "./compound-value.ts";
import type { GivenValue } from "./given-value.ts";
import type { SupportedKey } from "./key.ts";
import { bytesKey, choiceKey, countKey, switchKey, textKey, wordKey } from "./make-key.ts";
import type { FileServiceRule } from "./rules.ts";

const services = [
  "random",
  "zipf",
  "pareto",
  "normal",
  "gauss",
  "roundrobin",
  "sequential",
] as const;

function readService(value: GivenValue): FileServiceRule {
  const [choice, postfix] = value.choiceWithPostfix(services);
  if (choice === "random" || choice === "roundrobin" || choice === "sequential") {
    const opsPerFile = postfix === null ? 1 : Number.parseInt(postfix, 10);
    if (!(opsPerFile >= 1 && opsPerFile <= 2 ** 31 - 1)) {
      throw value.refuse("needs a number of operations behind the colon, at least 1");
    }
    return { kind: choice, opsPerFile };
  }
  const law = choice === "gauss" ? "normal" : choice;
  const text = postfix === null ? law : `${law}:${postfix}`;
  const rules = readDistribution(text, value.kbBase);
  if (isRefusal(rules)) {
    throw value.refuse(rules.refused);
  }
  const [rule] = rules.value;
  switch (rule?.kind) {
    case "zipf":
    case "pareto":
    case "normal":
      return rule;
    default:
      throw value.refuse(`must be one of ${services.join(", ")}`);
  }
}

export const layoutKeys: readonly SupportedKey[] = [
  choiceKey(
    "filetype",
    {
      default: "none",
      summary: "What the files must be: file, block, char; none = whatever they are.",
      choices: ["none", "file", "block", "char"],
    },
    (draft, type) => {
      draft.fileRules.type = type;
    },
  ),
  switchKey(
    "unique_filename",
    {
      default: "1",
      summary: "fio puts a client's address into names of files.",
      noEffect: "there are no clients here, so names have no address",
    },
    () => {},
  ),
  textKey(
    "opendir",
    { default: "", summary: "Use every file below this directory." },
    (draft, path) => {
      draft.fileRules.openDirectory = path;
    },
  ),
  countKey(
    "openfiles",
    { default: "nrfiles", summary: "Files open at a time." },
    { max: 65_535 },
    (draft, count) => {
      draft.fileRules.openFiles = count;
    },
  ),
  {
    name: "file_service_type",
    type: "choice",
    default: "roundrobin",
    summary: "Which file is next: roundrobin, sequential, random[:N], zipf, pareto, normal.",
    apply: (draft, value) => {
      draft.fileRules.service = readService(value);
    },
  },
  choiceKey(
    "lockfile",
    {
      default: "none",
      summary: "Lock around every operation: exclusive, readwrite.",
      choices: ["none", "exclusive", "readwrite"],
    },
    (draft, lock) => {
      draft.fileRules.lock = lock;
    },
  ),
  choiceKey(
    "fallocate",
    {
      default: "native",
      summary: "How space is set aside at layout: none, native, posix, keep, truncate.",
      choices: ["none", "native", "posix", "keep", "truncate", "0", "1"],
    },
    (draft, choice) => {
      draft.fileRules.fallocate = choice === "0" ? "none" : choice === "1" ? "posix" : choice;
    },
  ),
  choiceKey(
    "fadvise_hint",
    {
      default: "1",
      summary: "Advice to the kernel: 0 none, 1 as the job does, random, sequential, noreuse.",
      choices: ["0", "1", "random", "sequential", "noreuse"],
    },
    (draft, choice) => {
      draft.fileRules.advise = choice === "0" ? "none" : choice === "1" ? "pattern" : choice;
    },
  ),
  switchKey(
    "overwrite",
    { default: "0", summary: "Fill files before a job that only writes as well." },
    (draft, on) => {
      draft.fileRules.overwrite = on;
    },
  ),
  switchKey(
    "pre_read",
    { default: "0", summary: "Read each file once before the job." },
    (draft, on) => {
      draft.fileRules.preRead = on;
    },
  ),
  switchKey(
    "invalidate",
    { default: "1", summary: "Drop the files' pages from the cache before the job." },
    (draft, on) => {
      draft.fileRules.invalidate = on;
    },
  ),
  switchKey(
    "create_serialize",
    { default: "1", summary: "Jobs lay out their files one after the other." },
    (draft, on, value) => {
      draft.fileRules.createSerialize = on;
      if (!on) {
        value.note("has no effect: files are laid out one after the other before the run");
      }
    },
  ),
  switchKey("create_fsync", { default: "1", summary: "fsync files after layout." }, (draft, on) => {
    draft.fileRules.createFsync = on;
  }),
  switchKey(
    "create_on_open",
    { default: "0", summary: "No layout: a file is made when the job opens it." },
    (draft, on) => {
      draft.fileRules.createOnOpen = on;
    },
  ),
  switchKey(
    "allow_file_create",
    { default: "1", summary: "0 refuses a job whose file is not there." },
    (draft, on) => {
      draft.fileRules.allowCreate = on;
    },
  ),
  switchKey(
    "allow_mounted_write",
    { default: "0", summary: "Writing to a mounted device; always refused here." },
    (_draft, on, value) => {
      if (on) {
        throw value.refuse("a mounted device is never written to here; unmount it");
      }
    },
  ),
  switchKey("file_append", { default: "0", summary: "Begin where the file ends." }, (draft, on) => {
    draft.fileRules.append = on;
  }),
  switchKey(
    ["fill_device", "fill_fs"],
    { default: "0", summary: "Write until the device or file system is full." },
    (draft, on) => {
      draft.fileRules.fillDevice = on;
    },
  ),
  switchKey(
    "unlink_each_loop",
    { default: "0", summary: "Remove the job's files after each loop." },
    (draft, on) => {
      draft.fileRules.unlinkEachLoop = on;
    },
  ),
];

export const zoneKeys: readonly SupportedKey[] = [
  choiceKey(
    "zonemode",
    {
      default: "none",
      summary: "strided: use zonesize of every zonerange, then pass over zoneskip.",
      choices: ["none", "strided"],
      known: ["zbd"],
    },
    (draft, mode) => {
      draft.zones.mode = mode;
    },
  ),
  bytesKey("zonesize", { default: "0", summary: "Bytes used of a zone." }, {}, (draft, bytes) => {
    draft.zones.sizeBytes = bytes;
  }),
  bytesKey(
    "zonerange",
    { default: "zonesize", summary: "Bytes of a zone." },
    {},
    (draft, bytes) => {
      draft.zones.rangeBytes = bytes;
    },
  ),
  bytesKey(
    "zoneskip",
    { default: "0", summary: "Bytes passed over after a zone." },
    {},
    (draft, bytes) => {
      draft.zones.skipBytes = bytes;
    },
  ),
];

export const orderKeys: readonly SupportedKey[] = [
  choiceKey(
    "rw_sequencer",
    {
      default: "sequential",
      summary: "What N of rw=randread:N means: N in a row, or the same one N times (identical).",
      choices: ["sequential", "identical"],
    },
    (draft, sequencer) => {
      draft.order.sequencer = sequencer;
    },
  ),
  switchKey(
    "bs_is_seq_rand",
    { default: "0", summary: "The sizes of bs are for sequential and random operations." },
    (draft, on) => {
      draft.order.sizesAreSequentialRandom = on;
    },
  ),
  wordKey(
    ["bs_unaligned", "blocksize_unaligned"],
    { default: "0", summary: "Any size of a range, not multiples of the smallest." },
    (draft, on) => {
      draft.order.unalignedSizes = on;
    },
  ),
  bytesKey(
    "offset_align",
    { default: "0", summary: "The job's first byte is a multiple of it." },
    { max: 2 ** 30 },
    (draft, bytes) => {
      draft.order.offsetAlignBytes = bytes;
    },
  ),
  choiceKey(
    "random_generator",
    {
      default: "tausworthe",
      summary: "Source of random offsets; lfsr: each block once, without a map.",
      choices: ["tausworthe64", "tausworthe", "lfsr"],
    },
    (draft, generator, value) => {
      draft.order.generator = generator;
      if (generator !== "lfsr") {
        value.note("offsets come from this program's own seeded generator; only lfsr is another");
      }
    },
  ),
  switchKey(
    "softrandommap",
    {
      default: "0",
      summary: "Go on without a map if there is no memory for it.",
      noEffect: "the map of equal blocks takes no memory here, any other one bit a block",
    },
    (draft, on) => {
      draft.order.softRandomMap = on;
    },
  ),
];
