/**
 * The one conformance suite of `BlockDevice`: named checks, free of any test framework, so that vitest
 * and the command line run the same. A check throws with one line; its seed reproduces it.
 */
import { type BlockOp, flagFua, opKinds } from "../../port/block-device.ts";
import { NaiveModel, noData, writtenModel } from "./conformance-model.ts";
import {
  badSlot,
  failing,
  outOfRange,
  refusedLeaveNoTrace,
  unaligned,
  unknownKind,
  unsupported,
  zeroLength,
} from "./conformance-refusals.ts";
import {
  type Completed,
  ConformanceFailure,
  ConformanceSession,
  type ConformanceSubject,
  describeOp,
  expect,
  expectEqual,
  type OpenedDevice,
} from "./conformance-session.ts";

export type { ConformanceSubject, OpenedDevice, Recording } from "./conformance-session.ts";

export interface ConformanceCheck {
  readonly name: string;
  /** `failing` and `short`: on a device that is made to fail, see `ConformanceSubject`. */
  readonly on: "plain" | "failing" | "short";
  /** Throws what is wrong, or returns why the check does not apply; `null`: it holds. */
  run(session: ConformanceSession): Promise<string | null>;
}

export interface ConformanceResult {
  readonly check: string;
  readonly outcome: "passed" | "skipped" | "failed";
  /** Why skipped or what failed. */
  readonly reason: string;
}

async function facts({ device }: ConformanceSession): Promise<null> {
  const { sizeBytes, blockBytes, queueDepth } = device.facts;
  const { bytes, slotBytes, slotCount } = device.arena;
  expect(sizeBytes > 0 && sizeBytes % blockBytes === 0, "the size is not whole blocks");
  expect(sizeBytes >= 64 * blockBytes, "the subject is smaller than 64 blocks");
  expect(slotBytes % blockBytes === 0, "slots are not whole blocks");
  expect(slotBytes >= 4 * blockBytes && slotCount >= 4, "the subject has too small an arena");
  expect(queueDepth >= 4, "the subject's queue depth is below 4");
  expect(bytes.length >= slotBytes * slotCount, "the arena is smaller than its slots");
  return null;
}

async function dataReadBack(session: ConformanceSession): Promise<string | null> {
  if (!session.device.supports.data) {
    return noData;
  }
  const { blockBytes, device } = session;
  const lastBlock = device.facts.sizeBytes / blockBytes - 1;
  for (const [block, blocks] of [
    [0, 1],
    [1, 4],
    [lastBlock, 1],
  ] as const) {
    const sent = session.fillSlot(0, blocks * blockBytes);
    await session.succeed(session.op(opKinds.write, block, blocks, 0));
    session.slotBytes(1).fill(0xa5);
    const read = session.op(opKinds.read, block, blocks, 1);
    await session.succeed(read);
    const got = session.slotBytes(1);
    expect(
      sent.every((byte, at) => byte === got[at]),
      `what was written is not read back (${describeOp(read)})`,
    );
    const beyond = got.subarray(blocks * blockBytes).every((byte) => byte === 0xa5);
    expect(beyond, "a read wrote beyond its length in the slot");
  }
  return null;
}

async function randomBatches(session: ConformanceSession): Promise<string | null> {
  if (!session.device.supports.data) {
    return noData;
  }
  const model = new NaiveModel(session, 48);
  for (let step = 0; step < 60; step += 1) {
    await model.randomStep();
    await model.compareAll();
  }
  return null;
}

/** Writes complete, then a flush and further writes go out at once: the flush must come after the first. */
async function flushOrder(session: ConformanceSession): Promise<null> {
  for (const kind of [opKinds.flush, opKinds.dataFlush] as const) {
    const covered = [0, 1, 2].map((slot) => session.op(opKinds.write, slot, 1, slot));
    const written = await session.execute(covered);
    const flush = session.flush(kind);
    const later = session.op(opKinds.write, 8, 1, 3);
    const done = await session.execute([flush, later]);
    const flushed = done.get(flush.tag);
    expectEqual(flushed?.result, 0, "result of a flush");
    for (const write of covered) {
      const earlier = (written.get(write.tag)?.completedNs ?? 0) <= (flushed?.completedNs ?? -1);
      expect(earlier, "a flush completed before a write that it covers");
    }
  }
  if (session.below !== null) {
    flushReachesTheDevice([...session.below.events()], 3 * session.blockBytes);
  }
  return null;
}

/**
 * Below a flush MUST find every write completed that had completed above: those below `coveredBytes`. The
 * write that went out with it may come before or after.
 */
