/** A job while its options are applied one after the other; a global section's values are its start. */
import type { ObjectMix } from "../../engine/store/objects/object-mix.ts";
import type { SplitEntry } from "./compound-value.ts";
import type { DistributionRule, ResolvedJob, RwMode, SizeValue, VerifyRule } from "./model.ts";
import type { KbBase } from "./number-value.ts";
import type { Place } from "./place.ts";
import { copyRulesDraft, newRulesDraft, type RulesDraft } from "./rules-draft.ts";

/** `arrival=` as written; rates come from `rate` and `rate_iops`. */
export type ArrivalChoice =
  | { readonly kind: "closed" | "constant" | "poisson" }
  | { readonly kind: "burst"; readonly onNs: number; readonly offNs: number }
  | {
      readonly kind: "profile";
      readonly points: readonly (readonly [atNs: number, rate: number])[];
      readonly repeat: boolean;
    };

export interface Draft extends RulesDraft {
  kbBase: KbBase;
  name: string | null;
  description: string | null;
  rw: RwMode;
  rwPostfix: string | null;
  rwmixread: number;
  bs: [number, number, number];
  /** 0: not given. */
  bsMin: [number, number, number];
  bsMax: [number, number, number];
  bsSplit: [SplitEntry[] | null, SplitEntry[] | null, SplitEntry[] | null];
  /** 0: the smallest block size. */
  blockAlign: [number, number, number];
  size: SizeValue | null;
  ioSize: SizeValue | null;
  filesize: { readonly min: number; readonly max: number } | null;
  offset: SizeValue | null;
  offsetIncrement: SizeValue | null;
  filenames: readonly string[];
  filenameFormat: string;
  directories: readonly string[];
  nrfiles: number;
  numjobs: number;
  thread: boolean;
  ioengine: string;
  iodepth: number;
  direct: boolean;
  sync: ResolvedJob["sync"];
  fsync: number;
  fdatasync: number;
  endFsync: boolean;
  runtimeNs: number;
  timeBased: boolean;
  rampNs: number;
  startDelayNs: number;
  stonewall: boolean;
  newGroup: boolean;
  groupReporting: boolean;
  loops: number;
  numberIos: number;
  rate: [number, number, number];
  rateIops: [number, number, number];
  rateProcess: "linear" | "poisson";
  arrival: ArrivalChoice | null;
  backlogCap: number | null;
  thinktimeNs: number;
  thinktimeBlocks: number;
  distribution: [DistributionRule, DistributionRule, DistributionRule];
  percentageRandom: [number, number, number];
  norandommap: boolean;
  randrepeat: boolean;
  allrandrepeat: boolean;
  randseed: number;
  verify: VerifyRule["kind"] | null;
  verifyPattern: readonly number[];
  verifyPatternOffsets: readonly number[];
  verifyFatal: boolean;
  doVerify: boolean;
  zeroBuffers: boolean;
  refillBuffers: boolean;
  bufferCompressPercent: number;
  percentiles: readonly number[];
  clatPercentiles: boolean;
  slatPercentiles: boolean;
  latPercentiles: boolean;
  cpusAllowed: readonly number[];
  unlink: boolean;
  createOnly: boolean;
  unifiedRwReporting: ResolvedJob["unifiedRwReporting"];
  target: string | null;
  ioUnit: "block" | "object";
  objectMix: ObjectMix | null;
  opClass: ResolvedJob["opClass"];
  clientId: number;
  opPriority: number;
  /** Where each key was set last, by the job or the globals before it. */
  places: Map<string, Place>;
}

/** fio's seed, and the defaults of its manual that `fio_options.tsv` lists. */
const fioSeed = 0x89;
const fioBlockBytes = 4096;
const fioPercentiles = [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99];

export function newDraft(): Draft {
  return {
    ...newRulesDraft(),
    kbBase: 1024,
    name: null,
    description: null,
    rw: "read",
    rwPostfix: null,
    rwmixread: 50,
    bs: [fioBlockBytes, fioBlockBytes, fioBlockBytes],
    bsMin: [0, 0, 0],
    bsMax: [0, 0, 0],
    bsSplit: [null, null, null],
    blockAlign: [0, 0, 0],
    size: null,
    ioSize: null,
    filesize: null,
    offset: null,
    offsetIncrement: null,
    filenames: [],
    filenameFormat: "$jobname.$jobnum.$filenum",
    directories: [],
    nrfiles: 1,
    numjobs: 1,
    thread: false,
    ioengine: "psync",
    iodepth: 1,
    direct: false,
    sync: "none",
    fsync: 0,
    fdatasync: 0,
    endFsync: false,
    runtimeNs: 0,
    timeBased: false,
    rampNs: 0,
    startDelayNs: 0,
    stonewall: false,
    newGroup: false,
    groupReporting: false,
    loops: 1,
    numberIos: 0,
    rate: [0, 0, 0],
    rateIops: [0, 0, 0],
    rateProcess: "linear",
    arrival: null,
    backlogCap: null,
    thinktimeNs: 0,
    thinktimeBlocks: 1,
    distribution: [{ kind: "random" }, { kind: "random" }, { kind: "random" }],
    percentageRandom: [100, 100, 100],
    norandommap: false,
    randrepeat: true,
    allrandrepeat: false,
    randseed: fioSeed,
    verify: null,
    verifyPattern: [],
    verifyPatternOffsets: [],
    verifyFatal: false,
    doVerify: true,
    zeroBuffers: false,
    refillBuffers: false,
    bufferCompressPercent: 0,
    percentiles: fioPercentiles,
    clatPercentiles: true,
    slatPercentiles: false,
    latPercentiles: false,
    cpusAllowed: [],
    unlink: false,
    createOnly: false,
    unifiedRwReporting: "none",
    target: null,
    ioUnit: "block",
    objectMix: null,
    opClass: "client",
    clientId: 0,
    opPriority: 0,
    places: new Map(),
  };
}

/** A copy that shares nothing that later options change in place. */
export function copyDraft(draft: Draft): Draft {
  return {
    ...draft,
    ...copyRulesDraft(draft),
    bs: [...draft.bs],
    bsMin: [...draft.bsMin],
    bsMax: [...draft.bsMax],
    bsSplit: [...draft.bsSplit],
    blockAlign: [...draft.blockAlign],
    rate: [...draft.rate],
    rateIops: [...draft.rateIops],
    distribution: [...draft.distribution],
    percentageRandom: [...draft.percentageRandom],
    places: new Map(draft.places),
  };
}
