import type { Arena, BlockOp, DeviceFacts, DeviceSupports } from "./block-device.ts";

/** Told of each completion of one lane: `result` is bytes or a negative errno. */
export type LaneCompletion = (
  tag: number,
  result: number,
  submittedNs: number,
  completedNs: number,
) => void;

/**
 * One user's share of a block device that several use. Its operations, tags and slots are its own;
 * somebody else polls the device and hands each completion to the lane it belongs to.
 */
export interface DeviceLane {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  /** Operations that this lane may have under way at once. */
  readonly depth: number;
  /** Operations submitted and not yet completed. */
  readonly pending: number;
  /** Who is told of completions; MUST be set before the first `submit`. */
  onCompletion(callback: LaneCompletion): void;
  /** A slot of the arena for this lane alone; -1: none is left at present. */
  takeSlot(): number;
  /** Gives a slot back; MUST NOT be called while an operation uses it. */
  giveSlot(slot: number): void;
  /** Queues an operation; `false`: `depth` of them are under way. The object may be reused at once. */
  submit(op: BlockOp): boolean;
  /** Hands over what was queued. Completions come later, never from within this call. */
  commit(): void;
}
