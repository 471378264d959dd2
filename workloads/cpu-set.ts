/** Sets of CPUs that threads of a run are kept on: `0,2-3`, or the CPUs of NUMA nodes, `node:0-1`. */
import { readFileSync } from "node:fs";
import { OsdynoError } from "../engine/base/error.ts";
import { readCpus } from "./job/compound-value.ts";
import { kernelMemory, type MemoryHost, memoryRefusal } from "./memory-nodes.ts";
import { kernelNodeCpus, type NodeCpus } from "./placement.ts";

export interface CpuSet {
  /** As it was written. */
  readonly text: string;
  /** Ascending, one at least. */
  readonly cpus: readonly number[];
  /** NUMA nodes, ascending, when it was written by nodes: memory comes from them, too. */
  readonly nodes?: readonly number[];
}

/** What a run's own threads are kept on; null: wherever the process may run. */
export interface CpuChoice {
  /** Threads that make the load: of jobs, and the event loop, which also runs layers and stores. */
  readonly generator: CpuSet | null;
  /** Threads that targets have of their own: those of a store's key-value store. */
  readonly target: CpuSet | null;
}

/** The CPUs in the kernel's list: `0-3,8`; empty for one that cannot be read. */
export function cpusIn(list: string): readonly number[] {
  const cpus = list.trim() === "" ? [] : readCpus(list, Number.MAX_SAFE_INTEGER);
  return "refused" in cpus ? [] : cpus;
}

/** `0-3,8`, as the kernel writes it. */
export function cpuText(cpus: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const cpu of [...cpus].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === cpu - 1) {
      last[1] = cpu;
    } else {
      ranges.push([cpu, cpu]);
    }
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}

/** CPUs that this process may use, as Linux tells it. */
export function usableCpus(): readonly number[] {
  const status = readFileSync("/proc/self/status", "utf8");
  return cpusIn(/^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? "");
}

const ascending = (numbers: readonly number[]) => [...new Set(numbers)].sort((a, b) => a - b);

/**
 * Reads a set; `name` is the flag or key. Throws `bad-input` for what is no list, and for CPUs and nodes that
 * this host does not have or does not let us use, of nodes also for memory that cannot be kept on them.
 */
export function readCpuSet(
  name: string,
  text: string,
  usable: readonly number[] = usableCpus(),
  nodeCpus: NodeCpus = kernelNodeCpus,
  memory: MemoryHost = kernelMemory,
): CpuSet {
  const refuse = (why: string) => new OsdynoError("bad-input", `${name} ${text}: ${why}`);
  const nodes = /^node:(.*)$/.exec(text.trim())?.[1];
  const numbers = readCpus(nodes ?? text, Number.MAX_SAFE_INTEGER);
  if ("refused" in numbers) {
    throw refuse(`${numbers.refused}; give CPUs as 0,2-3, or NUMA nodes as node:0`);
  }
  const wanted = nodes === undefined ? numbers : numbers.flatMap((node) => ofNode(node));
  const missing = wanted.find((cpu) => !usable.includes(cpu));
  if (missing !== undefined) {
    throw refuse(`CPU ${missing} is not there for us; this process may use ${cpuText(usable)}`);
  }
  if (wanted.length === 0) {
    throw refuse("there is no CPU in it");
  }
  const cpus = ascending(wanted);
  if (nodes === undefined) {
    return { text: text.trim(), cpus };
  }
  const refusal = memoryRefusal(ascending(numbers), memory);
  if (refusal !== null) {
    throw refuse(`${refusal}; give its CPUs, ${cpuText(cpus)}, to leave memory where it falls`);
  }
  return { text: text.trim(), cpus, nodes: ascending(numbers) };

  function ofNode(node: number): readonly number[] {
    try {
      return nodeCpus(node);
    } catch (error) {
      throw refuse(error instanceof OsdynoError ? error.message : String(error));
    }
  }
}

/** CPUs that both have; those of a target are not apart there. */
export function sharedCpus({ generator, target }: CpuChoice): readonly number[] {
  return (generator?.cpus ?? []).filter((cpu) => target?.cpus.includes(cpu));
}
