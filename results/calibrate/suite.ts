/** What a calibration measures, and the verdict per case: fio and osdyno in alternating pairs. */
import { type MedianInterval, medianInterval } from "../stats/order-statistics.ts";
import { runSide, type SideFigures, type SideName, sideSeconds } from "./side.ts";

/** Cases that belong together: what `--only` takes beside parts of names. */
export type CaseGroup = "io_uring" | "path" | "null" | "engines" | "own";

export interface CalibrationCase {
  readonly name: string;
  readonly group: CaseGroup;
  /** fio-style arguments that both sides take as they are. */
  readonly args: readonly string[];
  readonly ours: SideName;
  /** The other side; `osdyno` against itself shows the machine's noise. */
  readonly base: SideName;
  /** What must hold; null = shown only. */
  readonly goal: { readonly iopsRatio: number; readonly cpuRatio: number | null };
  /** Latencies are compared with the scatter of fio's own repeats. */
  readonly latencies: boolean;
}

export interface PairResult {
  readonly base: SideFigures;
  readonly ours: SideFigures;
}

export interface LatencyJudgement {
  readonly ours: number;
  readonly baseLow: number;
  readonly baseHigh: number;
  /** Our median lies within the range of the base's repeats, or below it. */
  readonly within: boolean;
}

export interface CaseResult {
  readonly case: CalibrationCase;
  readonly pairs: readonly PairResult[];
  readonly baseIops: MedianInterval;
  readonly oursIops: MedianInterval;
  readonly iopsRatio: MedianInterval;
  readonly cpuRatio: MedianInterval | null;
  readonly baseCpuUs: number | null;
  readonly oursCpuUs: number | null;
  readonly latP50: LatencyJudgement | null;
  readonly latP99: LatencyJudgement | null;
  readonly clatP50: LatencyJudgement | null;
  readonly clatP99: LatencyJudgement | null;
  readonly reached: boolean;
}

const onFile = (file: string, rw: string, keys: readonly string[]): string[] => [
  `--name=${rw}`,
  `--filename=${file}`,
  `--rw=${rw}`,
  "--bs=4k",
  "--time_based",
  `--runtime=${sideSeconds}`,
  "--lat_percentiles=1",
  ...keys,
];

const device = (file: string, rw: string, depth: number, engine = "io_uring"): string[] =>
  onFile(file, rw, ["--size=1g", `--ioengine=${engine}`, `--iodepth=${depth}`, "--direct=1"]);

const nullJob = (depth: number): string[] => [
  `--name=null-${depth}`,
  "--ioengine=null",
  "--size=64g",
  "--rw=randread",
  "--bs=4k",
  "--norandommap",
  `--iodepth=${depth}`,
  "--time_based",
  `--runtime=${sideSeconds}`,
];

/**
 * Every engine beside io_uring as it comes, and several jobs on few cores. The buffered cases stay
 * within a part of the file that is in the page cache, so that they weigh the harness, not the disk.
 */
function engineCases(file: string, base: SideName): CalibrationCase[] {
  const cases: CalibrationCase[] = [];
  const add = (name: string, args: readonly string[]) =>
    cases.push({
      name,
      group: "engines",
      args,
      ours: "osdyno",
      base,
      goal: { iopsRatio: 0.98, cpuRatio: 1.05 },
      latencies: true,
    });
  for (const rw of ["randread", "randwrite"]) {
    const cached = ["--size=256m", "--ioengine=psync", "--direct=0", "--invalidate=0"];
    add(`${rw} 4k psync, buffered`, onFile(file, rw, cached));
    add(`${rw} 4k psync, direct`, device(file, rw, 1, "psync"));
    for (const depth of [1, 16, 64]) {
      add(`${rw} 4k libaio, depth ${depth}`, device(file, rw, depth, "libaio"));
    }
    const fixed = [...device(file, rw, 64), "--fixedbufs=1", "--registerfiles=1"];
    add(`${rw} 4k io_uring, fixed buffers and files, depth 64`, fixed);
    const four = [...device(file, rw, 16), "--numjobs=4", "--group_reporting"];
    add(`${rw} 4k io_uring, 4 jobs of depth 16`, four);
  }
  return cases;
}

