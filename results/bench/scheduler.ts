/** The bench of the op schedulers: time to enqueue and to dequeue, with few and with many clients. */
import { SeededRandom } from "../../engine/base/random.ts";
import { mclockProfiles, qosPlanOf } from "../../engine/hot/scheduler/qos.ts";
import { type SchedulerKind, schedulerKinds } from "../../engine/hot/scheduler/registry.ts";
import {
  blankSchedulerOp,
  classPriority,
  cutOffs,
  type OpClass,
} from "../../engine/hot/scheduler/scheduler.ts";
import type { MicroCell, MicroPlan, MicroSubject } from "./micro.ts";

/** Of each `run`: one operation comes and one leaves. */
const rounds = 20_000;
/** Operations that a client has waiting. */
const depth = 4;

interface Workload {
  readonly name: string;
  readonly clients: number;
  /** Classes that clients belong to, in turn. */
  readonly classes: number;
}

const workloads: readonly Workload[] = [
  { name: "1,000 clients", clients: 1000, classes: 1 },
  { name: "100 clients", clients: 100, classes: 1 },
  { name: "client, recovery, best effort", clients: 3, classes: 3 },
];

/** What comes, as arrays that are made once: client and bytes of each operation. */
function trace(seed: number, { clients, name }: Workload) {
  const random = new SeededRandom(seed).fork(name);
  return {
    client: Int32Array.from({ length: rounds }, () => random.below(clients)),
    bytes: Float64Array.from({ length: rounds }, () => 4096 * (1 + random.below(16))),
  };
}

function subjectOf(kind: SchedulerKind, workload: Workload, seed: number): MicroSubject {
  const { client, bytes } = trace(seed, workload);
  const waiting = workload.clients * depth;
  const op = blankSchedulerOp();
  const left = new Int32Array(rounds);
  const capacity = { iops: 1e6, bandwidth: 58e9, shards: 1 };
  const run = () => {
    const queue = kind.create({
      random: new SeededRandom(seed),
      cutOff: cutOffs.high,
      plan: qosPlanOf(mclockProfiles.high_client_ops, capacity),
    });
    let nowNs = 1e9;
    const add = (item: number, id: number, costBytes: number) => {
      op.opClass = (id % workload.classes) as OpClass;
      op.clientId = id;
      op.priority = classPriority[op.opClass];
      op.costBytes = costBytes;
      queue.enqueue(item, op, nowNs);
    };
    for (let item = 0; item < waiting; item += 1) {
      add(item, item % workload.clients, 4096);
    }
    for (let round = 0; round < rounds; round += 1) {
      let item = queue.dequeue(nowNs);
      if (item < 0) {
        nowNs = queue.wakeNs;
        item = queue.dequeue(nowNs);
      }
      left[round] = item;
      nowNs += 1000;
      add(item, client[round] as number, bytes[round] as number);
    }
  };
  return {
    // What fills the queue first counts as well: all of it is enqueues and dequeues.
    operations: waiting + 2 * rounds,
    run,
    facts: {},
    result: () => new Uint8Array(left.buffer),
    close: () => {},
  };
}

/** `only`: one scheduler; `null`: all. */
export function schedulerBench(seed: number, only: string | null): MicroPlan {
  const cells: MicroCell[] = workloads.flatMap((workload) =>
    schedulerKinds()
      .filter(({ name }) => only === null || only === name)
      .map((kind) => ({
        implementation: kind.name,
        workload: workload.name,
        operationBytes: 0,
        prepare: () => subjectOf(kind, workload, seed),
      })),
  );
  const notes = [
    `an operation here is one enqueue or one dequeue; ${depth} wait for each client, 4 to 64 KiB each`,
    "mclock_scheduler by the profile high_client_ops, a million operations a second in virtual time",
  ];
  return { hotPath: "scheduler", cells, notes };
}
