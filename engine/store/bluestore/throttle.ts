/** Holds transactions back while those under way cost too much. */
import { opCodes, type Transaction, type TransactionOp } from "../transaction.ts";

/** Bytes, and a price for each operation on the device. */
export function costOf(transaction: Transaction, perIoBytes: number): number {
  let cost = perIoBytes;
  for (let at = 0; at < transaction.count; at += 1) {
    const op: TransactionOp = transaction.op(at);
    if (op.code === opCodes.write) {
      cost += op.lengthBytes + perIoBytes;
    }
  }
  return cost;
}

export class CostThrottle {
  readonly mostBytes: number;
  heldBytes = 0;
  /** What was let in since the mount. */
  entered = 0;
  enteredBytes = 0;

  constructor(mostBytes: number) {
    this.mostBytes = mostBytes;
  }

  /** It would be too much; a transaction alone never is. */
  over(costBytes: number): boolean {
    return this.heldBytes + costBytes > this.mostBytes && this.heldBytes > 0;
  }

  enter(costBytes: number): void {
    this.heldBytes += costBytes;
    this.enteredBytes += costBytes;
    this.entered += 1;
  }

  leave(costBytes: number): void {
    this.heldBytes -= costBytes;
  }
}
