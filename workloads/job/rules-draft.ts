/** The part of a draft that `rules.ts` is about: values as written, 0 or `null` where not given. */
import type {
  CommandPrioritySplit,
  ContentRules,
  EndRules,
  EngineOptions,
  FileRules,
  HostRules,
  LogRules,
  MeasureRules,
  OrderRules,
  QueueRules,
  SyncRules,
  VerifyRule,
} from "./rules.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

type Triple = [number, number, number];
type Pair = [number, number];

/** A log's prefix: as written, `""` for a bare word (the job's name), `null` for no log. */
type Prefix = string | null;

export interface RulesDraft {
  queue: Mutable<QueueRules>;
  engineOptions: Mutable<EngineOptions>;
  commandPriority: {
    percent: Pair;
    class: Pair;
    level: Pair;
    splits: [readonly CommandPrioritySplit[], readonly CommandPrioritySplit[]];
  };
  order: Mutable<OrderRules>;
  zones: {
    /** `null`: strided as soon as a zone has a size, as in fio. */
    mode: "none" | "strided" | null;
    sizeBytes: number;
    rangeBytes: number;
    skipBytes: number;
  };
  flow: { id: number; weight: number; sleepNs: number };
  pace: {
    spinNs: number;
    counts: "complete" | "issue";
    ioNs: number;
    ignoreThinktime: boolean;
    floorBytes: Triple;
    floorIops: Triple;
    cycleNs: number;
    startDelayMaxNs: number;
  };
  latencyTarget: { targetNs: number; windowNs: number; percentile: number; keepRunning: boolean };
  syncs: Mutable<SyncRules>;
  content: Mutable<ContentRules>;
  trims: { percent: number; verifyZero: boolean; backlog: number; backlogBatch: number };
  checks: Mutable<Omit<VerifyRule, "kind" | "pattern" | "patternOffsets" | "fatal" | "readBack">>;
  fileRules: Mutable<FileRules>;
  ends: Mutable<Omit<EndRules, "maxLatencyNs">> & { maxLatencyNs: Triple };
  steadyState: {
    metric: "iops" | "bw" | "lat";
    slope: boolean;
    limit: number;
    percent: boolean;
    durationNs: number;
    rampNs: number;
    intervalNs: number;
  };
  replay: {
    paths: readonly string[];
    chunked: boolean;
    noStall: boolean;
    timeScalePercent: number;
    redirect: string | null;
    scaleDivisor: number;
    alignBytes: number;
    event: "queue" | "issue";
    skip: { read: boolean; write: boolean; trim: boolean; sync: boolean };
    mergePath: string | null;
    mergeScalars: readonly number[];
    mergeIterations: readonly number[];
  };
  logs: Mutable<Omit<LogRules, "bwPrefix" | "latPrefix" | "iopsPrefix" | "histPrefix">> & {
    bw: Prefix;
    lat: Prefix;
    iops: Prefix;
    hist: Prefix;
  };
  measures: Mutable<MeasureRules>;
  host: Mutable<Omit<HostRules, "ioPriority">> & {
    prioClass: number;
    prioLevel: number;
  };
}

/** fio's defaults, as `fio_options.tsv` lists them. */
export function newRulesDraft(): RulesDraft {
  return {
    ...newSendingRules(),
    ...newDataRules(),
    ...newReportingRules(),
    fileRules: newFileRules(),
    ends: newEndRules(),
    host: newHostRules(),
  };
}

function newSendingRules(): Pick<
  RulesDraft,
  | "queue"
  | "engineOptions"
  | "commandPriority"
  | "order"
  | "zones"
  | "flow"
  | "pace"
  | "latencyTarget"
> {
  return {
    queue: {
      submitBatch: 1,
      completeMin: 1,
      completeMax: 0,
      low: 0,
      serializeOverlap: false,
      submitMode: "inline",
    },
    engineOptions: {
      fixedBuffers: false,
      registerFiles: false,
      sqThreadPoll: false,
      sqThreadCpu: null,
      hipri: false,
      hipriPercent: 100,
      nonvectored: true,
      forceAsyncEvery: 0,
      nowait: false,
      uncached: false,
      userspaceReap: false,
      hugePages: false,
    },
    commandPriority: {
      percent: [0, 0],
      class: [0, 0],
      level: [0, 0],
      splits: [[], []],
    },
    order: {
      sequencer: "sequential",
      sizesAreSequentialRandom: false,
      unalignedSizes: false,
      offsetAlignBytes: 0,
      generator: "tausworthe",
      softRandomMap: false,
    },
    zones: { mode: null, sizeBytes: 0, rangeBytes: 0, skipBytes: 0 },
    flow: { id: 0, weight: 0, sleepNs: 0 },
    pace: {
      spinNs: 0,
      counts: "complete",
      ioNs: 0,
      ignoreThinktime: false,
      floorBytes: [0, 0, 0],
      floorIops: [0, 0, 0],
      cycleNs: 1e9,
      startDelayMaxNs: 0,
    },
    latencyTarget: { targetNs: 0, windowNs: 0, percentile: 100, keepRunning: false },
  };
}

