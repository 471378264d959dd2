/**
 * One step of the mount bench in a process of its own, whose memory is the store's alone: makes a store
 * of many objects, or mounts it. The task comes as JSON in the first argument, the answer goes to stdout.
 */
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { OptionSet, type OptionSetting } from "../../engine/options/option-set.ts";
import { type ObjectName, objectName } from "../../engine/store/object-name.ts";
import { makeRealStore, RealStore, type RealStoreRequest } from "../../engine/store/real-store.ts";
import { Transaction } from "../../engine/store/transaction.ts";

export interface MountTask {
  /** A file of `sizeBytes` that is there. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly objects: number;
  readonly settings: readonly OptionSetting[];
  readonly seed: number;
  /** `make`: the store and its objects; `mount`: mounts it, looks at each object. */
  readonly step: "make" | "mount";
  /** Ends cleanly; else as a crash would. */
  readonly clean: boolean;
}

export interface MountAnswer {
  /** To make the objects, or to mount. */
  readonly seconds: number;
  /** Of the whole process in that time. */
  readonly cpuSeconds: number;
  /** Resident after mounting, and after every object was looked at; 0 when it was not. */
  readonly mountedBytes: number;
  readonly lookedAtBytes: number;
  readonly memoryTargetBytes: number;
}

const collection = "1.0";
const objectBytes = 4096;
const perTransaction = 32;
const transactionsAtOnce = 8;

/** Names as those of an image's objects, with hashes that scatter them. */
function nameOf(number: number): ObjectName {
  return objectName({
    name: `rbd_data.5.${number.toString(16).padStart(16, "0")}`,
    pool: 1,
    hash: Math.imul(number, 0x9e3779b1) >>> 0,
  });
}

function submitted({ store }: RealStore, transaction: Transaction): Promise<void> {
  return new Promise((resolve, reject) => {
    store.submit(transaction, (result) => {
      if (result < 0) {
        reject(new OsdynoError("io", `making an object failed with errno ${-result}`));
      } else {
        resolve();
      }
    });
  });
}

async function makeObjects(real: RealStore, objects: number): Promise<void> {
  const data = new Uint8Array(objectBytes).fill(7);
  await submitted(real, new Transaction().createCollection(collection, 0));
  let next = 0;
  const worker = async () => {
    while (next < objects) {
      const transaction = new Transaction();
      for (let each = 0; each < perTransaction && next < objects; each += 1) {
        transaction.write(collection, nameOf(next), 0, data);
        next += 1;
      }
      await submitted(real, transaction);
    }
  };
  await Promise.all(Array.from({ length: transactionsAtOnce }, worker));
}

/** Each object's metadata, as a look at it loads it; throws when one is not as it was made. */
function lookAt({ store }: RealStore, objects: number): void {
  for (let number = 0; number < objects; number += 1) {
    store.stat(collection, nameOf(number), (errno, stat) => {
      if (errno !== 0 || stat?.sizeBytes !== objectBytes) {
        throw new OsdynoError("verify", `object ${number} is not as it was made`);
      }
    });
  }
}

async function timed<T>(work: () => Promise<T>) {
  const cpu = process.cpuUsage();
  const startNs = process.hrtime.bigint();
  const value = await work();
  const seconds = Number(process.hrtime.bigint() - startNs) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  return { value, seconds, cpuSeconds: (user + system) / 1e6 };
}

async function perform(task: MountTask): Promise<MountAnswer> {
  const { path, sizeBytes, settings, objects, clean } = task;
  const options = new OptionSet({ layers: new Set(["store"]), kind: "ssd", settings });
  const request: RealStoreRequest = {
    path,
    options,
    deviceClass: "ssd",
    classReason: "the bench takes it for one",
    sizeBytes,
    random: new SeededRandom(task.seed),
    slotBytes: 65_536,
    userSlots: 1,
  };
  if (task.step === "make") {
    await makeRealStore(request);
  }
  const mount = await timed(() => RealStore.open(request));
  const mountedBytes = process.memoryUsage.rss();
  let spent: { readonly seconds: number; readonly cpuSeconds: number } = mount;
  let lookedAtBytes = 0;
  if (task.step === "make") {
    spent = await timed(() => makeObjects(mount.value, objects));
  } else if (clean) {
    lookAt(mount.value, objects);
    lookedAtBytes = process.memoryUsage.rss();
  }
  if (clean) {
    await mount.value.close();
  }
  return {
    seconds: spent.seconds,
    cpuSeconds: spent.cpuSeconds,
    mountedBytes,
    lookedAtBytes,
    memoryTargetBytes: options.number("osd_memory_target"),
  };
}

const answer = await perform(JSON.parse(process.argv[2] ?? "") as MountTask);
// What a crash leaves open ends with the process.
process.stdout.write(JSON.stringify(answer), () => process.exit(0));
