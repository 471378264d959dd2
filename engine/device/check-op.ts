import {
  type Arena,
  type BlockOp,
  type DeviceFacts,
  type DeviceSupports,
  errnos,
  flagFua,
  opKinds,
} from "../port/block-device.ts";

/** An arena on the heap, for devices without native memory behind them. */
export function heapArena(slotBytes: number, slotCount: number): Arena {
  return { bytes: new Uint8Array(slotBytes * slotCount), slotBytes, slotCount };
}

/**
 * 0, or the negative errno of an operation that the device cannot do: EINVAL out of range, unaligned,
 * empty, or without a proper slot; ENOTSUP by `supports`.
 */
export function checkOp(
  op: BlockOp,
  facts: DeviceFacts,
  supports: DeviceSupports,
  arena: Arena,
): number {
  const { kind, offsetBytes, lengthBytes, slot } = op;
  if (kind === opKinds.flush || kind === opKinds.dataFlush) {
    return 0;
  }
  const aligned = offsetBytes % facts.blockBytes === 0 && lengthBytes % facts.blockBytes === 0;
  // A completion tells the bytes in 31 bits.
  const inside =
    offsetBytes >= 0 &&
    lengthBytes > 0 &&
    lengthBytes < 2 ** 31 &&
    offsetBytes + lengthBytes <= facts.sizeBytes;
  if (!aligned || !inside) {
    return -errnos.EINVAL;
  }
  if (kind === opKinds.read || kind === opKinds.write) {
    const lent = Number.isInteger(slot) && slot >= 0 && slot < arena.slotCount;
    if (!lent || lengthBytes > arena.slotBytes) {
      return -errnos.EINVAL;
    }
    const durable = kind === opKinds.write && (op.flags & flagFua) !== 0;
    return durable && !supports.fua ? -errnos.ENOTSUP : 0;
  }
  if (kind === opKinds.trim) {
    return supports.trim ? 0 : -errnos.ENOTSUP;
  }
  if (kind === opKinds.writeZeroes) {
    return supports.writeZeroes ? 0 : -errnos.ENOTSUP;
  }
  return -errnos.EINVAL;
}