/** The built-in cases on a scratch file of at least 1 GiB. `noise` sets both sides to osdyno. */
export function standardCases(file: string, noise: boolean): CalibrationCase[] {
  const base: SideName = noise ? "osdyno" : "fio";
  const cases: CalibrationCase[] = [];
  for (const rw of ["randread", "randwrite"]) {
    for (const depth of [1, 16, 64, 128]) {
      cases.push({
        name: `${rw} 4k io_uring depth ${depth}`,
        group: "io_uring",
        args: device(file, rw, depth),
        ours: "osdyno",
        base,
        goal: { iopsRatio: 0.98, cpuRatio: 1.05 },
        latencies: true,
      });
    }
  }
  for (const rw of ["randread", "randwrite"]) {
    cases.push({
      name: `${rw} 4k depth 64, --path engine`,
      group: "path",
      args: device(file, rw, 64),
      ours: "osdyno engine path",
      base,
      goal: { iopsRatio: 0.9, cpuRatio: null },
      latencies: false,
    });
  }
  for (const depth of [1, 32]) {
    cases.push({
      name: `null target, depth ${depth}`,
      group: "null",
      args: nullJob(depth),
      ours: "osdyno",
      base,
      goal: { iopsRatio: 1, cpuRatio: null },
      latencies: false,
    });
  }
  return [...cases, ...engineCases(file, base)];
}

/** A case of the user's own: a job file, run by both sides as it stands. */
export function fileCase(jobFile: string, noise: boolean): CalibrationCase {
  return {
    name: jobFile,
    group: "own",
    args: [jobFile],
    ours: "osdyno",
    base: noise ? "osdyno" : "fio",
    goal: { iopsRatio: 0.98, cpuRatio: 1.05 },
    latencies: true,
  };
}

function judge(
  pairs: readonly PairResult[],
  pick: (figures: SideFigures) => number | null,
): LatencyJudgement | null {
  const ours = pairs.map((pair) => pick(pair.ours)).filter((value) => value !== null);
  const base = pairs.map((pair) => pick(pair.base)).filter((value) => value !== null);
  if (ours.length === 0 || base.length === 0) {
    return null;
  }
  const median = medianInterval(ours).median;
  const baseLow = Math.min(...base);
  const baseHigh = Math.max(...base);
  return { ours: median, baseLow, baseHigh, within: median <= baseHigh };
}

function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : medianInterval(known).median;
}

/** Judges the pairs of one case: the goal holds for the median of the pairs' ratios. */
export function judgeCase(item: CalibrationCase, pairs: readonly PairResult[]): CaseResult {
  const cpu = pairs.flatMap(({ ours, base }) =>
    ours.cpuUs === null || base.cpuUs === null ? [] : [ours.cpuUs / base.cpuUs],
  );
  const iopsRatio = medianInterval(pairs.map(({ ours, base }) => ours.iops / base.iops));
  const cpuRatio = cpu.length === 0 ? null : medianInterval(cpu);
  const latP50 = item.latencies ? judge(pairs, (figures) => figures.latP50) : null;
  const latP99 = item.latencies ? judge(pairs, (figures) => figures.latP99) : null;
  const clatP50 = item.latencies ? judge(pairs, (figures) => figures.clatP50) : null;
  const clatP99 = item.latencies ? judge(pairs, (figures) => figures.clatP99) : null;
  return {
    case: item,
    pairs,
    baseIops: medianInterval(pairs.map((pair) => pair.base.iops)),
    oursIops: medianInterval(pairs.map((pair) => pair.ours.iops)),
    iopsRatio,
    cpuRatio,
    baseCpuUs: medianOrNull(pairs.map((pair) => pair.base.cpuUs)),
    oursCpuUs: medianOrNull(pairs.map((pair) => pair.ours.cpuUs)),
    latP50,
    latP99,
    clatP50,
    clatP99,
    reached:
      iopsRatio.median >= item.goal.iopsRatio &&
      (item.goal.cpuRatio === null ||
        (cpuRatio !== null && cpuRatio.median <= item.goal.cpuRatio)) &&
      [clatP50, clatP99, latP50, latP99].every((each) => each === null || each.within),
  };
}

/** Runs `repeat` pairs of a case; every second pair starts with the other side (ABBA). */
export async function runCase(
  item: CalibrationCase,
  repeat: number,
  signal: AbortSignal,
  onPair: (done: number) => void,
): Promise<CaseResult> {
  const pairs: PairResult[] = [];
  for (let number = 0; number < repeat; number += 1) {
    const oursFirst = number % 2 === 1;
    const first = await runSide(oursFirst ? item.ours : item.base, item.args, signal);
    const second = await runSide(oursFirst ? item.base : item.ours, item.args, signal);
    pairs.push(oursFirst ? { ours: first, base: second } : { ours: second, base: first });
    onPair(number + 1);
  }
  return judgeCase(item, pairs);
}
