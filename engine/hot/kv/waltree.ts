/**
 * waltree: an ordered tree in memory, a log of every commit and a checkpoint now and then on a block
 * device. Small, in TypeScript over `BlockDevice`, so that the simulator can crash it at any write.
 * WALTREE.md has its format and why it survives.
 */
import { assert } from "../../base/assert.ts";
import { errnos } from "../../port/block-device.ts";
import type { Clock } from "../../port/clock.ts";
import type { KvBatch } from "./batch.ts";
import type {
  KeyValueEngine,
  KeyValueStore,
  KvCounters,
  KvEntry,
  KvExtent,
  KvFacts,
  KvOpenContext,
} from "./kv.ts";
import type { IoDone } from "./lane-io.ts";
import type { PrefixedTree } from "./prefixed-tree.ts";
import { CheckpointWriter, checkpointSpaceBytes } from "./waltree-checkpoint.ts";
import { encodeSuperblock, fragmentKinds, type Superblock } from "./waltree-format.ts";
import {
  clearBlock,
  createWaltree,
  devicesOf,
  finished,
  type OpenedWaltree,
  onward,
  readWaltree,
  spaceOf,
  type WaltreeDevices,
  writeCopies,
} from "./waltree-open.ts";
import { CommitQueue, GroupPieces, type Waiting } from "./waltree-queue.ts";
import type { SpareSpace } from "./waltree-space.ts";
import { type Tuning, tuningOf } from "./waltree-tuning.ts";
import { type StreamPosition, StreamWriter } from "./waltree-writer.ts";

const erofs = 30;
/** Room that is left to what removes records. */
const removalBytes = 256 << 10;

