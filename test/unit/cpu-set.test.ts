/** Sets of CPUs as they are written, on hosts that have them and on hosts that do not. */
import { expect, test } from "vitest";
import { OsdynoError } from "../../engine/base/error.ts";
import { cpuText, readCpuSet, sharedCpus } from "../../workloads/cpu-set.ts";
import { FakeMemory } from "./fake-memory.ts";

/** Two nodes of four CPUs, of which we may not use the last. */
const usable = [0, 1, 2, 3, 4, 5, 6];
const nodes: Readonly<Record<number, readonly number[]>> = { 0: [0, 1, 2, 3], 1: [4, 5, 6, 7] };
const nodeCpus = (node: number) => {
  const cpus = nodes[node];
  if (cpus === undefined) {
    throw new OsdynoError("bad-input", `this machine has no NUMA node ${node}`);
  }
  return cpus;
};
const read = (text: string, memory = new FakeMemory()) =>
  readCpuSet("--target-cpus", text, usable, nodeCpus, memory);

test.each([
  ["0", [0]],
  ["2-3,0", [0, 2, 3]],
  [" 5,5 ", [5]],
])("%s", (text, cpus) => {
  expect(read(text)).toEqual({ text: text.trim(), cpus });
});

test("nodes are CPUs and memory; what was tried is taken back", () => {
  const memory = new FakeMemory();
  expect(read("node:0", memory)).toEqual({ text: "node:0", cpus: [0, 1, 2, 3], nodes: [0] });
  expect(memory.calls).toEqual(["bind 0", "put back"]);
});

test.each([
  [{ errno: 38 }, "this kernel has no NUMA memory policies (ENOSYS)"],
  [{ errno: 1 }, "this process may not choose (EPERM;"],
  [{ errno: 22 }, "the kernel does not take the node (EINVAL)"],
  [{ errno: 5 }, "errno 5"],
  [{ withMemory: [1] }, "NUMA node 0 has no memory"],
  [{ allowed: [1, 2] }, "this process may have no memory of NUMA node 0, only of 1,2"],
])("memory that cannot come from the node: %j", (host, why) => {
  expect(() => read("node:0", new FakeMemory(host))).toThrow(
    expect.objectContaining({ code: "bad-input", message: expect.stringContaining(why) }),
  );
  expect(() => read("node:0", new FakeMemory(host))).toThrow(
    /^--target-cpus node:0: .*; give its CPUs, 0-3, to leave memory where it falls$/,
  );
  expect(read("0-3", new FakeMemory(host)).nodes).toBeUndefined();
});

test.each([
  ["7", "--target-cpus 7: CPU 7 is not there for us; this process may use 0-6"],
  ["0-99", "--target-cpus 0-99: CPU 7 is not there for us; this process may use 0-6"],
  ["node:1", "--target-cpus node:1: CPU 7 is not there for us; this process may use 0-6"],
  ["node:2", "--target-cpus node:2: this machine has no NUMA node 2"],
  ["", "--target-cpus : an empty entry is no CPU number or range; give CPUs as 0,2-3, or NUMA"],
  [
    "a",
    "--target-cpus a: a is no CPU number or range; give CPUs as 0,2-3, or NUMA nodes as node:0",
  ],
])("'%s' is refused in one line", (text, line) => {
  expect(() => read(text)).toThrow(
    expect.objectContaining({ code: "bad-input", message: expect.stringContaining(line) }),
  );
});

test("lists as the kernel writes them, and what both sides have", () => {
  expect(cpuText([8, 0, 1, 2, 10])).toBe("0-2,8,10");
  expect(sharedCpus({ generator: read("0-2"), target: read("2-4") })).toEqual([2]);
  expect(sharedCpus({ generator: read("0"), target: null })).toEqual([]);
});
