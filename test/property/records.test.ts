import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { completionViews, SubmissionRecords } from "../../engine/hot/ioengine/records.ts";
import type { BlockOp, OpKind } from "../../engine/port/block-device.ts";

const anyOp: fc.Arbitrary<BlockOp> = fc.record({
  kind: fc.nat(5).map((kind) => kind as OpKind),
  flags: fc.nat(1),
  offsetBytes: fc.nat(Number.MAX_SAFE_INTEGER),
  lengthBytes: fc.nat(2 ** 31 - 1),
  slot: fc.nat(2 ** 31 - 1),
  tag: fc.nat(2 ** 31 - 1),
});

describe("submission records", () => {
  it("hold every operation apart from its neighbours", () => {
    fc.assert(
      fc.property(fc.array(anyOp, { minLength: 1, maxLength: 40 }), (ops) => {
        const records = new SubmissionRecords(new ArrayBuffer(ops.length * 24));
        expect(records.capacity).toBe(ops.length);
        for (const [index, op] of ops.entries()) {
          records.write(index, op);
        }
        const found: BlockOp = {
          kind: 0,
          flags: 0,
          offsetBytes: 0,
          lengthBytes: 0,
          slot: 0,
          tag: 0,
        };
        for (const [index, op] of ops.entries()) {
          expect(records.read(index, found)).toBe(0);
          expect(found).toEqual(op);
        }
      }),
    );
  });
});

describe("completion records", () => {
  it("are parallel arrays that do not overlap, of as many entries as the memory holds", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), (capacity) => {
        const views = completionViews(new ArrayBuffer(capacity * 24));
        const all = [views.tag, views.result, views.submittedNs, views.completedNs];
        for (const [index, view] of all.entries()) {
          expect(view.length).toBe(capacity);
          view.fill(index + 1);
        }
        for (const [index, view] of all.entries()) {
          expect(view.every((value) => value === index + 1)).toBe(true);
        }
      }),
    );
  });
});