class WaltreeStore implements KeyValueStore {
  readonly facts: KvFacts;
  readonly files = null;
  readonly #readOnly: boolean;
  readonly #clock: Clock;
  readonly #devices: WaltreeDevices;
  readonly #tuning: Tuning;
  readonly #tree: PrefixedTree;
  readonly #baseSpace: SpareSpace;
  readonly #logSpace: SpareSpace;
  readonly #log: StreamWriter;
  #superblock: Superblock;
  #checkpointExtents: readonly KvExtent[];
  readonly #queue = new CommitQueue();
  /** A group, or the superblock that a group waits for, is being written. */
  #busy = false;
  /** After an error nobody knows what is on the device: nothing is committed any more. */
  #poisoned = 0;
  #abandoned = false;
  #reserved = false;
  /** A group without space that waits for a checkpoint to end. */
  #held: readonly Waiting[] | null = null;
  /** Where the log stood when a checkpoint failed: there it would fail again. */
  #failedAt = 0;
  #checkpoint: CheckpointWriter | null = null;
  /** Log bytes at which the next checkpoint is due. */
  #dueBytes: number;
  #idle: (() => void)[] = [];
  /** Called when a checkpoint has ended, or none was worth while. */
  #madeRoom: (() => void)[] = [];
  readonly #pieces = new GroupPieces();
  readonly #counts = {
    commits: 0,
    batches: 0,
    groups: 0,
    batch_bytes: 0,
    commit_ns: 0,
    checkpoints: 0,
    checkpoints_failed: 0,
    checkpoint_bytes: 0,
    superblocks: 0,
    groundless_records: 0,
  };

  constructor(context: KvOpenContext, devices: WaltreeDevices, opened: OpenedWaltree) {
    this.facts = {
      name: "waltree",
      durable: true,
      growthBytes: 0,
      premises: devices.logRole === "main",
    };
    this.#readOnly = context.readOnly;
    this.#clock = context.clock;
    this.#devices = devices;
    this.#tuning = tuningOf(context);
    this.#tree = opened.tree;
    this.#superblock = opened.superblock;
    this.#checkpointExtents = opened.checkpointExtents;
    const { base, baseRole, log, logRole } = devices;
    this.#baseSpace = spaceOf(context, opened, baseRole, base.lane.facts.sizeBytes);
    this.#logSpace =
      log === base ? this.#baseSpace : spaceOf(context, opened, logRole, log.lane.facts.sizeBytes);
    this.#log = new StreamWriter({
      io: devices.log,
      space: this.#logSpace,
      id: { storeId: opened.superblock.storeId, number: 0 },
      blockBytes: opened.superblock.blockBytes,
      growBytes: this.#tuning.growBytes,
      depth: 8,
      // A log that took the last space could never be cut: what it holds may all be new to the tree.
      leaveBytes: (roomBytes) =>
        this.#logSpace === this.#baseSpace
          ? checkpointSpaceBytes(this.#tree.tree.bytes + roomBytes, devices.blockBytes)
          : 0,
    });
    this.#log.adopt(opened.logExtents, opened.logEnd);
    this.#counts.groundless_records = opened.logTorn ? 1 : 0;
    // What was replayed counts: a log that is long already is cut soon.
    const replayed = opened.logExtents.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    this.#dueBytes = this.#threshold() - replayed;
  }

  get(prefix: string, key: Uint8Array): Uint8Array | undefined {
    return this.#tree.get(prefix, key);
  }

  scan(
    prefix: string,
    from: Uint8Array,
    to: Uint8Array | undefined,
    limit: number,
  ): readonly KvEntry[] {
    return this.#tree.scan(prefix, from, to, limit);
  }

  commit(batches: readonly KvBatch[], done: IoDone, premises: Uint8Array | null = null): void {
    assert(premises === null || this.facts.premises === true, "the log is on another device");
    const nowNs = this.#clock.nowNs();
    const refused = this.#readOnly ? erofs : this.#poisoned;
    if (refused !== 0) {
      this.#later(() => done(refused));
      return;
    }
    let bytes = 0;
    for (const batch of batches) {
      this.#tree.check(batch);
      bytes += 4 + batch.byteLength;
    }
    this.#queue.add({ batches, bytes, premises, sinceNs: nowNs, done });
    this.#pump();
  }

  usedExtents(): readonly KvExtent[] {
    const spare = [...this.#baseSpace.extents];
    if (this.#logSpace !== this.#baseSpace) {
      spare.push(...this.#logSpace.extents);
    }
    return [
      ...this.#checkpointExtents,
      ...(this.#checkpoint?.extents ?? []),
      ...this.#log.extents,
      ...spare,
    ];
  }

  /**
   * Each byte is in the log first, and in the next checkpoint, which is beside the last one; and all that the
   * log has room for already may come to be in that checkpoint.
   */
  roomBytes(mainFreeBytes: number): number {
    const shared = this.#logSpace === this.#baseSpace;
    const held = this.#tree.tree.bytes + (shared ? this.#log.aheadBytes : 0);
    const again = checkpointSpaceBytes(held, this.#devices.blockBytes) + removalBytes;
    const room = this.#baseSpace.roomBytes(mainFreeBytes) - again;
    return room / (shared ? 2.25 : 1.125);
  }

  /** A checkpoint holds what is there, no more, and frees the log. */
  makeRoom(_mainFreeBytes: number, done: () => void): void {
    this.#madeRoom.push(done);
    if (!this.#busy) {
      this.#startCheckpoint();
      this.#tellRoom();
    }
  }

  counters(): KvCounters {
    const { base, log } = this.#devices;
    return {
      ...this.#counts,
      log_bytes: this.#log.writtenBytes,
      log_grown: this.#log.grown,
      flushes: base.flushes + (log === base ? 0 : log.flushes),
      durable_writes: base.durableWrites + (log === base ? 0 : log.durableWrites),
      written_bytes: base.writtenBytes + (log === base ? 0 : log.writtenBytes),
      read_bytes: base.readBytes + (log === base ? 0 : log.readBytes),
      keys_now: this.#tree.tree.keys,
      bytes_now: this.#tree.tree.bytes,
    };
  }

  setCacheBytes(): void {}

  async close(): Promise<void> {
    this.#checkpoint?.cancel();
    while (this.#busy || !this.#queue.empty || this.#checkpoint !== null) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    const { base, log } = this.#devices;
    if (!this.#readOnly && this.#poisoned === 0 && this.#log.sequence > 0) {
      // Says how far the log reaches: damage at its end is then told from a crash.
      await finished("writing the superblock", (done) => this.#writeSuperblock({}, done));
    }
    await Promise.all([base.drain(), log.drain()]);
  }

  abandon(): void {
    this.#poisoned = errnos.ECANCELED;
    this.#abandoned = true;
    this.#queue.takeAll();
    this.#held = null;
    this.#checkpoint?.cancel();
  }

  #threshold(): number {
    const { logBytes, checkpointRatio } = this.#tuning;
    return Math.max(logBytes, this.#tree.tree.bytes * checkpointRatio);
  }

  /** Starts the next group, if none is under way. */
  #pump(): void {
    if (this.#busy) {
      return;
    }
    if (this.#queue.empty || this.#poisoned !== 0) {
      this.#refuseQueue();
      this.#tellIdle();
      return;
    }
    this.#busy = true;
    if (!this.#reserved) {
      this.#reserved = true;
      const held = this.#checkpointExtents.reduce((sum, extent) => sum + extent.lengthBytes, 0);
      this.#keepSpare(held);
    }
    const group = this.#queue.nextGroup();
    if (this.#log.extents.length > 0) {
      this.#writeGroup(group);
    } else if (this.#log.begin(0)) {
      const log = this.#log.mark();
      assert(log !== null, "a log begins with more extents than a superblock lists");
      const failed = (errno: number) => this.#groupDone(group, errno);
      const written = onward(() => this.#writeGroup(group), failed);
      const cleared = onward(() => this.#writeSuperblock({ log }, written), failed);
      clearBlock(this.#devices.log, log.offsetBytes, this.#devices.blockBytes, cleared);
    } else {
      this.#later(() => this.#noSpace(group, this.#counts.checkpoints));
    }
  }

  #writeGroup(group: readonly Waiting[]): void {
    const pieces = this.#pieces.of(group);
    const premises = group[0]?.premises ?? null;
    if (pieces.length === 0) {
      this.#later(() => this.#groupDone(group, 0));
      return;
    }
    const io = this.#devices.log;
    const kind = premises === null ? fragmentKinds.commit : fragmentKinds.premised;
    // Premises need a flush of the device.
    const fua = premises === null && io.lane.supports.fua;
    const how = this.#log.write(kind, pieces, fua, (errno) => {
      if (errno !== 0 || how === "durable") {
        this.#groupDone(group, errno);
      } else {
        io.flush((failed) => this.#groupDone(group, failed));
      }
    });
    if (how === "refused") {
      const { checkpoints } = this.#counts;
      this.#later(() => this.#noSpace(group, checkpoints));
    }
  }

  /** Never from within `commit`. */
  #later(callback: () => void): void {
    this.#clock.at(this.#clock.nowNs(), callback);
  }

  /**
   * A checkpoint frees the log: the group waits for one that is under way or worth while. Then part of
   * it may fit where the whole does not. `checkpoints`: how many there were when it was refused.
   */
  #noSpace(group: readonly Waiting[], checkpoints: number): void {
    if (this.#checkpoint === null && checkpoints !== this.#counts.checkpoints) {
      this.#writeGroup(group);
      return;
    }
    this.#startCheckpoint();
    if (this.#checkpoint !== null) {
      this.#held = group;
    } else if (group.length > 1) {
      this.#queue.putBack(group);
      this.#busy = false;
      this.#pump();
    } else {
      this.#failedAt = 0;
      this.#answer(group, errnos.ENOSPC);
    }
  }

  /** The checkpoint has ended, well or not. */
  #resume(): void {
    const held = this.#held;
    this.#held = null;
    this.#tellRoom();
    if (held !== null && this.#poisoned === 0) {
      this.#writeGroup(held);
    } else if (held !== null) {
      this.#answer(held, this.#poisoned);
    }
    this.#tellIdle();
  }

  #groupDone(group: readonly Waiting[], errno: number): void {
    if (errno === 0) {
      this.#applyGroup(group);
    } else {
      this.#poisoned = errno;
    }
    this.#answer(group, errno);
  }

  #answer(group: readonly Waiting[], errno: number): void {
    if (this.#abandoned) {
      return;
    }
    const nowNs = this.#clock.nowNs();
    // What was asked for meanwhile may build on what has failed.
    const behind = errno === 0 ? [] : this.#queue.takeAll();
    for (const { done, sinceNs } of [...group, ...behind]) {
      this.#counts.commit_ns += nowNs - sinceNs;
      done(errno);
    }
    if (this.#log.writtenBytes >= this.#dueBytes || this.#madeRoom.length > 0) {
      this.#startCheckpoint();
      this.#tellRoom();
    }
    this.#busy = false;
    this.#pump();
  }

  #applyGroup(group: readonly Waiting[]): void {
    this.#log.setDurable();
    this.#counts.groups += 1;
    this.#counts.commits += group.length;
    for (const { batches, bytes } of group) {
      this.#counts.batches += batches.length;
      this.#counts.batch_bytes += bytes;
      for (const batch of batches) {
        this.#tree.apply(batch.bytes);
      }
    }
  }

  /** Only between groups: then the tree and the log stand at the same place. */
  #startCheckpoint(): void {
    if (this.#checkpoint !== null || this.#poisoned !== 0) {
      return;
    }
    const mark = this.#log.mark();
    // Failed ones are not tried again at once.
    this.#dueBytes = this.#log.writtenBytes + this.#tuning.logBytes / 4;
    const known = mark?.sequence ?? 0;
    if (mark === null || known === this.#superblock.log.sequence || known === this.#failedAt) {
      return;
    }
    const number = this.#superblock.checkpointNumber + 1;
    const checkpoint = new CheckpointWriter(this.#tree.tree, {
      io: this.#devices.base,
      space: this.#baseSpace,
      id: { storeId: this.#superblock.storeId, number },
      blockBytes: this.#superblock.blockBytes,
    });
    this.#checkpoint = checkpoint;
    checkpoint.begin((errno) => {
      this.#counts.checkpoint_bytes += checkpoint.writtenBytes;
      if (errno !== 0) {
        this.#counts.checkpoints_failed += 1;
        this.#checkpoint = null;
        this.#failedAt = mark.sequence;
        this.#resume();
        return;
      }
      this.#switchTo(checkpoint, number, mark);
    });
  }

  /** The checkpoint is durable: from now on it counts, and what it replaces is free. */
  #switchTo(checkpoint: CheckpointWriter, number: number, log: StreamPosition): void {
    const start = checkpoint.start;
    assert(start !== null, "a checkpoint that was written has no start");
    this.#writeSuperblock({ checkpointNumber: number, checkpoint: start, log }, (errno) => {
      this.#checkpoint = null;
      if (errno !== 0) {
        this.#poisoned = errno;
        this.#resume();
        this.#pump();
        return;
      }
      this.#counts.checkpoints += 1;
      const old = this.#checkpointExtents;
      this.#checkpointExtents = [...checkpoint.extents];
      const bytes = this.#checkpointExtents.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
      this.#baseSpace.release(old);
      this.#logSpace.release(this.#log.dropBefore(log));
      this.#keepSpare(bytes);
      this.#dueBytes = this.#log.writtenBytes + this.#threshold();
      this.#resume();
    });
  }

  /** Keeps room for a log and a checkpoint somewhat larger than the last one. */
  #keepSpare(checkpointBytes: number): void {
    const { logBytes } = this.#tuning;
    const larger = checkpointBytes + (checkpointBytes >> 2);
    if (this.#logSpace === this.#baseSpace) {
      this.#baseSpace.keep(larger + logBytes);
    } else {
      this.#baseSpace.keep(larger);
      this.#logSpace.keep(logBytes);
    }
  }

  /**
   * Writes both copies, one after the other with a flush each: a crash leaves one of them whole, and
   * bits that rot in one later leave the other.
   */
  #writeSuperblock(changes: Partial<Superblock>, done: IoDone): void {
    const superblock: Superblock = {
      ...this.#superblock,
      ...changes,
      sequence: this.#superblock.sequence + 1,
      durableSequence: this.#log.durableSequence,
    };
    this.#superblock = superblock;
    this.#counts.superblocks += 1;
    const bytes = encodeSuperblock(superblock);
    writeCopies(this.#devices.base, bytes, done);
  }

  #refuseQueue(): void {
    if (this.#poisoned !== 0) {
      for (const { done } of this.#queue.takeAll()) {
        this.#later(() => done(this.#poisoned));
      }
    }
  }

  #tellRoom(): void {
    if (this.#checkpoint === null) {
      for (const done of this.#madeRoom.splice(0)) {
        this.#later(done);
      }
    }
  }

  #tellIdle(): void {
    for (const resolve of this.#idle.splice(0)) {
      resolve();
    }
  }
}

export const waltreeEngine: KeyValueEngine = {
  hotPath: "kv",
  name: "waltree",
  describe: "an ordered tree in memory with a log and checkpoints on the store's device",
  unavailable: null,
  uses: "lanes",
  open: async (context) => {
    const devices = devicesOf(context);
    if (context.create) {
      return new WaltreeStore(context, devices, await createWaltree(context, devices));
    }
    const opened = await readWaltree(context, devices);
    if (opened.logTorn && !context.readOnly) {
      // Another crash could find its data there by chance, and what was never acknowledged with it.
      const { offsetBytes } = opened.logEnd;
      await finished("clearing a torn group", (done) =>
        clearBlock(devices.log, offsetBytes, devices.blockBytes, done),
      );
    }
    if (!context.readOnly) {
      // What was replayed may not be durable yet, if a process died and not the machine.
      await finished("the flush at opening", (done) => devices.base.flush(done));
      if (devices.log !== devices.base) {
        await finished("the flush at opening", (done) => devices.log.flush(done));
      }
    }
    return new WaltreeStore(context, devices, opened);
  },
};
