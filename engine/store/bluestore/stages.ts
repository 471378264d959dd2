/** The stages that a traced operation passes in a store; those of transactions are BlueStore's states. */
import { noStages, type StageClock } from "../../device/stages.ts";

export class StoreStages {
  clock: StageClock = noStages;
  /** Behind others of its collection, for the throttle or for space. */
  waiting = 0;
  prepare = 0;
  /** Of what a write changes only in part. */
  preread = 0;
  write = 0;
  /** Until the transactions before it in its collection are as far. */
  ioDone = 0;
  kvQueued = 0;
  flush = 0;
  kvCommit = 0;
  /** Until its turn among its group. */
  kvDone = 0;
  finishing = 0;
  lookUp = 0;
  read = 0;
  verify = 0;

  attach(clock: StageClock): void {
    this.clock = clock;
    this.waiting = clock.stage("store", "waiting", "queued");
    this.lookUp = clock.stage("store", "look-up", "worked");
    this.prepare = clock.stage("store", "prepare", "worked");
    this.preread = clock.stage("device", "pre-read", "worked");
    this.write = clock.stage("device", "write", "worked");
    this.read = clock.stage("device", "read", "worked");
    this.ioDone = clock.stage("store", "io_done", "queued");
    this.kvQueued = clock.stage("store", "kv_queued", "queued");
    this.flush = clock.stage("device", "flush", "worked");
    this.kvCommit = clock.stage("store", "kv_commit", "worked");
    this.kvDone = clock.stage("store", "kv_done", "queued");
    this.finishing = clock.stage("store", "finishing", "worked");
    this.verify = clock.stage("store", "verify", "worked");
  }
}
