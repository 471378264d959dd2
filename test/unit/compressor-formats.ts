/** Snappy and LZ4 decoded the plain way, by their format descriptions: what others read is what we write. */

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.at >= this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.at];
    if (byte === undefined) {
      throw new Error("the input ends early");
    }
    this.at += 1;
    return byte;
  }

  little(count: number): number {
    let value = 0;
    for (let index = 0; index < count; index += 1) {
      value += this.byte() * 2 ** (8 * index);
    }
    return value;
  }
}

function copyBack(out: number[], distance: number, length: number): void {
  for (let index = 0; index < length; index += 1) {
    out.push(out[out.length - distance] as number);
  }
}

/** Source: "Snappy compressed format description", last revised 2011-10-05. */
export function decodeSnappy(bytes: Uint8Array): number[] {
  const input = new Reader(bytes);
  const out: number[] = [];
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = input.byte();
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) {
      break;
    }
  }
  while (!input.done) {
    const tag = input.byte();
    const upper = tag >>> 2;
    if ((tag & 3) === 0) {
      const count = 1 + (upper < 60 ? upper : input.little(upper - 59));
      for (let index = 0; index < count; index += 1) {
        out.push(input.byte());
      }
    } else if ((tag & 3) === 1) {
      copyBack(out, (tag >>> 5) * 256 + input.byte(), 4 + (upper & 7));
    } else {
      copyBack(out, input.little((tag & 3) === 2 ? 2 : 4), 1 + upper);
    }
  }
  if (out.length !== length) {
    throw new Error(`${out.length} bytes, not ${length}`);
  }
  return out;
}

/** Source: "LZ4 Block Format Description", last revised 2022-07-31. */
export function decodeLz4(bytes: Uint8Array): number[] {
  const input = new Reader(bytes);
  const out: number[] = [];
  const extended = (nibble: number) => {
    let length = nibble;
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; ) {
      byte = input.byte();
      length += byte;
    }
    return length;
  };
  for (;;) {
    const token = input.byte();
    for (let left = extended(token >>> 4); left > 0; left -= 1) {
      out.push(input.byte());
    }
    if (input.done) {
      return out;
    }
    const distance = input.little(2);
    copyBack(out, distance, 4 + extended(token & 15));
  }
}