function flushReachesTheDevice(
  events: readonly {
    readonly phase: string;
    readonly kind: string | null;
    readonly tag: number;
    readonly offsetBytes: number;
  }[],
  coveredBytes: number,
): void {
  const open = new Set<number>();
  let writes = 0;
  let flushes = 0;
  for (const { phase, kind, tag, offsetBytes } of events) {
    if (phase === "complete") {
      open.delete(tag);
    } else if (kind === "flush" || kind === "dataFlush") {
      expect(open.size === 0, "a flush overtook a write that it covers");
      flushes += 1;
      open.add(tag);
    } else if (kind === "write") {
      writes += 1;
      if (offsetBytes < coveredBytes) {
        open.add(tag);
      }
    }
  }
  expectEqual(flushes, 2, "flushes that reached the device below");
  expectEqual(writes, 8, "writes that reached the device below");
}

/** Submits until the device is full: reads while there are slots, flushes beyond. */
function fill(session: ConformanceSession): Map<number, BlockOp> {
  const { facts, arena } = session.device;
  const ops = new Map<number, BlockOp>();
  for (;;) {
    const slot = ops.size;
    const op =
      slot < arena.slotCount ? session.op(opKinds.read, slot % 32, 1, slot) : session.flush();
    if (!session.device.submit(op)) {
      return ops;
    }
    ops.set(op.tag, op);
    expect(ops.size <= 2 * facts.queueDepth + 64, "the queue never becomes full");
  }
}

async function fullQueue(session: ConformanceSession): Promise<null> {
  const { device } = session;
  const depth = device.facts.queueDepth;
  for (let round = 0; round < 3; round += 1) {
    const ops = fill(session);
    const tags = new Set(ops.keys());
    expect(ops.size >= depth, `full at ${ops.size}, below the queue depth of ${depth}`);
    expectEqual(device.commit(), ops.size, "operations handed over by commit");
    const done = new Map<number, Completed>();
    await session.collect(tags, 1, done);
    const again = session.flush();
    ops.set(again.tag, again);
    tags.add(again.tag);
    expect(device.submit(again), "a device stays full after a completion was taken");
    device.commit();
    await session.collect(tags, tags.size - done.size, done);
    for (const [tag, op] of ops) {
      expectEqual(done.get(tag)?.result, op.lengthBytes, describeOp(op));
    }
  }
  await session.quiet();
  return null;
}

async function tagsOnce(session: ConformanceSession): Promise<null> {
  const { device, random } = session;
  const depth = Math.min(device.facts.queueDepth, device.arena.slotCount);
  const reused = session.op(opKinds.read, 0, 1);
  for (let round = 0; round < 20; round += 1) {
    const tags = new Set([0, 2 ** 31 - 1]);
    while (tags.size < depth) {
      tags.add(random.below(2 ** 31));
    }
    let slot = 0;
    for (const tag of tags) {
      reused.tag = tag;
      reused.slot = slot;
      reused.offsetBytes =
        slot % 32 === 31 ? -session.blockBytes : (slot % 32) * session.blockBytes;
      expect(device.submit(reused), "full below the queue depth");
      slot += 1;
    }
    device.commit();
    await session.collect(tags, tags.size, new Map(), 1 + random.below(3));
  }
  await session.quiet();
  return null;
}

async function waitsForCommit(session: ConformanceSession): Promise<null> {
  const { device } = session;
  expectEqual(device.commit(), 0, "commit of nothing");
  const read = session.op(opKinds.read, 0, 1);
  expect(device.submit(read), "an idle device is full");
  await session.quiet();
  expectEqual(device.commit(), 1, "commit of one");
  await session.collect(new Set([read.tag]), 1, new Map());
  return null;
}

async function readyOnce(session: ConformanceSession): Promise<null> {
  const { device } = session;
  const read = session.op(opKinds.read, 0, 1);
  device.submit(read);
  device.commit();
  let calls = 0;
  device.onReady(() => {
    calls += 1;
  });
  expectEqual(calls, 0, "callbacks from within onReady");
  await session.collect(new Set([read.tag]), 1, new Map());
  const next = session.op(opKinds.read, 1, 1);
  device.submit(next);
  device.commit();
  await session.ready();
  await session.collect(new Set([next.tag]), 1, new Map());
  for (let turn = 0; turn < 20; turn += 1) {
    await session.pass();
  }
  expect(calls <= 1, "one onReady called back several times");
  return null;
}

async function zeroes(session: ConformanceSession): Promise<string | null> {
  const { supports } = session.device;
  if (!supports.writeZeroes || !supports.data) {
    return "no write-zeroes, or no data to see it by";
  }
  const model = await writtenModel(session, 12);
  const zero = session.op(opKinds.writeZeroes, 3, 6);
  await session.succeed(zero);
  model.apply(zero, null);
  await model.compareAll();
  return null;
}

