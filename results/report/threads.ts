/** On which CPUs the threads of the runs were kept, and on which NUMA nodes their memory, in a sentence each. */
import { cpuText } from "../../workloads/cpu-set.ts";
import type { OsdynoCpuSet, OsdynoCpus, RunRecord } from "../run-record.ts";

/** `CPU 0 (node:0)`, `CPUs 0-3`. */
function setText({ asked, cpus }: OsdynoCpuSet): string {
  const text = `${cpus.length === 1 ? "CPU" : "CPUs"} ${cpuText(cpus)}`;
  return asked === cpuText(cpus) ? text : `${text} (${asked})`;
}

/** `3 rocksdb:low, kv_sync`: the names that threads have in the kernel. */
function namesOf(cpus: OsdynoCpus): string {
  const own = cpus.threads.filter((each) => each.of === "target");
  return own.map(({ name, count }) => (count === 1 ? name : `${count} ${name}`)).join(", ");
}

function sentence(cpus: OsdynoCpus, path: RunRecord["path"]): string {
  const makes =
    path === "engine"
      ? "the event loop, which sends the jobs' operations and runs layers and stores"
      : "the jobs' threads";
  const generator =
    cpus.generator === undefined ? "any CPU" : `${setText(cpus.generator)} and no other`;
  const names = namesOf(cpus);
  const target =
    cpus.target === undefined
      ? ""
      : names === ""
        ? `; the target had no threads of its own to keep on ${setText(cpus.target)}`
        : `; threads of the target's own (${names}) on ${setText(cpus.target)}`;
  return `The load came from ${makes}, on ${generator}${target}.${memoryText(cpus)}`;
}

/** ` Memory came from NUMA node 0 for buffers, ...`; empty where CPUs were not given by node. */
function memoryText({ generator, target }: OsdynoCpus): string {
  const parts = [
    ...(generator?.memory_nodes === undefined
      ? []
      : [`for the jobs' buffers from ${nodeText(generator.memory_nodes)}`]),
    ...(target?.memory_nodes === undefined
      ? []
      : [`for the target from ${nodeText(target.memory_nodes)}`]),
  ];
  return parts.length === 0 ? "" : ` Memory came ${parts.join(", ")}, and from no other.`;
}

const nodeText = (nodes: readonly number[]) =>
  `NUMA ${nodes.length === 1 ? "node" : "nodes"} ${cpuText(nodes)}`;

/** Nothing where nobody chose; of several placements, each with how many runs had it. */
export function threadSentences(records: readonly RunRecord[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { osdyno, path } of records) {
    if (osdyno?.cpus !== undefined) {
      const text = sentence(osdyno.cpus, path);
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
  }
  const all = records.length;
  return [...counts].map(([text, count]) =>
    count === all ? text : `In ${count} of ${all} runs: ${text.replace(/^T/, "t")}`,
  );
}
