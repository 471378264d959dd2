/**
 * The seeded generator of everything in TypeScript that draws: xoshiro128** (D. Blackman, S. Vigna,
 * "Scrambled linear pseudorandom number generators", 2021), 32-bit so that it stays in small integers.
 * Has the shape of the `Random` port.
 */

/** One step of splitmix32 as a hash: mixes the bits of a 32-bit word. */
function mix32(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

export class SeededRandom {
  readonly #state = new Uint32Array(4);
  readonly #seed: number;

  /** `seed` is a safe integer, not negative. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new Error(`internal error: seed ${seed} is not a safe integer from 0`);
    }
    this.#seed = seed;
    let word = mix32((seed >>> 0) ^ mix32(Math.floor(seed / 2 ** 32) + 0x9e3779b9));
    for (let index = 0; index < 4; index += 1) {
      word = (word + 0x9e3779b9) >>> 0;
      this.#state[index] = mix32(word);
    }
  }

  /** A generator that starts from these four words, not all zero: for tests against other programs. */
  static fromState(words: readonly [number, number, number, number]): SeededRandom {
    const made = new SeededRandom(0);
    made.#state.set(words);
    return made;
  }

  /** An independent generator for one use; the same name gives the same one, whatever was drawn here. */
  fork(name: string): SeededRandom {
    let high = 0x811c9dc5;
    let low = (this.#seed >>> 0) ^ 0x5bd1e995;
    for (let index = 0; index < name.length; index += 1) {
      const code = name.charCodeAt(index);
      high = Math.imul(high ^ code, 0x01000193);
      low = mix32(low ^ code ^ high);
    }
    const upper = mix32(high ^ Math.floor(this.#seed / 2 ** 32)) & 0x1fffff;
    return new SeededRandom(upper * 2 ** 32 + (mix32(low) >>> 0));
  }

  /** 32 uniform bits as a non-negative integer. */
  bits32(): number {
    const state = this.#state;
    const [a, b, c, d] = state as unknown as [number, number, number, number];
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const third = c ^ a;
    const fourth = d ^ b;
    state[1] = b ^ third;
    state[0] = a ^ fourth;
    state[2] = third ^ (b << 9);
    state[3] = rotateLeft(fourth, 11);
    return result;
  }

  /** Uniform in [0, 1), 53 bits. */
  unit(): number {
    const high = this.bits32() >>> 5;
    return (high * 2 ** 26 + (this.bits32() >>> 6)) / 2 ** 53;
  }

  /** Uniform integer in [0, limit); exact (draws again rather than favour some values). */
  below(limit: number): number {
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new Error(`internal error: ${limit} is no limit for a random integer`);
    }
    const wide = limit > 2 ** 32;
    const range = wide ? 2 ** 53 : 2 ** 32;
    const even = range - (range % limit);
    for (;;) {
      const drawn = wide ? (this.bits32() >>> 11) * 2 ** 32 + this.bits32() : this.bits32();
      if (drawn < even) {
        return drawn % limit;
      }
    }
  }
}
