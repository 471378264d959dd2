/**
 * The client side of dmClock: how much of a client's work the other servers did since its last request to
 * one of them (delta), and how much of that by reservation (rho). Sources as in `dmclock-queue.ts`.
 */

/** What a request to a server carries; the object is used again by the next one. */
export interface RequestShares {
  delta: number;
  rho: number;
}

/**
 * `orig`: what others served, which may be nothing (a single server: always 0). `borrowing`: what all
 * served, and never 0: what was lent is taken back from later requests.
 */
export type TrackerKind = "orig" | "borrowing";

interface Server {
  delta: number;
  rho: number;
  /** `orig`: served here since the last request. `borrowing`: what was lent. */
  ownDelta: number;
  ownRho: number;
  usedNs: number;
}

/** Ceph's: servers that were not used for ten minutes are forgotten. */
const forgetAfterNs = 600e9;
const checkPeriodNs = 300e9;

export class ServiceTracker {
  readonly #kind: TrackerKind;
  readonly #servers = new Map<number, Server>();
  readonly #shares: RequestShares = { delta: 0, rho: 0 };
  #delta = 0;
  #rho = 0;
  #checkNs = Number.NEGATIVE_INFINITY;

  constructor(kind: TrackerKind = "orig") {
    this.#kind = kind;
  }

  /** Servers that are known. */
  get size(): number {
    return this.#servers.size;
  }

  /** For a request that is about to be sent to `server`. A first one says 1 and 1 when borrowing, else 0. */
  request(server: number, nowNs: number): RequestShares {
    const shares = this.#shares;
    this.#forget(nowNs);
    const known = this.#servers.get(server);
    if (known === undefined) {
      this.#add(server, nowNs);
      shares.delta = this.#kind === "orig" ? 0 : 1;
      shares.rho = shares.delta;
      return shares;
    }
    known.usedNs = nowNs;
    const delta = this.#delta - known.delta;
    const rho = this.#rho - known.rho;
    if (this.#kind === "orig") {
      shares.delta = delta - known.ownDelta;
      shares.rho = rho - known.ownRho;
      known.ownDelta = 0;
      known.ownRho = 0;
    } else {
      shares.delta = Math.max(1, delta - known.ownDelta);
      shares.rho = Math.max(1, rho - known.ownRho);
      known.ownDelta = Math.max(0, known.ownDelta - delta + shares.delta);
      known.ownRho = Math.max(0, known.ownRho - rho + shares.rho);
    }
    known.delta = this.#delta;
    known.rho = this.#rho;
    return shares;
  }

  /** A request of that cost was served there, in dmClock's reservation phase or not. */
  completed(server: number, byReservation: boolean, cost: number, nowNs: number): void {
    const record = this.#servers.get(server) ?? this.#add(server, nowNs);
    this.#delta += cost;
    this.#rho += byReservation ? cost : 0;
    if (this.#kind === "orig") {
      record.ownDelta += cost;
      record.ownRho += byReservation ? cost : 0;
    }
  }

  #add(server: number, nowNs: number): Server {
    const made = { delta: this.#delta, rho: this.#rho, ownDelta: 0, ownRho: 0, usedNs: nowNs };
    this.#servers.set(server, made);
    return made;
  }

  #forget(nowNs: number): void {
    if (nowNs < this.#checkNs) {
      return;
    }
    this.#checkNs = nowNs + checkPeriodNs;
    for (const [server, { usedNs }] of this.#servers) {
      if (nowNs - usedNs >= forgetAfterNs) {
        this.#servers.delete(server);
      }
    }
  }
}
