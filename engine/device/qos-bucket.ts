/**
 * A token bucket that is filled in ticks, as those of RBD's QoS. It saves up `burst` (else `limit`) tokens
 * for each of `burstSeconds`; what may be taken at once grows at the speed of the burst, never beyond what
 * is saved and never beyond one second of it. Source: Ceph's documentation of `rbd_qos_*`.
 */
export interface QosLimit {
  /** Tokens a second; above 0. */
  readonly limit: number;
  /** Tokens a second for as long as what was saved lasts; 0: no more than the limit. */
  readonly burst: number;
  readonly burstSeconds: number;
}

export class QosBucket {
  readonly #limit: number;
  readonly #most: number;
  readonly #capacity: number;
  readonly #ratio: number;
  readonly #tickNs: number;
  #remain: number;
  #available = 0;
  #startNs: number;
  #ticks = 0;
  #given = 0;

  /** Saved up is all that can be, at once to be had nothing. */
  constructor({ limit, burst, burstSeconds }: QosLimit, tickMinMs: number, nowNs: number) {
    this.#limit = limit;
    this.#most = burst === 0 ? limit : burst;
    this.#capacity = this.#most * burstSeconds;
    this.#ratio = this.#most / limit;
    // A tick brings one token at least.
    this.#tickNs = Math.max(1e9 / limit, tickMinMs * 1e6);
    this.#remain = this.#capacity;
    this.#startNs = nowNs;
  }

  /** When the next tokens come. */
  get nextNs(): number {
    return this.#startNs + (this.#ticks + 1) * this.#tickNs;
  }

  /** Fills in what the ticks until `nowNs` bring; their sum is exact, whatever the fractions. */
  fill(nowNs: number): void {
    const ticks = Math.floor((nowNs - this.#startNs) / this.#tickNs);
    if (ticks <= this.#ticks) {
      return;
    }
    const due = Math.floor((this.#limit * ticks * this.#tickNs) / 1e9 + 1e-9);
    const tokens = due - this.#given;
    this.#ticks = ticks;
    this.#given = due;
    this.#remain = Math.min(this.#capacity, this.#remain + tokens);
    const grown = this.#available + Math.floor(tokens * Math.max(1, this.#ratio));
    this.#available = Math.min(grown, this.#remain, this.#most);
  }

  /** Takes at most `wanted` tokens and returns how many. */
  take(wanted: number): number {
    const taken = Math.min(wanted, this.#available);
    this.#available -= taken;
    this.#remain -= taken;
    return taken;
  }
}
