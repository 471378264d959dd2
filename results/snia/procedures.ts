/**
 * The tests of the SNIA PTS as lists of steps. Orders of loops, block sizes, mixes, times and limits are
 * those of the standard; a minute of it may stand for less (`scale.minute`).
 */
import { type Cell, mixName, sizeName } from "./cells.ts";
import type { SniaSpec } from "./spec.ts";

/** A figure of a cell that decides whether rounds are steady. */
export interface Followed {
  readonly cell: string;
  readonly figure: "iops" | "bw_bytes" | "latency_mean_ns";
  readonly label: string;
}

export type Step =
  /** Writes a given number of bytes: preconditioning that does not depend on the workload. */
  | { readonly kind: "fill"; readonly id: string; readonly title: string; readonly cell: Cell }
  /** All cells again and again until the followed figures are steady. */
  | {
      readonly kind: "rounds";
      readonly id: string;
      readonly title: string;
      readonly cells: readonly Cell[];
      readonly followed: readonly Followed[];
      readonly most: number;
    }
  /** Minutes of one cell until bytes, time or a steady state end it, whichever is first. */
  | {
      readonly kind: "saturate";
      readonly id: string;
      readonly title: string;
      readonly cell: Cell;
      readonly roundSeconds: number;
      readonly mostBytes: number;
      readonly mostRounds: number;
    }
  /** Cells for a fixed time, of which each sample counts. */
  | {
      readonly kind: "drive";
      readonly id: string;
      readonly title: string;
      readonly cells: readonly Cell[];
      readonly sampleSeconds: number;
    }
  /** Three points of an earlier step, long enough for five nines. */
  | {
      readonly kind: "histograms";
      readonly id: string;
      readonly title: string;
      readonly of: string;
      readonly before: Cell;
      readonly seconds: number;
    };

/** What follows one purge. */
export interface Section {
  /** Empty when there is only one. */
  readonly id: string;
  readonly title: string;
  readonly steps: readonly Step[];
}

/** Name of a step's run; of rounds and pieces a number follows. */
export function runId(section: Section, step: string): string {
  return section.id === "" ? step : `${section.id}-${step}`;
}

/** Sizes that a procedure depends on. */
export interface SniaSizes {
  /** User capacity as it is taken. */
  readonly capacityBytes: number;
  readonly activeBytes: number;
}

export const mostRounds = 25;
const kib = 1024;
/** A mean response time above this is no point that the standard would choose. */
export const mostMeanNs = 5e6;

/** The mixes and block sizes of the IOPS test, outer and inner loop. */
export const iopsMixes = [100, 95, 65, 50, 35, 5, 0] as const;
export const iopsBlocks = [1024, 128, 64, 32, 16, 8, 4, 0.5].map((k) => k * kib);
export const latencyMixes = [100, 65, 0] as const;
export const latencyBlocks = [8, 4, 0.5].map((k) => k * kib);
/** Threads, and operations outstanding of each, of the composite workload. */
export const compositeLoads = [32, 16, 8, 6, 4, 2, 1] as const;
export const idleSeconds = [5, 10, 15, 25, 50] as const;

/** Short enough for whole samples within the shortest idle time; whole milliseconds, 10 at least. */
export function burstSampleSeconds(minuteSeconds: number): number {
  return Math.max(10, Math.round((1250 * minuteSeconds) / 60)) / 1000;
}

const compositeBlocks: Cell["blocks"] = [
  [512, 4],
  ...[1024, 1536, 2048, 2560, 3072, 3584].map((bytes) => [bytes, 1] as const),
  [4096, 67],
  [8192, 10],
  [16384, 7],
  [32768, 3],
  [65536, 3],
];
/** Half of the accesses to the first 5%, 30% to the next 15%, the rest to the rest. */
const compositeLocality = "zoned:50/5:30/15:20/80";

interface CellChoice extends Partial<Omit<Cell, "blocks">> {
  readonly id: string;
  readonly readPercent: number;
  readonly bytesPerOp: number;
}

function cellOf(spec: SniaSpec, { bytesPerOp, ...own }: CellChoice): Cell {
  const { threads, depth } = spec;
  return {
    ...{ blocks: [[bytesPerOp, 100]], sequential: false, threads, depth, bytes: null },
    ...{ seconds: spec.scale.minuteSeconds, ...own },
  };
}

