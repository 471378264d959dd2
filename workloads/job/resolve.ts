/** From a draft with every option applied to a job with defaults filled in, or the reason why not. */
import { nearestName } from "../../engine/base/nearest-name.ts";
import { resolveArrival } from "./arrival.ts";
import type { Draft } from "./draft.ts";
import { foreignEngines, supportedEngines, synchronousEngines } from "./foreign-keys.ts";
import { fileKeyNames } from "./idle-on-store.ts";
import type {
  BlockSizeRule,
  PerDirection,
  ResolvedJob,
  RwMode,
  SizeValue,
  VerifyRule,
} from "./model.ts";
import { readNumber } from "./number-value.ts";
import { objectShares, resolveObjects } from "./object-rules.ts";
import { badInput, shown } from "./place.ts";
import { enginesOf } from "./queue-keys.ts";
import { resolveChecks, resolveRules } from "./resolve-rules.ts";
import { placeOf, type Resolving } from "./resolving.ts";

type Direction = 0 | 1 | 2;

/** Directions that a mode uses. */
export function directionsOf(rw: RwMode): readonly Direction[] {
  switch (rw) {
    case "read":
    case "randread":
      return [0];
    case "write":
    case "randwrite":
      return [1];
    case "trim":
    case "randtrim":
      return [2];
    case "rw":
    case "randrw":
      return [0, 1];
    case "trimwrite":
    case "randtrimwrite":
      return [1, 2];
  }
}

/** Directions that a job uses. */
function usesOf(draft: Draft): readonly Direction[] {
  const shares = objectShares(draft);
  return shares === null
    ? directionsOf(draft.rw)
    : ([0, 1, 2] as const).filter((direction) => shares[direction] > 0);
}

export function isRandom(rw: RwMode): boolean {
  return rw.startsWith("rand");
}

/** Throws `bad-input` at the place of the key that makes the job impossible. */
export function resolveJob(resolving: Resolving): ResolvedJob {
  const { draft, place, given } = resolving;
  checkEngine(resolving);
  checkTimes(resolving);
  const blockSizes = resolveBlockSizes(draft);
  const align = resolveAlignment(resolving, blockSizes);
  checkSize(resolving, blockSizes);
  const verify = resolveVerify(resolving, blockSizes);
  const compress = draft.bufferCompressPercent;
  const patterned = draft.content.pattern.length > 0;
  const refillGiven = draft.places.has("refill_buffers");
  return {
    name: draft.name ?? "",
    place,
    description: draft.description,
    rw: draft.rw,
    ...resolvePostfix(resolving),
    rwmixread: draft.rwmixread,
    blockSizes,
    blockAlignBytes: align.bytes,
    size: draft.size,
    ioSize: draft.ioSize,
    filesizeBytes: draft.filesize,
    offset: draft.offset ?? { kind: "bytes", bytes: 0 },
    offsetIncrement: draft.offsetIncrement ?? { kind: "bytes", bytes: 0 },
    filenames: draft.filenames,
    filenameFormat: draft.filenameFormat,
    directories: draft.directories,
    nrfiles: draft.filenames.length > 0 ? draft.filenames.length : draft.nrfiles,
    numjobs: draft.numjobs,
    thread: draft.thread,
    ioengine: draft.ioengine,
    iodepth: draft.iodepth,
    direct: draft.direct,
    sync: draft.sync,
    fsync: draft.fsync,
    fdatasync: draft.fdatasync,
    endFsync: draft.endFsync,
    runtimeNs: draft.runtimeNs === 0 ? null : draft.runtimeNs,
    timeBased: draft.timeBased,
    rampNs: draft.rampNs,
    startDelayNs: draft.startDelayNs,
    stonewall: draft.stonewall,
    newGroup: draft.newGroup,
    groupReporting: draft.groupReporting,
    loops: draft.loops,
    numberIos: draft.numberIos === 0 ? null : draft.numberIos,
    arrival: resolveArrival(resolving, usesOf(draft)),
    backlogCap: draft.backlogCap,
    thinktimeNs: draft.thinktimeNs,
    // With a time of I/O, blocks count only if they were asked for.
    thinktimeBlocks:
      draft.pace.ioNs > 0 && !draft.places.has("thinktime_blocks") ? 0 : draft.thinktimeBlocks,
    distribution: draft.distribution,
    percentageRandom: draft.percentageRandom,
    // A map of blocks fits neither a skewed draw nor offsets between blocks; fio drops it as well.
    randomMap: !draft.norandommap && !align.free && draft.distribution[0].kind === "random",
    // A given seed repeats the run by itself, whatever randrepeat says.
    randrepeat: draft.randrepeat || draft.allrandrepeat || draft.places.has("randseed"),
    randseed: draft.randseed,
    verify,
    zeroBuffers: (draft.zeroBuffers && !patterned) || compress === 100,
    // Without new content, verified, compressible or repeated buffers would be the same, and reads
    // would spoil a pattern; fio switches it on too.
    refillBuffers:
      draft.refillBuffers ||
      draft.content.dedupePercent > 0 ||
      (!refillGiven &&
        (verify !== null ||
          (compress > 0 && compress < 100) ||
          (patterned && usesOf(draft).includes(0)))),
    bufferCompressPercent: compress === 100 ? 0 : compress,
    percentiles: draft.percentiles,
    clatPercentiles: draft.clatPercentiles && draft.measures.clat,
    slatPercentiles: draft.slatPercentiles && draft.measures.slat,
    latPercentiles: draft.latPercentiles && draft.measures.lat,
    cpusAllowed: draft.cpusAllowed,
    unlink: draft.unlink,
    createOnly: draft.createOnly,
    kbBase: draft.kbBase,
    unifiedRwReporting: draft.unifiedRwReporting,
    target: draft.target,
    objects: resolveObjects(resolving),
    objectCount: draft.places.has("nrfiles") ? draft.nrfiles : null,
    opClass: draft.opClass,
    clientId: draft.clientId,
    opPriority: draft.opPriority,
    ...resolveRules(resolving, usesOf(draft)),
    fileKeysSet: fileKeyNames.filter((key) => draft.places.has(key)),
    given,
  };
}

