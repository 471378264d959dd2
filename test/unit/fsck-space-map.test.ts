/** The map of owners that fsck makes, beside a plain array of them. */
import { expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { Findings } from "../../engine/store/bluestore/fsck/findings.ts";
import { type Owner, owners, SpaceMap } from "../../engine/store/bluestore/fsck/space-map.ts";

const unitBytes = 4096;
const seed = 12;

it(`owners of units, of whole pages and of parts, as in a plain array (seed ${seed})`, () => {
  const units = 5 * 32768 + 100;
  const random = new SeededRandom(seed);
  const findings = new Findings();
  const map = new SpaceMap(units * unitBytes, unitBytes, findings);
  const model = new Uint8Array(units);
  const kinds = [owners.object, owners.shared, owners.kv, owners.free];
  for (let step = 0; step < 400; step += 1) {
    const whole = step % 50 === 0;
    const first = map.firstUnit + random.below(units - map.firstUnit);
    const length = Math.min(units - first, 1 + random.below(whole ? 90_000 : 300));
    const owner = kinds[random.below(whole ? 1 : 4)] as Owner;
    map.own(owner, "it", first * unitBytes, length * unitBytes);
    for (let at = first; at < first + length; at += 1) {
      model[at] = model[at] === 0 ? owner : (model[at] as number);
    }
  }
  // The rest goes to one owner, by which pages become whole.
  for (let at = map.firstUnit; at < units; at += 1) {
    if (model[at] === 0) {
      map.own(owners.object, "it", at * unitBytes, unitBytes);
      model[at] = owners.object;
    }
  }
  let wrong = 0;
  for (let at = 0; at < units; at += 1) {
    wrong += map.ownerOf(at) === model[at] ? 0 : 1;
  }
  expect(wrong).toBe(0);
  expect(map.ownerOf(units)).toBeUndefined();
  const before = findings.list.length;
  map.own(owners.kv, "a second", (map.firstUnit + 5) * unitBytes, unitBytes);
  map.own(owners.kv, "outside", units * unitBytes, unitBytes);
  expect(findings.list.length).toBe(before + 2);
});
