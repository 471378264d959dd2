/** What the runs took of what their device may bear, where somebody said what that is (`--endurance`). */
import { shareText } from "../endurance.ts";
import type { RunRecord } from "../run-record.ts";
import { formatBytes } from "../units.ts";
import type { FactGroup, ReportModel } from "./model.ts";

type Endurance = NonNullable<ReportModel["endurance"]>;

/** Of all runs together; nothing where none has a budget or a rating. */
export function enduranceOf(records: readonly RunRecord[]): Pick<ReportModel, "endurance"> {
  const all = records.flatMap(({ osdyno }) => osdyno?.endurance ?? []);
  const [first] = all;
  if (first === undefined) {
    return {};
  }
  const { rated_bytes: ratedBytes, rated_from: ratedFrom = "", most_bytes: mostBytes } = first;
  const writtenBytes = all.reduce((sum, each) => sum + each.written_bytes, 0);
  return { endurance: { writtenBytes, ratedBytes, ratedFrom, mostBytes } };
}

/** `16.0 MiB written, 1.56% of the 1.00 GiB rated`. */
export function enduranceText({ writtenBytes, ratedBytes }: Endurance): string {
  const written = `${formatBytes(writtenBytes)} written`;
  return ratedBytes === null
    ? written
    : `${written}, ${shareText(writtenBytes, ratedBytes)} of the ${formatBytes(ratedBytes)} rated`;
}

/** The same among the facts of the device. */
export function enduranceFacts(endurance: Endurance | undefined): readonly FactGroup[] {
  if (endurance === undefined) {
    return [];
  }
  const { writtenBytes, ratedBytes, ratedFrom, mostBytes } = endurance;
  const fact = (name: string, value: string) => ({ name, value });
  const rated =
    ratedBytes === null
      ? [fact("Rated writes", "not known")]
      : [
          fact("Rated writes", `${formatBytes(ratedBytes)} (${ratedFrom})`),
          fact("Share of rated writes", shareText(writtenBytes, ratedBytes)),
        ];
  const budget = mostBytes === null ? [] : [fact("Budget", formatBytes(mostBytes))];
  const written = fact("Written by these runs", formatBytes(writtenBytes));
  return [{ title: "Endurance", facts: [written, ...rated, ...budget] }];
}
