/** A store whose making was cut off after its label was written, as by `kill -9`. */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { OptionSet } from "../../engine/options/option-set.ts";
import { makeRealStore, RealStore } from "../../engine/store/real-store.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

/** A store without a volume; with a collection that somebody made, or with nothing. */
async function halfMade(collection: string | null): Promise<void> {
  const path = place.path("s.img");
  const file = openSync(path, "w");
  ftruncateSync(file, 256 << 20);
  closeSync(file);
  const settings = [{ name: "bluestore_kvbackend", value: "waltree", origin: "test" }];
  const request = {
    path,
    options: new OptionSet({ layers: new Set(["store"]), kind: "ssd", settings }),
    deviceClass: "ssd",
    classReason: "",
    sizeBytes: 0,
    random: new SeededRandom(1),
    slotBytes: 65536,
    userSlots: 4,
  } as const;
  await makeRealStore(request);
  if (collection !== null) {
    const real = await RealStore.open(request);
    const made = new Transaction().createCollection(collection, 0);
    expect(await new Promise<number>((done) => real.store.submit(made, done))).toBe(0);
    await real.close();
  }
}

const job = ["--name=a", "--rw=randwrite", "--bs=4k", "--size=1m", "--verify=crc32c"];
const run = (target: string) =>
  place.run(["run", "--no-report", "--no-progress", "--out=r", `--target=${target}`, ...job]);

test("gets its volume from the next run, with the object size asked for", async () => {
  await halfMade(null);
  const { code, err } = run("store:s.img?object_size=1m");
  expect(err).not.toContain("osdyno:");
  expect(code).toBe(0);
  expect(place.record("r").options["object_size"]?.value).toBe("1048576");
  expect(place.run(["fsck", "s.img", "--deep"]).code).toBe(0);
  expect(run("store:s.img").code).toBe(0);
});

test("that somebody has put something into is left as it is", async () => {
  await halfMade("1.0");
  const { code, err } = run("store:s.img");
  expect(code).toBe(2);
  expect(err).toContain("the store in it has no volume");
});
