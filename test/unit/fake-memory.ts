/** A host's memory with two nodes, which notes what was asked of it. */
import type { MemoryHost } from "../../workloads/memory-nodes.ts";

interface Host {
  readonly errno?: number;
  readonly withMemory?: readonly number[];
  readonly allowed?: readonly number[];
}

export class FakeMemory implements MemoryHost {
  readonly calls: string[] = [];
  readonly #host: Host;
  /** What `resident` answers, in turn. */
  readonly sizes: Record<string, number>[] = [];

  constructor(host: Host = {}) {
    this.#host = host;
  }

  withMemory(): readonly number[] {
    return this.#host.withMemory ?? [0, 1];
  }

  allowed(): readonly number[] {
    return this.#host.allowed ?? [0, 1];
  }

  bind(nodes: readonly number[]): number {
    this.calls.push(`bind ${nodes.join(",")}`);
    return -(this.#host.errno ?? 0);
  }

  keep(): () => void {
    return () => {
      this.calls.push("put back");
    };
  }

  resident(): Readonly<Record<string, number>> {
    return this.sizes.shift() ?? {};
  }
}
