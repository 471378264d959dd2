/** What a test of the SNIA PTS says was asked, held to the file that it was made from. */

import { SweepDocument } from "../sweep/document.ts";
import { type Asked, type FileRecord, otherThanFile } from "../sweep/file-record.ts";
import { givenFlag } from "../sweep/given-flag.ts";
import type { SweepRecord } from "../sweep-record.ts";
import type { SniaRecord } from "./record.ts";
import { checkedSnia, readSize, sniaOf } from "./spec.ts";

/** One line each; empty when they agree, and of records of older versions, which have no file. */
export function sniaAskedOtherwise(sweep: SweepRecord): readonly string[] {
  const { snia } = sweep;
  return snia === undefined
    ? []
    : otherThanFile("sweep.json", sweep.file, (file) => askedOf(sweep, snia, file));
}

function askedOf(sweep: SweepRecord, snia: SniaRecord, file: FileRecord): readonly Asked[] {
  const document = new SweepDocument(file.name, "sweep", {}, file.text);
  const { endurance } = checkedSnia(document).snia;
  // A profile that is named may be elsewhere by now; a size stands for itself.
  const rated = readSize(endurance.rated ?? "") ?? undefined;
  const spec = sniaOf(document);
  const given = (flag: string) => givenFlag(sweep.command, flag);
  return [
    ["name", sweep.name, spec.name],
    ["question", sweep.question, spec.question],
    ["snia test", snia.test, spec.test],
    ["snia class", snia.class, spec.deviceClass],
    ["snia edition", snia.edition, spec.edition],
    ["snia threads", snia.threads, spec.threads],
    ["snia depth", snia.depth, spec.depth],
    ["snia purge", snia.purge, spec.purge],
    ["snia people", snia.people, spec.people],
    ...(given("scale")
      ? []
      : ([
          ["snia minute_seconds", snia.minute_seconds, spec.scale.minuteSeconds],
          ["snia cycles", snia.cycles, spec.scale.cycles],
        ] as const)),
    // An earlier command, which this one resumes, may have given it.
    ...(given("endurance") || given("resume")
      ? []
      : ([
          ["snia endurance most_bytes", snia.endurance.most_bytes, spec.mostWriteBytes],
          ...(rated === undefined
            ? []
            : ([["snia endurance rated_bytes", snia.endurance.rated_bytes, rated]] as const)),
        ] as const)),
  ];
}
