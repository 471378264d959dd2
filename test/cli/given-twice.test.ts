/** A flag that holds one value and is given two: the first must not fall away in silence. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const job = ["--name=a", "--rw=read", "--size=1m"];

test.each([
  [["run", "--preset", "documents-osd", "--preset=documents-source", ...job], "preset"],
  [["run", "--target=store:tt1?size=96m", "--target=store:tt2?size=96m", ...job], "target"],
  [["sweep", "s.yaml", "--repeat=1", "--repeat=2"], "repeat"],
  [["tune", "t.yaml", "--method=halving", "--method", "halving"], "method"],
  [["results", "ls", "--root", "a", "--root", "b"], "root"],
  [["report", "r", "--format=md", "--format=html"], "format"],
  [["bench", "checksum", "--rounds", "1", "--rounds", "2"], "rounds"],
])("%j", (words, name) => {
  const { code, out, err } = place.run(words);
  expect(err).toMatch(
    new RegExp(`^osdyno: --${name} \\S+, --${name} \\S+: given twice, [^\\n]*\\n$`),
  );
  expect([code, out, place.files()]).toEqual([2, "", []]);
});

test("what gathers its values, and what has none, may be given again", () => {
  const { code, err } = place.run([
    ...["run", "--target=null:", "--no-report", "--no-progress", "--no-progress", "--out=r"],
    ...["--threshold=iops > 0", "--threshold=bw > 0", "--section=a", "--section=b"],
    ...[place.write("j.fio", "[global]\nrw=read\nsize=1m\n[a]\n[b]\n")],
  ]);
  expect([code, err.match(/^threshold kept/gm)]).toEqual([0, ["threshold kept", "threshold kept"]]);
  expect(place.record("r").jobs).toHaveLength(2);
  const metrics = ["--metric", "iops", "--metric", "bw", "--json"];
  const compared = place.run(["compare", "r", "--with", "r", ...metrics]);
  expect(compared.err).not.toContain("given twice");
});
