/** Keys of CPUs, priorities, nodes and memory of a job's thread. */
import { readCpus } from "./compound-value.ts";
import type { GivenValue } from "./given-value.ts";
import type { SupportedKey } from "./key.ts";
import { bytesKey, choiceKey, countKey, textKey } from "./make-key.ts";
import type { HostRules } from "./rules.ts";

/** As many as Linux has (MAX_NUMNODES of a large distribution kernel). */
const mostNodes = 1024;

/** `0-1,3`, or `all`, which is empty. */
function readNodes(value: GivenValue, text: string): number[] {
  if (text.trim() === "all") {
    return [];
  }
  if (!/^\s*\d+(?:\s*-\s*\d+)?(?:,\s*\d+(?:\s*-\s*\d+)?)*\s*$/.test(text)) {
    throw value.refuse("must be numbers of nodes, as 0,2-3, or all");
  }
  return value.accept(readCpus(text, mostNodes));
}

function readMemoryPolicy(value: GivenValue): HostRules["memoryPolicy"] {
  const modes = ["default", "prefer", "bind", "interleave", "local"] as const;
  const text = value.text();
  const colon = text.indexOf(":");
  const mode = modes.find((name) => name === (colon < 0 ? text : text.slice(0, colon)));
  const list = colon < 0 ? null : text.slice(colon + 1);
  switch (mode) {
    case undefined:
      throw value.refuse(`must be one of ${modes.join(", ")}, with nodes behind a colon`);
    case "default":
    case "local":
      if (list !== null) {
        throw value.refuse(`${mode} takes no nodes`);
      }
      return { mode, nodes: [] };
    case "prefer":
      if (list === null || !/^\d+$/.test(list)) {
        throw value.refuse("prefer takes one node, as prefer:0");
      }
      return { mode, nodes: readNodes(value, list) };
    case "bind":
      if (list === null) {
        throw value.refuse("bind needs nodes, as bind:0");
      }
      return { mode, nodes: readNodes(value, list) };
    case "interleave":
      return { mode, nodes: list === null ? [] : readNodes(value, list) };
  }
}

export const hostKeys: readonly SupportedKey[] = [
  {
    name: "cpumask",
    type: "number",
    default: "all",
    summary: "CPUs the job may use, as bits of a number.",
    apply: (draft, value) => {
      const mask = value.count({ min: 1 });
      const cpus = Array.from({ length: 32 }, (_, cpu) => cpu).filter((cpu) => (mask >>> cpu) & 1);
      const last = value.environment.cpuCount - 1;
      const missing = cpus.find((cpu) => cpu > last);
      if (missing !== undefined) {
        throw value.refuse(`there is no CPU ${missing}; the last one is ${last}`);
      }
      draft.cpusAllowed = cpus;
    },
  },
  choiceKey(
    "cpus_allowed_policy",
    {
      default: "shared",
      summary: "Clones use all CPUs (shared), or one each in turn (split).",
      choices: ["shared", "split"],
      priority: 1,
    },
    (draft, policy) => {
      draft.host.cpusPolicy = policy;
    },
  ),
  {
    name: "numa_cpu_nodes",
    type: "list",
    default: "all",
    summary: "Only CPUs of these nodes: 0,2-3, or all.",
    apply: (draft, value) => {
      draft.host.cpuNodes = readNodes(value, value.text());
    },
  },
  {
    name: "numa_mem_policy",
    type: "text",
    default: "default",
    summary: "Where buffers lie: default, local, prefer:N, bind:LIST, interleave[:LIST].",
    apply: (draft, value) => {
      draft.host.memoryPolicy = readMemoryPolicy(value);
    },
  },
  countKey(
    "nice",
    { default: "0", summary: "Nice value of the job's thread, -20 to 19." },
    { min: -20, max: 19 },
    (draft, nice) => {
      draft.host.nice = nice;
    },
  ),
  countKey(
    "prio",
    { default: "0", summary: "Level of the job's I/O priority, 0 (highest) to 7." },
    { max: 7 },
    (draft, level) => {
      draft.host.prioLevel = level;
    },
  ),
  countKey(
    "prioclass",
    { default: "0", summary: "Its class: 1 real time, 2 best effort, 3 idle." },
    { max: 3 },
    (draft, ioClass) => {
      draft.host.prioClass = ioClass;
    },
  ),
  {
    name: "mem",
    aliases: ["iomem"],
    type: "choice",
    default: "malloc",
    summary: "Memory of buffers: malloc, shm, shmhuge, mmap[:FILE], mmapshared, mmaphuge.",
    apply: (draft, value) => {
      const kinds = ["malloc", "shm", "shmhuge", "mmap", "mmapshared", "mmaphuge"] as const;
      const [kind, file] = value.choiceWithPostfix(kinds, ["cudamalloc"]);
      draft.host.memory = { kind, file: kind.startsWith("mmap") ? file : null };
    },
  },
  bytesKey(
    ["iomem_align", "mem_align"],
    { default: "0", summary: "Alignment of buffers." },
    { max: 2 ** 30 },
    (draft, bytes) => {
      draft.host.memoryAlignBytes = bytes;
    },
  ),
  bytesKey(
    "hugepage-size",
    { default: "2m", summary: "Size of a huge page." },
    { min: 1, max: 2 ** 40 },
    (draft, bytes) => {
      draft.host.hugePageBytes = bytes;
    },
  ),
  bytesKey(
    "lockmem",
    { default: "0", summary: "Memory that each job pins, to leave less." },
    {},
    (draft, bytes) => {
      draft.host.lockedBytes = bytes;
    },
  ),
  textKey(
    "comm",
    {
      default: "",
      summary: "Name of fio's process.",
      noEffect: "a job is a thread here, named after the job",
    },
    () => {},
  ),
];