/** Twice the capacity, sequentially, in 128 KiB. */
function fillStep(spec: SniaSpec, { capacityBytes }: SniaSizes): Step {
  const choice = { id: "wipc", readPercent: 0, bytesPerOp: 128 * kib, sequential: true };
  const bounds = { threads: 1, depth: 32, seconds: null, bytes: 2 * capacityBytes };
  const title = "Workload-independent preconditioning";
  return { kind: "fill", id: "wipc", title, cell: cellOf(spec, { ...choice, ...bounds }) };
}

const cellName = (readPercent: number, bytes: number) => `r${readPercent}-${sizeName(bytes)}`;

function grid(spec: SniaSpec, mixes: readonly number[], blocks: readonly number[], own: object) {
  return mixes.flatMap((readPercent) =>
    blocks.map((bytesPerOp) => {
      const id = cellName(readPercent, bytesPerOp);
      return cellOf(spec, { id, readPercent, bytesPerOp, ...own });
    }),
  );
}

function follow(readPercent: number, bytes: number, figure: Followed["figure"]): Followed {
  const what = { iops: "IOPS", bw_bytes: "throughput", latency_mean_ns: "mean response" }[figure];
  const size = bytes % kib === 0 ? `${bytes / kib} KiB` : `${bytes / kib} KiB`;
  const cell = cellName(readPercent, bytes);
  return { cell, figure, label: `${what}, R/W ${mixName(readPercent)}, ${size}` };
}

function iops(spec: SniaSpec, sizes: SniaSizes): readonly Section[] {
  const rest =
    spec.edition === "1.1" ? [] : [follow(65, 64 * kib, "iops"), follow(100, 1024 * kib, "iops")];
  const rounds: Step = {
    kind: "rounds",
    id: "round",
    title: "Rounds of seven mixes of eight block sizes",
    cells: grid(spec, iopsMixes, iopsBlocks, {}),
    followed: [follow(0, 4 * kib, "iops"), ...rest],
    most: mostRounds,
  };
  return [{ id: "", title: "IOPS", steps: [fillStep(spec, sizes), rounds] }];
}

function throughput(spec: SniaSpec, sizes: SniaSizes): readonly Section[] {
  const blocks = spec.deviceClass === "enterprise" ? [128 * kib, 1024 * kib] : [1024 * kib];
  return blocks.map((bytes): Section => {
    const rounds: Step = {
      kind: "rounds",
      id: "round",
      title: `Rounds of sequential reads and writes of ${bytes / kib} KiB`,
      cells: grid(spec, [100, 0], [bytes], { sequential: true, threads: 1 }),
      followed: [follow(0, bytes, "bw_bytes")],
      most: mostRounds,
    };
    const id = blocks.length === 1 ? "" : sizeName(bytes);
    return { id, title: `${bytes / kib} KiB`, steps: [fillStep(spec, sizes), rounds] };
  });
}

function latency(spec: SniaSpec, sizes: SniaSizes): readonly Section[] {
  const rounds: Step = {
    kind: "rounds",
    id: "round",
    title: "Rounds of three mixes of three block sizes, one operation at a time",
    cells: grid(spec, latencyMixes, latencyBlocks, { threads: 1, depth: 1 }),
    followed: [follow(0, 4 * kib, "latency_mean_ns")],
    most: mostRounds,
  };
  return [{ id: "", title: "Latency", steps: [fillStep(spec, sizes), rounds] }];
}

function writeSaturation(spec: SniaSpec, { capacityBytes }: SniaSizes): readonly Section[] {
  const step: Step = {
    kind: "saturate",
    id: "write",
    title: "Random writes of 4 KiB",
    cell: cellOf(spec, { id: "r0-4k", readPercent: 0, bytesPerOp: 4 * kib, seconds: null }),
    roundSeconds: spec.scale.minuteSeconds,
    mostBytes: 4 * capacityBytes,
    mostRounds: 24 * 60,
  };
  return [{ id: "", title: "Write saturation", steps: [step] }];
}

