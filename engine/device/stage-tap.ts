import type { BlockDevice, BlockOp } from "../port/block-device.ts";
import type { Clock } from "../port/clock.ts";
import type { StageClock, StageKind } from "./stages.ts";

/**
 * Stands before a device that knows nothing of stages and says when it was handed what is traced: the
 * time from there on is the device's, until the operation completes or a layer above goes on with it.
 */
export function tapStages(
  device: BlockDevice,
  clock: Clock,
  stages: StageClock,
  [layer, name, kind]: readonly [layer: string, stage: string, kind: StageKind],
): BlockDevice {
  const stage = stages.stage(layer, name, kind);
  const traces: number[] = [];
  const { facts, supports, arena, completions } = device;
  return {
    facts,
    supports,
    arena,
    completions,
    // Of native devices, for notes of the run.
    ...("notes" in device ? { notes: device.notes } : {}),
    submit(op: BlockOp): boolean {
      const taken = device.submit(op);
      if (taken && op.trace !== undefined && op.trace !== 0) {
        traces.push(op.trace);
      }
      return taken;
    },
    commit(): number {
      if (traces.length > 0) {
        // Before the hand-over: some devices have done it all when that returns.
        const nowNs = clock.nowNs();
        for (const trace of traces) {
          stages.enter(trace, stage, nowNs);
        }
        traces.length = 0;
      }
      return device.commit();
    },
    poll: (max) => device.poll(max),
    onReady: (callback) => device.onReady(callback),
    close: () => device.close(),
  };
}
