/** Uses a store as scenarios do: random transactions, several at once, each marked. */
import { assert } from "../base/assert.ts";
import type { SeededRandom } from "../base/random.ts";
import type { Clock } from "../port/clock.ts";
import type { BlueStore } from "./bluestore/store.ts";
import type { RandomStoreRun } from "./conformance-random.ts";
import { storeErrnos } from "./object-store.ts";
import { firstTransaction, leaveNumber, type Mark, toldOps } from "./scenario-marks.ts";
import type { Transaction } from "./transaction.ts";

/** Of so many transactions one splits or merges collections. */
const divisionEvery = 9;

/** Counters of the store whose growth is worth telling in the coverage. */
const told: Readonly<Record<string, string>> = {
  write_small_deferred: "a deferred small write",
  write_big_deferred: "a deferred big write",
  write_small_unused: "a write to unused space",
  compress_success_count: "a compressed blob",
  gc_merged: "garbage collected",
  kv_premised: "commits that stand on data that is not flushed",
};

/** The same of its key-value store. */
const toldOfKv: Readonly<Record<string, string>> = {
  checkpoints: "a checkpoint",
  log_grown: "a log that grew",
  rocksdb_memtable_flushes: "a memtable written as a table",
  rocksdb_compactions: "a compaction",
  bluefs_wal_recycled_bytes: "a log file used again",
  bluefs_log_compactions: "BlueFS's log written anew",
  bluefs_spilled_bytes: "files that spilled over",
};

export interface DriverPorts {
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly mark: (mark: Mark) => void;
  /** The disks fail: a transaction may give EIO. */
  readonly failing: boolean;
  /** Space that the first transaction fills. */
  readonly filledBytes: number;
}

export class Driver {
  readonly #ports: DriverPorts;
  readonly #seen = new Set<string>();

  constructor(ports: DriverPorts) {
    this.#ports = ports;
  }

  /** Submits random transactions with pauses; ends when all are answered. */
  async drive(
    store: BlueStore,
    run: RandomStoreRun,
    { firstId, count, seed }: { firstId: number; count: number; seed: string },
  ): Promise<void> {
    const { clock, mark } = this.#ports;
    const random = this.#ports.random.fork(seed);
    let ended = 0;
    await new Promise<void>((resolve, reject) => {
      const ask = (id: number) => {
        const transaction = this.#transaction(run, id);
        mark({ kind: "asked", id, transaction });
        store.submit(transaction, (result) => {
          try {
            this.#answered(store, run, { id, transaction, result });
          } catch (error) {
            reject(error);
          }
          ended += 1;
          if (ended === count) {
            resolve();
          }
        });
        if (id + 1 < firstId + count) {
          const pauseNs = random.below(2) === 0 ? random.below(600_000) : 0;
          clock.at(clock.nowNs() + pauseNs, () => ask(id + 1));
        }
      };
      ask(firstId);
    });
  }

  #transaction(run: RandomStoreRun, id: number): Transaction {
    const drawn = id % divisionEvery === 0 ? run.drawDivision() : run.draw();
    return leaveNumber(id === 1 ? firstTransaction(this.#ports.filledBytes) : drawn, id);
  }

  #answered(
    store: BlueStore,
    run: RandomStoreRun,
    { id, transaction, result }: { id: number; transaction: Transaction; result: number },
  ): void {
    // A full device refuses what the model would do, and so does one that fails; on everything else
    // they agree.
    const failed = result === -storeErrnos.EIO && this.#ports.failing;
    if (result !== -storeErrnos.ENOSPC && !failed) {
      assert(run.model(transaction) === result, `transaction ${id} gave ${result}`);
    }
    this.#tell(store, transaction, result);
    this.#ports.mark({ kind: "acked", id, result });
  }

  #tell(store: BlueStore, transaction: Transaction, result: number): void {
    const { counters, kv } = store.state;
    this.#tellAll(told, counters);
    this.#tellAll(toldOfKv, kv.counters());
    for (let at = 0; result === 0 && at < transaction.count; at += 1) {
      const what = toldOps[transaction.op(at).code];
      if (what !== undefined) {
        this.#did(what);
      }
    }
  }

  #tellAll(names: Readonly<Record<string, string>>, counters: Readonly<Record<string, number>>) {
    for (const [name, what] of Object.entries(names)) {
      if ((counters[name] ?? 0) > 0) {
        this.#did(what);
      }
    }
  }

  #did(what: string): void {
    if (!this.#seen.has(what)) {
      this.#seen.add(what);
      this.#ports.mark({ kind: "did", what });
    }
  }
}