function newDataRules(): Pick<RulesDraft, "syncs" | "content" | "trims" | "checks" | "replay"> {
  return {
    syncs: { fileRange: null, onClose: false },
    content: {
      pattern: [],
      patternOffsets: [],
      compressChunkBytes: 512,
      scramble: true,
      dedupePercent: 0,
      dedupeMode: "repeat",
      dedupeWorkingSetPercent: 5,
      dedupeGlobal: false,
    },
    trims: { percent: 0, verifyZero: true, backlog: 0, backlogBatch: 0 },
    checks: {
      intervalBytes: 0,
      headerOffsetBytes: 0,
      backlog: 0,
      backlogBatch: 0,
      asyncThreads: 0,
      asyncCpus: [],
      dump: false,
      only: false,
      experimental: false,
      saveState: true,
      loadState: false,
      checkSequence: true,
    },
    replay: {
      paths: [],
      chunked: false,
      noStall: false,
      timeScalePercent: 100,
      redirect: null,
      scaleDivisor: 1,
      alignBytes: 0,
      event: "queue",
      skip: { read: false, write: false, trim: false, sync: false },
      mergePath: null,
      mergeScalars: [],
      mergeIterations: [],
    },
  };
}

function newReportingRules(): Pick<RulesDraft, "steadyState" | "logs" | "measures"> {
  return {
    steadyState: {
      metric: "iops",
      slope: true,
      limit: 0.01,
      percent: true,
      durationNs: 0,
      rampNs: 0,
      intervalNs: 1e9,
    },
    logs: {
      bw: null,
      lat: null,
      iops: null,
      hist: null,
      averageNs: 0,
      windowValue: "avg",
      offset: false,
      prio: false,
      issueTime: false,
      histNs: 0,
      histCoarseness: 0,
      unixEpoch: false,
      perJob: true,
      iologPath: null,
    },
    measures: {
      bwWindowNs: 5e8,
      iopsWindowNs: 5e8,
      lat: true,
      clat: true,
      slat: true,
      bw: true,
      unitBase: 8,
      significantFigures: 4,
      stats: true,
    },
  };
}

function newFileRules(): RulesDraft["fileRules"] {
  return {
    fallocate: "native",
    advise: "pattern",
    overwrite: false,
    preRead: false,
    invalidate: true,
    createSerialize: true,
    createFsync: true,
    createOnOpen: false,
    append: false,
    allowCreate: true,
    lock: "none",
    unlinkEachLoop: false,
    openFiles: 0,
    service: { kind: "roundrobin", opsPerFile: 1 },
    fillDevice: false,
    openDirectory: null,
    type: "none",
  };
}

function newEndRules(): RulesDraft["ends"] {
  return {
    exitAll: false,
    exitAllOnError: false,
    exitWhat: "group",
    waitFor: null,
    maxLatencyNs: [0, 0, 0],
    continueOn: { read: false, write: false, verify: false },
    ignore: { read: [], write: [], verify: [] },
    dumpErrors: false,
  };
}

function newHostRules(): RulesDraft["host"] {
  return {
    nice: 0,
    prioClass: 0,
    prioLevel: 0,
    cpusPolicy: "shared",
    cpuNodes: [],
    memoryPolicy: null,
    memory: { kind: "malloc", file: null },
    hugePageBytes: 2 ** 21,
    memoryAlignBytes: 0,
    lockedBytes: 0,
  };
}

/** A copy whose values may change without changing the original's. */
export function copyRulesDraft(draft: RulesDraft): RulesDraft {
  return structuredClone({
    queue: draft.queue,
    engineOptions: draft.engineOptions,
    commandPriority: draft.commandPriority,
    order: draft.order,
    zones: draft.zones,
    flow: draft.flow,
    pace: draft.pace,
    latencyTarget: draft.latencyTarget,
    syncs: draft.syncs,
    content: draft.content,
    trims: draft.trims,
    checks: draft.checks,
    fileRules: draft.fileRules,
    ends: draft.ends,
    steadyState: draft.steadyState,
    replay: draft.replay,
    logs: draft.logs,
    measures: draft.measures,
    host: draft.host,
  });
}
