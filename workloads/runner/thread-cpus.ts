/**
 * Keeps the threads of this process on the CPUs that were chosen for them, and where those were chosen by NUMA
 * node, memory on these nodes. A thread inherits CPUs and memory policy of its maker: the event loop stands on the
 * target's while a target is opened, and on the generator's CPUs afterwards. What memory it touches first is the
 * generator's while jobs start, which is when their buffers are made, and the target's otherwise: caches of a store
 * grow on it. No thread can set another's policy, so those that were there before keep theirs.
 */
import { readdirSync, readFileSync } from "node:fs";
import { OsdynoError } from "../../engine/base/error.ts";
import { native } from "../../engine/base/native.ts";
import { type CpuChoice, type CpuSet, cpusIn, cpuText } from "../cpu-set.ts";
import { bindMemory, kernelMemory, type MemoryHost } from "../memory-nodes.ts";

/** Threads of one name, as they were seen while the jobs ran. */
export interface SeenThreads {
  readonly name: string;
  readonly count: number;
  /** As the kernel says it, `0-3`. */
  readonly cpus: string;
  readonly of: "generator" | "target";
}

export interface CpusOutcome {
  readonly generator: CpuSet | null;
  readonly target: CpuSet | null;
  readonly threads: readonly SeenThreads[];
  /** The most resident bytes that were seen on each NUMA node; absent where nobody chose nodes. */
  readonly memory?: Readonly<Record<string, number>>;
}

interface Thread {
  readonly id: number;
  readonly name: string;
  readonly cpus: readonly number[];
}

const tasks = "/proc/self/task";

/** Every thread of this process; one that ended meanwhile is left out. */
function threads(): readonly Thread[] {
  return readdirSync(tasks).flatMap((id) => {
    try {
      const status = readFileSync(`${tasks}/${id}/status`, "utf8");
      const name = /^Name:\s*(.*)$/m.exec(status)?.[1] ?? "";
      const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? "";
      return [{ id: Number(id), name, cpus: cpusIn(list) }];
    } catch {
      return [];
    }
  });
}

const noSuchThread = 3;

function pin(thread: number, cpus: readonly number[]): void {
  const { pinThread } = native() as { pinThread?: (id: number, cpus: number[]) => number };
  if (pinThread === undefined) {
    throw new OsdynoError("unavailable", "the native addon is an older one; run npm install");
  }
  const errno = -pinThread(thread, [...cpus]);
  if (errno !== 0 && errno !== noSuchThread) {
    throw new OsdynoError("io", `a thread cannot be kept on CPUs ${cpuText(cpus)}: errno ${errno}`);
  }
}

/** The kernel's workers have a number; a thread that nobody named has the name of its maker, the event loop. */
function nameOf(name: string, made: boolean): string {
  const own = name.replace(/^(iou-(?:wrk|sqp))-\d+$/, "$1");
  return made && own === mainName() ? "unnamed" : own;
}

const mainName = () => readFileSync(`${tasks}/${process.pid}/comm`, "utf8").trim();

export class ThreadCpus {
  readonly #choice: CpuChoice;
  /** Threads that were there before, with the CPUs that they get back. */
  readonly #before = threads();
  readonly #ofTarget = new Set<number>();
  readonly #host: MemoryHost;
  readonly #byNode: boolean;
  readonly #putMemoryBack: () => void;
  #seen: readonly SeenThreads[] = [];
  #memory: Readonly<Record<string, number>> = {};

  constructor(choice: CpuChoice, host: MemoryHost = kernelMemory) {
    this.#choice = choice;
    this.#host = host;
    this.#byNode = (choice.generator?.nodes ?? choice.target?.nodes) !== undefined;
    this.#putMemoryBack = this.#byNode ? host.keep() : () => {};
  }

  /** From the nodes of the first of these sets that has some; as before when none has. */
  #memoryOf(...sets: readonly (CpuSet | null)[]): void {
    const nodes = sets.find((set) => set?.nodes !== undefined)?.nodes;
    if (nodes !== undefined) {
      bindMemory(nodes, this.#host);
    } else {
      this.#putMemoryBack();
    }
  }

  /** What is made from now on is the target's. */
  beforeTarget(): void {
    const { target } = this.#choice;
    if (target !== null) {
      pin(process.pid, target.cpus);
    }
    this.#memoryOf(target);
  }

  /** The target is there; what is made from now on is the generator's, as is what was there before. */
  afterTarget(): void {
    const known = new Set(this.#before.map(({ id }) => id));
    for (const { id } of threads().filter((thread) => !known.has(thread.id))) {
      this.#ofTarget.add(id);
    }
    const { generator } = this.#choice;
    for (const { id, cpus } of this.#before) {
      pin(id, generator?.cpus ?? cpus);
    }
  }

  /** Jobs are going to start: what is made now is theirs. */
  beforeJobs(): void {
    this.#memoryOf(this.#choice.generator);
  }

  /** They have started, with their buffers; what grows on the event loop from now on is the target's. */
  afterJobs(): void {
    this.#memoryOf(this.#choice.target, this.#choice.generator);
  }

  /** Looks where memory is; takes milliseconds, in which the event loop does nothing else. */
  lookAtMemory(): void {
    if (this.#byNode) {
      const most = { ...this.#memory };
      for (const [node, bytes] of Object.entries(this.#host.resident())) {
        most[node] = Math.max(most[node] ?? 0, bytes);
      }
      this.#memory = most;
    }
  }

  /** Looks where the threads are, while the jobs run. */
  look(): void {
    const { target } = this.#choice;
    const known = new Set(this.#before.map(({ id }) => id));
    const kinds = new Map<string, SeenThreads>();
    for (const { id, name, cpus } of threads()) {
      // Made by one of the target's own threads, which it has its CPUs from.
      const inherited = !known.has(id) && cpuText(cpus) === cpuText(target?.cpus ?? []);
      const of = this.#ofTarget.has(id) || inherited ? "target" : "generator";
      const called = nameOf(name, !known.has(id));
      const key = `${of} ${called} ${cpuText(cpus)}`;
      const count = (kinds.get(key)?.count ?? 0) + 1;
      kinds.set(key, { name: called, count, cpus: cpuText(cpus), of });
    }
    this.#seen = [...kinds.values()];
  }

  outcome(): CpusOutcome {
    return {
      ...this.#choice,
      threads: this.#seen,
      ...(this.#byNode ? { memory: this.#memory } : {}),
    };
  }

  /** Puts back what was there before. */
  restore(): void {
    for (const { id, cpus } of this.#before) {
      pin(id, cpus);
    }
    this.#putMemoryBack();
  }
}
