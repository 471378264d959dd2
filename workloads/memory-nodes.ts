/** NUMA nodes that memory of a run comes from: what this host has, allows and does. */
import { readFileSync } from "node:fs";
import { OsdynoError } from "../engine/base/error.ts";
import { native } from "../engine/base/native.ts";
import { readCpus } from "./job/compound-value.ts";

/** A host's memory by NUMA node; a fake stands in for hosts that have several. */
export interface MemoryHost {
  /** Nodes that have memory; null: the kernel does not tell. */
  withMemory(): readonly number[] | null;
  /** Nodes that this process may have memory of; null: the kernel does not tell. */
  allowed(): readonly number[] | null;
  /**
   * Has pages that the event loop, and threads that it makes from then on, touch first come from these nodes and
   * no other: 0, or a negative errno.
   */
  bind(nodes: readonly number[]): number;
  /** The event loop's policy as it is; the answer puts it back. */
  keep(): () => void;
  /** Resident bytes of this process's own (no files) by node; empty where the kernel does not tell. */
  resident(): Readonly<Record<string, number>>;
}

interface PolicyAddon {
  readonly bindMemory?: (nodes: number[]) => number;
  readonly MemoryPolicy?: { ofThisThread(): { putBack(): number } | null };
}

function addon(): Required<PolicyAddon> {
  const { bindMemory, MemoryPolicy } = native() as PolicyAddon;
  if (bindMemory === undefined || MemoryPolicy === undefined) {
    throw new OsdynoError("unavailable", "the native addon is an older one; run npm install");
  }
  return { bindMemory, MemoryPolicy };
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function nodesIn(list: string | undefined): readonly number[] | null {
  const nodes = list === undefined ? null : readCpus(list.trim(), Number.MAX_SAFE_INTEGER);
  return nodes === null || "refused" in nodes ? null : nodes;
}

/** Bytes by node in the kernel's `numa_maps`: of each mapping that is no file, its pages on each node. */
export function residentByNode(maps: string): Readonly<Record<string, number>> {
  const bytes: Record<string, number> = {};
  for (const line of maps.split("\n")) {
    const pageKib = /\bkernelpagesize_kB=(\d+)/.exec(line)?.[1];
    if (pageKib === undefined || /\sfile=/.test(line)) {
      continue;
    }
    for (const [, node = "", pages] of line.matchAll(/\sN(\d+)=(\d+)/g)) {
      bytes[node] = (bytes[node] ?? 0) + Number(pages) * Number(pageKib) * 1024;
    }
  }
  return bytes;
}

/** This host, as Linux tells it and does it. */
export const kernelMemory: MemoryHost = {
  withMemory: () => nodesIn(textOf("/sys/devices/system/node/has_memory") ?? undefined),
  allowed: () =>
    nodesIn(/^Mems_allowed_list:\s*(\S+)/m.exec(textOf("/proc/self/status") ?? "")?.[1]),
  bind: (nodes) => addon().bindMemory([...nodes]),
  keep: () => {
    const policy = addon().MemoryPolicy.ofThisThread();
    return () => {
      const errno = -(policy?.putBack() ?? 0);
      if (errno !== 0) {
        throw new OsdynoError("io", `the memory policy cannot be put back: errno ${errno}`);
      }
    };
  },
  resident: () => residentByNode(textOf("/proc/self/numa_maps") ?? ""),
};

const reasons: Readonly<Record<number, string>> = {
  1: "this process may not choose (EPERM; a container's seccomp profile forbids it without CAP_SYS_NICE)",
  22: "the kernel does not take the node (EINVAL)",
  38: "this kernel has no NUMA memory policies (ENOSYS)",
};

/**
 * Why memory cannot come from these nodes only, as one clause; null when it can. Tries it on the event loop,
 * and leaves that as it was.
 */
export function memoryRefusal(nodes: readonly number[], host: MemoryHost): string | null {
  const bare = nodes.find((node) => host.withMemory()?.includes(node) === false);
  if (bare !== undefined) {
    return `NUMA node ${bare} has no memory`;
  }
  const allowed = host.allowed();
  const forbidden = nodes.find((node) => allowed?.includes(node) === false);
  if (forbidden !== undefined) {
    return `this process may have no memory of NUMA node ${forbidden}, only of ${allowed?.join(",")}`;
  }
  const putBack = host.keep();
  try {
    return bindRefusal(nodes, host);
  } finally {
    putBack();
  }
}

function bindRefusal(nodes: readonly number[], host: MemoryHost): string | null {
  const errno = -host.bind(nodes);
  return errno === 0 ? null : `memory cannot be kept on it: ${reasons[errno] ?? `errno ${errno}`}`;
}

/** Throws `io` when the kernel refuses. */
export function bindMemory(nodes: readonly number[], host: MemoryHost): void {
  const refusal = bindRefusal(nodes, host);
  if (refusal !== null) {
    throw new OsdynoError("io", `NUMA node ${nodes.join(",")}: ${refusal}`);
  }
}
