/** Memory of runs by NUMA node: which policy stands when, on a fake of two nodes, and on this machine's own. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { CpuSet } from "../../workloads/cpu-set.ts";
import { usableCpus } from "../../workloads/cpu-set.ts";
import { kernelMemory, memoryRefusal, residentByNode } from "../../workloads/memory-nodes.ts";
import { ThreadCpus } from "../../workloads/runner/thread-cpus.ts";
import { FakeMemory } from "./fake-memory.ts";

const cpus = usableCpus();
const onNode = (node: number): CpuSet => ({ text: `node:${node}`, cpus, nodes: [node] });
const byNumber: CpuSet = { text: cpus.join(","), cpus };

/** What is asked of the host at each step of a run. */
function stepsOf(generator: CpuSet | null, target: CpuSet | null): readonly string[] {
  const memory = new FakeMemory();
  const kept = new ThreadCpus({ generator, target }, memory);
  const steps = [
    ["open", () => kept.beforeTarget()],
    ["opened", () => kept.afterTarget()],
    ["jobs start", () => kept.beforeJobs()],
    ["jobs go", () => kept.afterJobs()],
    ["end", () => kept.restore()],
  ] as const;
  return steps.flatMap(([name, step]) => {
    step();
    return memory.calls.splice(0).map((call) => `${name}: ${call}`);
  });
}

test("buffers are the generator's, all the rest of the event loop's memory is the target's", () => {
  expect(stepsOf(onNode(0), onNode(1))).toEqual([
    "open: bind 1",
    "jobs start: bind 0",
    "jobs go: bind 1",
    "end: put back",
  ]);
});

test("one side by node leaves the other where it falls", () => {
  expect(stepsOf(byNumber, onNode(1))).toEqual([
    "open: bind 1",
    "jobs start: put back",
    "jobs go: bind 1",
    "end: put back",
  ]);
  expect(stepsOf(onNode(0), null)).toEqual([
    "open: put back",
    "jobs start: bind 0",
    "jobs go: bind 0",
    "end: put back",
  ]);
});

test("CPUs by number leave memory alone", () => {
  expect(stepsOf(byNumber, byNumber)).toEqual([]);
});

test("a kernel that refuses after all is an error that names the node", () => {
  const kept = new ThreadCpus({ generator: null, target: onNode(1) }, new FakeMemory({ errno: 1 }));
  expect(() => kept.beforeTarget()).toThrow(/^NUMA node 1: memory cannot be kept on it: .*EPERM/);
  kept.restore();
});

test("the most that was seen on each node is told, and only where nodes were chosen", () => {
  const memory = new FakeMemory();
  memory.sizes.push({ 0: 10, 1: 400 }, { 0: 30, 1: 200 });
  const kept = new ThreadCpus({ generator: onNode(0), target: null }, memory);
  kept.lookAtMemory();
  kept.lookAtMemory();
  expect(kept.outcome().memory).toEqual({ 0: 30, 1: 400 });
  kept.restore();
  const plain = new ThreadCpus({ generator: byNumber, target: null }, memory);
  plain.lookAtMemory();
  expect(plain.outcome().memory).toBeUndefined();
  plain.restore();
});

test("pages by node, without those of files", () => {
  const maps = [
    "559843c6d000 bind:0 file=/bin/x mapped=9 N0=9 kernelpagesize_kB=4",
    "55987fe8d000 bind:0 heap anon=400 dirty=398 active=0 N0=300 N1=100 kernelpagesize_kB=4",
    "7f0000000000 default anon=2 dirty=2 N1=2 kernelpagesize_kB=2048",
    "7ffd00000000 default stack",
  ];
  expect(residentByNode(maps.join("\n"))).toEqual({ 0: 1_228_800, 1: 409_600 + 4_194_304 });
});

/** Policies in the `numa_maps` of this thread, which a test runner may have made. */
const policies = () =>
  new Set(
    readFileSync("/proc/thread-self/numa_maps", "utf8")
      .split("\n")
      .flatMap((line) => line.split(" ")[1] ?? []),
  );
const node = kernelMemory.allowed()?.[0] ?? 0;

// Where the kernel has NUMA and lets us choose: what it says itself of a process whose memory is bound.
test.runIf(memoryRefusal([node], kernelMemory) === null)("this machine's kernel does it", () => {
  const before = policies();
  expect(before).not.toContain(`bind:${node}`);
  const kept = new ThreadCpus({ generator: null, target: onNode(node) });
  kept.beforeTarget();
  expect(policies()).toContain(`bind:${node}`);
  kept.lookAtMemory();
  expect(kept.outcome().memory?.[node]).toBeGreaterThan(1e6);
  kept.restore();
  expect(policies()).toEqual(before);
  expect(memoryRefusal([1000], kernelMemory)).toBe("NUMA node 1000 has no memory");
  expect(kernelMemory.bind([1000])).toBe(-22);
  expect(policies()).toEqual(before);
});