function hostIdle(spec: SniaSpec): readonly Section[] {
  const minute = spec.scale.minuteSeconds;
  const second = minute / 60;
  const writes = { readPercent: 0, bytesPerOp: 4 * kib };
  const steady: Step = {
    kind: "rounds",
    id: "round",
    title: "Rounds of 30 minutes of random writes of 4 KiB",
    cells: [cellOf(spec, { id: "r0-4k", ...writes, seconds: 30 * minute })],
    followed: [follow(0, 4 * kib, "iops")],
    most: mostRounds,
  };
  const states = idleSeconds.flatMap((idle): readonly Step[] => {
    const bursts = { onSeconds: 5 * second, offSeconds: idle * second };
    const seconds = spec.scale.cycles * (5 + idle) * second;
    return [
      {
        kind: "drive",
        id: `idle-${idle}`,
        title: `5 s of writes, ${idle} s idle`,
        cells: [cellOf(spec, { id: `idle-${idle}`, ...writes, seconds, bursts })],
        sampleSeconds: burstSampleSeconds(minute),
      },
      {
        kind: "drive",
        id: `after-${idle}`,
        title: `30 minutes of writes after the state of ${idle} s idle`,
        cells: [cellOf(spec, { id: `after-${idle}`, ...writes, seconds: 30 * minute })],
        sampleSeconds: minute,
      },
    ];
  });
  const before: Step = {
    kind: "drive",
    id: "before",
    title: "30 minutes of writes before the first state",
    cells: [cellOf(spec, { id: "before", ...writes, seconds: 30 * minute })],
    sampleSeconds: minute,
  };
  return [{ id: "", title: "Host idle recovery", steps: [steady, before, ...states] }];
}

function crossStimulus(spec: SniaSpec): readonly Section[] {
  const minute = spec.scale.minuteSeconds;
  const part = (id: string, title: string, kibPerOp: number, hours: number): Step => {
    const own = { readPercent: 0, bytesPerOp: kibPerOp * kib, threads: 1, depth: 32 };
    const sequential = kibPerOp === 1024;
    const cell = cellOf(spec, { id, ...own, sequential, seconds: hours * 60 * minute });
    return { kind: "drive", id, title, cells: [cell], sampleSeconds: minute };
  };
  const steps = [
    part("sequential-1", "Sequential writes of 1024 KiB, 8 hours", 1024, 8),
    part("random", "Random writes of 8 KiB, 6 hours", 8, 6),
    part("sequential-2", "Sequential writes of 1024 KiB, 8 hours", 1024, 8),
  ];
  return [{ id: "", title: "Cross stimulus recovery", steps }];
}

function composite(spec: SniaSpec): readonly Section[] {
  const minute = spec.scale.minuteSeconds;
  const cell = (id: string, own: Partial<Cell>): Cell => ({
    ...cellOf(spec, { id, readPercent: 40, bytesPerOp: 4096 }),
    ...{ blocks: compositeBlocks, locality: compositeLocality, ...own },
  });
  const full = { readPercent: 0, threads: 32, depth: 32 };
  const rounds: Step = {
    kind: "rounds",
    id: "round",
    title: "Rounds of 30 minutes of the composite writes, the last minute of which counts",
    cells: [
      cell("between", { ...full, seconds: 29 * minute }),
      cell("check", { ...full, seconds: minute }),
    ],
    followed: [{ cell: "check", figure: "iops", label: "IOPS, R/W 0/100, 32 threads of 32" }],
    most: mostRounds,
  };
  const points = compositeLoads.flatMap((threads) =>
    compositeLoads.map((depth) => cell(`t${threads}-q${depth}`, { threads, depth })),
  );
  const matrix: Step = {
    kind: "drive",
    id: "matrix",
    title: "49 loads, R/W 40/60",
    cells: [cell("before", { ...full, seconds: 5 * minute }), ...points],
    sampleSeconds: minute,
  };
  const histograms: Step = {
    kind: "histograms",
    id: "histogram",
    title: "Response times at three loads",
    of: "matrix",
    before: cell("before", { ...full, seconds: 60 * minute }),
    seconds: 10 * minute,
  };
  return [{ id: "", title: "Composite block workload", steps: [rounds, matrix, histograms] }];
}

/** The sections of a test, in order. */
export function proceduresOf(spec: SniaSpec, sizes: SniaSizes): readonly Section[] {
  switch (spec.test) {
    case "iops":
      return iops(spec, sizes);
    case "throughput":
      return throughput(spec, sizes);
    case "latency":
      return latency(spec, sizes);
    case "write-saturation":
      return writeSaturation(spec, sizes);
    case "host-idle":
      return hostIdle(spec);
    case "cross-stimulus":
      return crossStimulus(spec);
    case "composite":
      return composite(spec);
  }
}
