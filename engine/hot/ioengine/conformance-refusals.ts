/** Checks of the conformance suite about what a device MUST refuse, and what then stays as it was. */
import { errnos, flagFua, type OpKind, opKinds } from "../../port/block-device.ts";
import { noData, writtenModel } from "./conformance-model.ts";
import type { ConformanceSession } from "./conformance-session.ts";

function transferKinds(session: ConformanceSession): OpKind[] {
  const { trim, writeZeroes } = session.device.supports;
  const kinds: OpKind[] = [opKinds.read, opKinds.write];
  return [...kinds, ...(trim ? [opKinds.trim] : []), ...(writeZeroes ? [opKinds.writeZeroes] : [])];
}

export async function outOfRange(session: ConformanceSession): Promise<null> {
  const blocks = session.device.facts.sizeBytes / session.blockBytes;
  const far = Math.floor(Number.MAX_SAFE_INTEGER / session.blockBytes) - 1;
  for (const kind of transferKinds(session)) {
    for (const [block, count] of [
      [blocks, 1],
      [blocks - 1, 2],
      [-1, 1],
      [far, 1],
    ] as const) {
      await session.refused(session.op(kind, block, count), errnos.EINVAL, "out of range");
    }
  }
  return null;
}

export async function unaligned(session: ConformanceSession): Promise<string | null> {
  if (session.blockBytes === 1) {
    return "every offset is aligned";
  }
  for (const kind of transferKinds(session)) {
    const offset = session.op(kind, 1, 1);
    offset.offsetBytes += 1;
    await session.refused(offset, errnos.EINVAL, "unaligned offset");
    const length = session.op(kind, 1, 1);
    length.lengthBytes -= 1;
    await session.refused(length, errnos.EINVAL, "unaligned length");
  }
  return null;
}

export async function zeroLength(session: ConformanceSession): Promise<null> {
  for (const kind of transferKinds(session)) {
    await session.refused(session.op(kind, 1, 0), errnos.EINVAL, "zero length");
  }
  return null;
}

export async function badSlot(session: ConformanceSession): Promise<null> {
  const { slotCount, slotBytes } = session.device.arena;
  const tooLong = slotBytes / session.blockBytes + 1;
  for (const kind of [opKinds.read, opKinds.write] as const) {
    for (const slot of [slotCount, -1, 2 ** 31 - 1]) {
      await session.refused(session.op(kind, 0, 1, slot), errnos.EINVAL, "no such slot");
    }
    await session.refused(session.op(kind, 0, tooLong), errnos.EINVAL, "longer than a slot");
  }
  return null;
}

export async function refusedLeaveNoTrace(session: ConformanceSession): Promise<string | null> {
  if (!session.device.supports.data) {
    return noData;
  }
  const model = await writtenModel(session, 8);
  session.fillSlot(0, session.blockBytes);
  await session.refused(session.op(opKinds.write, -1, 2), errnos.EINVAL, "out of range");
  const { slotCount } = session.device.arena;
  await session.refused(session.op(opKinds.write, 2, 1, slotCount), errnos.EINVAL, "no such slot");
  await model.compareAll();
  return null;
}

export async function unsupported(session: ConformanceSession): Promise<string | null> {
  const { trim, writeZeroes, fua } = session.device.supports;
  if (trim && writeZeroes && fua) {
    return "the device supports everything";
  }
  if (!trim) {
    await session.refused(session.op(opKinds.trim, 0, 1), errnos.ENOTSUP, "unsupported");
  }
  if (!writeZeroes) {
    await session.refused(session.op(opKinds.writeZeroes, 0, 1), errnos.ENOTSUP, "unsupported");
  }
  if (!fua) {
    const write = session.op(opKinds.write, 0, 1);
    write.flags = flagFua;
    await session.refused(write, errnos.ENOTSUP, "unsupported");
  }
  return null;
}

export async function unknownKind(session: ConformanceSession): Promise<null> {
  const op = session.op(opKinds.read, 0, 1);
  (op as { kind: number }).kind = 17;
  await session.refused(op, errnos.EINVAL, "no such kind");
  return null;
}

export async function failing(session: ConformanceSession): Promise<null> {
  for (const kind of transferKinds(session)) {
    await session.refused(session.op(kind, 1, 1), errnos.EIO, "failing device");
  }
  await session.refused(session.flush(), errnos.EIO, "failing device");
  await session.refused(session.op(opKinds.read, -1, 1), errnos.EINVAL, "out of range");
  return null;
}