async function trims(session: ConformanceSession): Promise<string | null> {
  const { supports } = session.device;
  if (!supports.trim) {
    return "no trim";
  }
  const model = await writtenModel(session, 12);
  const trim = session.op(opKinds.trim, 4, 4);
  await session.succeed(trim);
  model.apply(trim, null);
  const again = session.op(opKinds.write, 5, 1);
  const data = session.fillSlot(0, session.blockBytes);
  await session.succeed(again);
  model.apply(again, data);
  if (supports.data) {
    await model.compareAll();
  }
  return null;
}

async function forceUnitAccess(session: ConformanceSession): Promise<string | null> {
  const { supports } = session.device;
  if (!supports.fua) {
    return "no FUA";
  }
  const model = new NaiveModel(session, 4);
  const data = session.fillSlot(0, 2 * session.blockBytes);
  const write = session.op(opKinds.write, 1, 2);
  write.flags = flagFua;
  await session.succeed(write);
  model.apply(write, data);
  if (supports.data) {
    await model.compareAll();
  }
  return null;
}

async function closes(session: ConformanceSession): Promise<null> {
  const { device } = session;
  await session.succeed(session.op(opKinds.read, 0, 1));
  let calls = 0;
  device.onReady(() => {
    calls += 1;
  });
  device.close();
  device.close();
  for (let turn = 0; turn < 20; turn += 1) {
    await session.pass();
  }
  expectEqual(calls, 0, "callbacks after close");
  expect(!device.submit(session.op(opKinds.read, 0, 1)), "a closed device takes operations");
  expectEqual(device.commit(), 0, "commit of a closed device");
  expectEqual(device.poll(8), 0, "completions of a closed device");
  return null;
}

async function short(session: ConformanceSession): Promise<null> {
  for (const kind of [opKinds.write, opKinds.read] as const) {
    const op = session.op(kind, 0, 2);
    expectEqual(await session.result(op), session.blockBytes, `short ${describeOp(op)}`);
    await session.succeed(session.op(kind, 4, 2));
  }
  return null;
}

function check(
  name: string,
  run: (session: ConformanceSession) => Promise<string | null>,
  on: ConformanceCheck["on"] = "plain",
): ConformanceCheck {
  return { name, on, run };
}

export const conformanceChecks: readonly ConformanceCheck[] = Object.freeze([
  check("facts, arena and queue fit together", facts),
  check("reads return what was written", dataReadBack),
  check("random batches agree with a naive model", randomBatches),
  check("a flush covers the writes that completed before it", flushOrder),
  check("out of range completes with EINVAL", outOfRange),
  check("unaligned completes with EINVAL", unaligned),
  check("zero length completes with EINVAL", zeroLength),
  check("a wrong slot completes with EINVAL", badSlot),
  check("an unknown kind completes with EINVAL", unknownKind),
  check("a refused operation changes nothing", refusedLeaveNoTrace),
  check("unsupported operations complete with ENOTSUP", unsupported),
  check("a full queue says so and recovers", fullQueue),
  check("every tag comes back exactly once", tagsOnce),
  check("nothing starts before commit", waitsForCommit),
  check("onReady calls back once, on a later turn", readyOnce),
  check("write-zeroes reads as zeroes", zeroes),
  check("trim leaves its neighbours alone", trims),
  check("a write with FUA is a write", forceUnitAccess),
  check("close ends everything", closes),
  check("EIO surfaces", failing, "failing"),
  check("short transfers surface", short, "short"),
]);

function openFor(subject: ConformanceSubject, on: ConformanceCheck["on"]) {
  if (on === "plain") {
    return () => subject.open();
  }
  return on === "failing" ? subject.openFailing : subject.openShort;
}

/** Runs one check on a device of its own; never throws for what the device does wrong. */
export async function runCheck(
  subject: ConformanceSubject,
  known: ConformanceCheck,
  seed: number,
): Promise<ConformanceResult> {
  const open = openFor(subject, known.on);
  if (open === null) {
    return { check: known.name, outcome: "skipped", reason: `no ${known.on} device can be made` };
  }
  const opened: OpenedDevice = await open();
  try {
    const reason = await known.run(new ConformanceSession(opened, seed));
    return {
      check: known.name,
      outcome: reason === null ? "passed" : "skipped",
      reason: reason ?? "",
    };
  } catch (error) {
    if (!(error instanceof ConformanceFailure)) {
      throw error;
    }
    return { check: known.name, outcome: "failed", reason: `${error.message} (seed ${seed})` };
  } finally {
    opened.device.close();
  }
}

/** Runs every check. */
export async function runConformance(
  subject: ConformanceSubject,
  seed: number,
): Promise<ConformanceResult[]> {
  const results: ConformanceResult[] = [];
  for (const known of conformanceChecks) {
    results.push(await runCheck(subject, known, seed));
  }
  return results;
}
