/**
 * The counts in the compressed V2 form of an HdrHistogram, one by one: merging many intervals must not
 * build a full histogram for each. Source of the layout: the HdrHistogram log format, version 1.3.
 */
import { inflateSync } from "node:zlib";
import { OsdynoError } from "../engine/base/error.ts";

const compressedCookie = 0x1c849314;
const payloadCookie = 0x1c849313;
/** Cookie, length, normalising offset, digits, lowest, highest, ratio. */
const payloadHeadBytes = 40;

/** What a payload was recorded with. */
export interface PayloadGeometry {
  readonly digits: number;
  readonly lowest: number;
  readonly highest: number;
}

function damaged(what: string): OsdynoError {
  return new OsdynoError("io", `a histogram is damaged: ${what}`);
}

function inflated(base64: string): Buffer {
  const outer = Buffer.from(base64, "base64");
  if (outer.length < 8 || outer.readInt32BE(0) !== compressedCookie) {
    throw damaged("it is not in the compressed V2 form");
  }
  let payload: Buffer;
  try {
    payload = inflateSync(outer.subarray(8, 8 + outer.readInt32BE(4)));
  } catch (error) {
    throw damaged((error as Error).message);
  }
  if (payload.length < payloadHeadBytes || payload.readInt32BE(0) !== payloadCookie) {
    throw damaged("its payload is not V2");
  }
  return payload;
}

/** Calls back for every bucket that holds counts, ascending; answers the geometry. Throws `io` when damaged. */
export function eachCount(
  base64: string,
  callback: (index: number, count: number) => void,
): PayloadGeometry {
  const payload = inflated(base64);
  const end = payloadHeadBytes + payload.readInt32BE(4);
  if (end > payload.length) {
    throw damaged("it is cut off");
  }
  let index = 0;
  for (let at = payloadHeadBytes; at < end; ) {
    // ZigZag LEB128: seven bits a byte, the ninth byte carries eight. Counts stay below 2^53.
    let raw = 0;
    let weight = 1;
    for (let byteNumber = 1; ; byteNumber += 1) {
      const byte = payload[at] ?? 0;
      at += 1;
      raw += (byteNumber === 9 ? byte : byte & 0x7f) * weight;
      weight *= 128;
      if (byte < 0x80 || byteNumber === 9 || at >= end) {
        break;
      }
    }
    if (raw % 2 === 1) {
      index += (raw + 1) / 2;
    } else {
      if (raw > 0) {
        callback(index, raw / 2);
      }
      index += 1;
    }
  }
  return {
    digits: payload.readInt32BE(12),
    lowest: Number(payload.readBigInt64BE(16)),
    highest: Number(payload.readBigInt64BE(24)),
  };
}
