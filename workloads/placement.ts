/** When and where each clone of a job begins: what differs between clones besides their files. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { OsdynoError } from "../engine/base/error.ts";
import { readCpus } from "./job/compound-value.ts";
import type { PlannedJob } from "./plan-model.ts";

/** The delay of a clone: drawn by its seed from the range that `startdelay` gives, ns. */
export function startDelayNs(job: PlannedJob): number {
  const { startDelayNs: least, startDelayMaxNs: most } = job.resolved;
  if (most === least) {
    return least;
  }
  const draw = createHash("sha256").update(`startdelay ${job.seed}`).digest().readUIntBE(0, 6);
  return least + Math.floor((draw / 2 ** 48) * (most - least + 1));
}

/** The CPUs of a NUMA node. Throws `bad-input` when there is no such node. */
export type NodeCpus = (node: number) => readonly number[];

/** As Linux tells it in sysfs. */
export function kernelNodeCpus(node: number): readonly number[] {
  const path = `/sys/devices/system/node/node${node}/cpulist`;
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new OsdynoError("bad-input", `this machine has no NUMA node ${node}`, {}, error);
  }
  const cpus = text === "" ? [] : readCpus(text, Number.MAX_SAFE_INTEGER);
  return "refused" in cpus ? [] : cpus;
}

/** CPUs that the thread of a clone may use; empty = all. */
export function cpusOf(job: PlannedJob, nodeCpus: NodeCpus = kernelNodeCpus): readonly number[] {
  const { cpusAllowed, host } = job.resolved;
  // As in fio, nodes are set last and win.
  const cpus = host.cpuNodes.length > 0 ? host.cpuNodes.flatMap(nodeCpus) : cpusAllowed;
  if (host.cpuNodes.length > 0 || host.cpusPolicy === "shared" || cpus.length === 0) {
    return cpus;
  }
  const own = cpus[job.index % cpus.length];
  return own === undefined ? cpus : [own];
}