function checkEngine(resolving: Resolving): void {
  const { draft, notes, target } = resolving;
  const place = placeOf(resolving, "ioengine");
  const engine = draft.ioengine;
  const reason = foreignEngines.get(engine.split(":")[0] ?? "");
  if (!supportedEngines.includes(engine) && reason === undefined) {
    const near = nearestName(engine.trim(), [...supportedEngines, ...foreignEngines.keys()]);
    const hint = near === null ? `one of ${supportedEngines.join(", ")}` : `did you mean ${near}?`;
    throw badInput(place, `unknown ioengine=${shown(engine)}; ${hint}`);
  }
  // Also behind a write log.
  const elsewhere = target !== null && !/^(?:pwl:.+\+)?raw:/.test(target);
  if (!elsewhere && !supportedEngines.includes(engine)) {
    throw badInput(place, `ioengine=${engine} is known to fio, not supported here: ${reason}`);
  }
  if (!elsewhere && synchronousEngines.has(engine) && draft.iodepth > 1) {
    notes.add(
      placeOf(resolving, "iodepth"),
      "iodepth",
      `iodepth=${draft.iodepth} acts as 1: ioengine=${engine} does one operation at a time; use numjobs, or an engine with a queue`,
    );
  }
  for (const [key, engines] of enginesOf) {
    if (draft.places.has(key) && !engines.includes(engine)) {
      notes.add(
        placeOf(resolving, key),
        key,
        `${key} has no effect: ioengine=${engine} has no such option (${engines.join(", ")} have); fio refuses it`,
      );
    }
  }
  if (elsewhere && draft.places.has("ioengine")) {
    notes.add(place, "ioengine", `ioengine=${engine} is not used: the job runs on ${target}`);
  }
  if (target !== null && draft.filenames.length > 0) {
    notes.add(
      placeOf(resolving, "filename"),
      "filename",
      `filename is not used: the job runs on ${target}`,
    );
  }
  if (draft.filenames.length > 0 && draft.nrfiles > 1 && draft.places.has("nrfiles")) {
    notes.add(
      placeOf(resolving, "nrfiles"),
      "nrfiles",
      `nrfiles=${draft.nrfiles} has no effect: filename names ${draft.filenames.length}`,
    );
  }
}

function checkTimes(resolving: Resolving): void {
  const { draft, notes } = resolving;
  if (draft.timeBased && draft.runtimeNs === 0) {
    throw badInput(
      placeOf(resolving, "time_based"),
      "time_based without a runtime would never end: add runtime=",
    );
  }
  if (draft.rampNs > 0 && draft.runtimeNs === 0) {
    notes.add(
      placeOf(resolving, "ramp_time"),
      "ramp_time",
      "ramp_time without a runtime: if the size is done within the warm-up, nothing is measured; add runtime= and time_based",
    );
  }
  const { verify, doVerify, timeBased } = draft;
  const uses = usesOf(draft);
  if (verify !== null && doVerify && timeBased && uses.includes(1) && !uses.includes(0)) {
    notes.add(
      placeOf(resolving, "verify"),
      "verify",
      "the writes use up the whole runtime (time_based), so nothing is read back and checked",
    );
  }
}

function resolveBlockSizes(draft: Draft): PerDirection<BlockSizeRule> {
  const rule = (index: Direction): BlockSizeRule => {
    const min = draft.bsMin[index] || draft.bs[index];
    const max = draft.bsMax[index] || draft.bs[index];
    const split = draft.bsSplit[index];
    if (min === max) {
      return { kind: "fixed", bytes: min };
    }
    return split === null ? { kind: "range", min, max } : { kind: "split", entries: split };
  };
  return [rule(0), rule(1), rule(2)];
}

function smallest(rule: BlockSizeRule): number {
  switch (rule.kind) {
    case "fixed":
      return rule.bytes;
    case "range":
      return rule.min;
    case "split":
      return Math.min(...rule.entries.map((entry) => entry.bytes));
  }
}

interface Alignment {
  readonly bytes: PerDirection<number>;
  /** Offsets may fall between blocks. */
  readonly free: boolean;
}

