/**
 * Reservation, weight and limit of each class of operations: mClock's profiles over the capacity of a
 * device, and what an operation costs. Source: Ceph's mClock configuration reference (values of
 * Quincy 17.2.7, Reef and later).
 */

/** Of one client: cost units a second, and a share. 0: none, respectively no limit. */
export interface ClientQos {
  readonly reservation: number;
  readonly weight: number;
  readonly limit: number;
}

/** The classes that dmClock serves. */
export type QosClass = "client" | "recovery" | "bestEffort";

/** What one queue (one shard) goes by. */
export interface QosPlan {
  /** Least cost of an operation: that of one small random one, in the same units as bytes. */
  readonly costPerIo: number;
  readonly client: ClientQos;
  readonly recovery: ClientQos;
  readonly bestEffort: ClientQos;
  /** Clients that differ from the rest of their class, by id; for static configurations. */
  readonly clientOverrides?: ReadonlyMap<number, ClientQos>;
}

/** Shares of the capacity; reservation 0 is the least there is, limit 0 is none. */
export type QosShares = Readonly<Record<QosClass, ClientQos>>;

export const mclockProfiles = Object.freeze({
  high_client_ops: {
    client: { reservation: 0.6, weight: 2, limit: 0 },
    recovery: { reservation: 0.4, weight: 1, limit: 0 },
    bestEffort: { reservation: 0, weight: 1, limit: 0.7 },
  },
  balanced: {
    client: { reservation: 0.5, weight: 1, limit: 0 },
    recovery: { reservation: 0.5, weight: 1, limit: 0 },
    bestEffort: { reservation: 0, weight: 1, limit: 0.9 },
  },
  high_recovery_ops: {
    client: { reservation: 0.3, weight: 1, limit: 0 },
    recovery: { reservation: 0.7, weight: 2, limit: 0 },
    bestEffort: { reservation: 0, weight: 1, limit: 0 },
  },
} as const satisfies Readonly<Record<string, QosShares>>);
export type MclockProfile = keyof typeof mclockProfiles;

export interface Capacity {
  /** Small (4 KiB) random writes a second. */
  readonly iops: number;
  /** Bytes a second in sequence. */
  readonly bandwidth: number;
  /** Queues that share the device evenly. */
  readonly shards: number;
}

/**
 * The plan of one shard. Its capacity is the bandwidth, in bytes a second; each operation costs its bytes,
 * and at least as many as the device could write in the time of one random write. A class whose
 * reservation is 0 gets the least there is, one such operation a second, so that none starves when the
 * reservations of the others are all the device can do.
 */
export function qosPlanOf(shares: QosShares, { iops, bandwidth, shards }: Capacity): QosPlan {
  const costPerIo = bandwidth / iops;
  const perShard = bandwidth / shards;
  const of = ({ reservation, weight, limit }: ClientQos): ClientQos => ({
    reservation: reservation === 0 ? Math.min(costPerIo, perShard) : reservation * perShard,
    weight,
    limit: limit * perShard,
  });
  return {
    costPerIo,
    client: of(shares.client),
    recovery: of(shares.recovery),
    bestEffort: of(shares.bestEffort),
  };
}