function resolveAlignment(resolving: Resolving, sizes: PerDirection<BlockSizeRule>): Alignment {
  const { draft, notes } = resolving;
  const of = (index: Direction): number =>
    isRandom(draft.rw) && draft.blockAlign[index] > 0
      ? draft.blockAlign[index]
      : smallest(sizes[index]);
  const bytes: PerDirection<number> = [of(0), of(1), of(2)];
  const free = usesOf(draft).some((index) => bytes[index] !== smallest(sizes[index]));
  if (free && !draft.norandommap) {
    notes.add(
      placeOf(resolving, "ba"),
      "ba",
      "blockalign other than the block size turns the random map off, as in fio: blocks may repeat",
    );
  }
  return { bytes, free };
}

function checkSize(resolving: Resolving, sizes: PerDirection<BlockSizeRule>): void {
  const { draft } = resolving;
  if (draft.size?.kind !== "bytes") {
    return;
  }
  const block = Math.min(...usesOf(draft).map((index) => smallest(sizes[index])));
  if (draft.size.bytes < block) {
    throw badInput(
      placeOf(resolving, "size"),
      `size of ${draft.size.bytes} bytes is smaller than one block of ${block}`,
    );
  }
}

/** What stands after the colon of `rw`: bytes to skip for sequential modes, repeats for random ones. */
function resolvePostfix(
  resolving: Resolving,
): Pick<ResolvedJob, "sequentialStepBytes" | "opsPerDraw"> {
  const { draft } = resolving;
  const text = draft.rwPostfix?.trim() ?? "";
  if (draft.rwPostfix === null) {
    return { sequentialStepBytes: 0, opsPerDraw: 1 };
  }
  const wrong = (message: string) =>
    badInput(placeOf(resolving, "rw"), `rw=${draft.rw}:${shown(text)}: ${message}`);
  if (isRandom(draft.rw)) {
    const count = /^[-+]?\d+/.exec(text);
    const opsPerDraw = Number(count?.[0] ?? Number.NaN);
    if (!(opsPerDraw >= 1 && opsPerDraw <= 2 ** 31 - 1)) {
      throw wrong("must be the number of operations per drawn offset, at least 1");
    }
    return { sequentialStepBytes: 0, opsPerDraw };
  }
  const step = readNumber(text, draft.kbBase);
  if (step?.kind !== "plain" || !Number.isSafeInteger(Number(step.value))) {
    throw wrong("must be the number of bytes to skip, as 8k");
  }
  return { sequentialStepBytes: Number(step.value), opsPerDraw: 1 };
}

const amountOf = (value: SizeValue) => (value.kind === "bytes" ? value.bytes : value.percent);

/** Whether regions of two clones overlap: `may` where the size of a file decides. */
function clonesMeet({ draft, target }: Resolving): "no" | "may" | "do" {
  const shared = draft.filenames.length > 0 || target !== null;
  if (draft.numjobs < 2 || !shared) {
    return "no";
  }
  const { size, offsetIncrement: step } = draft;
  if (size === null || step === null || amountOf(step) === 0) {
    return "do";
  }
  if (size.kind !== step.kind) {
    return "may";
  }
  // As the planner has it: bytes are those of all files together, a share is of each.
  const files = target === null && size.kind === "bytes" ? draft.filenames.length : 1;
  return amountOf(step) < Math.floor(amountOf(size) / files) ? "do" : "no";
}

function resolveVerify(
  resolving: Resolving,
  sizes: PerDirection<BlockSizeRule>,
): VerifyRule | null {
  const { draft, notes } = resolving;
  if (draft.verify === null) {
    return null;
  }
  const uses = usesOf(draft);
  const place = placeOf(resolving, "verify", "verify_pattern");
  if (!uses.includes(0) && !uses.includes(1)) {
    throw badInput(place, `verify with rw=${draft.rw}: this job neither writes nor reads`);
  }
  if (draft.order.unalignedSizes) {
    throw badInput(
      placeOf(resolving, "bs_unaligned", "blocksize_unaligned"),
      "bs_unaligned with verify= is known to fio, not supported here: each interval has a header of its own, so sizes must be multiples of it; leave one of them out",
    );
  }
  const patterned = draft.verify === "pattern" || draft.verify === "pattern_hdr";
  if (patterned && draft.verifyPattern.length === 0) {
    throw badInput(place, `verify=${draft.verify} needs verify_pattern=`);
  }
  const meet = draft.doVerify && uses.includes(1) ? clonesMeet(resolving) : "no";
  if (meet !== "no") {
    const write =
      meet === "do"
        ? "write to the same blocks"
        : "may write to the same blocks (offset_increment and size in one unit would tell)";
    notes.add(
      place,
      "verify",
      `${draft.numjobs} clones ${write}: each may find the other's data and report it as a mismatch`,
    );
  }
  return {
    kind: draft.verify,
    pattern: draft.verifyPattern,
    patternOffsets: draft.verifyPatternOffsets,
    fatal: draft.verifyFatal,
    readBack: draft.doVerify,
    ...resolveChecks(draft, sizes, uses),
  };
}
