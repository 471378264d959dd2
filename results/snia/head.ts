/** What the standard wants on every report: who, when, what, how it was set. */
import type { FactGroup } from "../report/model.ts";
import { formatPercent } from "../units.ts";
import type { SniaModel } from "./load.ts";
import { clock } from "./plan-text.ts";

const titles: Readonly<Record<string, string>> = {
  iops: "IOPS test",
  throughput: "throughput test",
  latency: "latency test",
  "write-saturation": "write saturation test",
  "host-idle": "host idle recovery test",
  "cross-stimulus": "cross stimulus recovery test",
  composite: "composite block workload test",
};

export function testTitle(test: string): string {
  return titles[test] ?? test;
}

/** `48.0 GB`: the standard counts capacity in powers of ten. */
function gigabytes(bytes: number): string {
  return bytes >= 1e12 ? `${(bytes / 1e12).toFixed(2)} TB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** The standard wants no idle time: the most that a run, its cells and the way to the next took beside measuring. */
function mostBeside({ runs }: SniaModel["snia"]): string {
  const pauses = runs.slice(1).flatMap((run, at) => {
    const before = runs[at];
    return before === undefined || before.part !== run.part
      ? []
      : [Date.parse(run.started) / 1000 - (Date.parse(before.started) / 1000 + before.seconds)];
  });
  return pauses.length === 0 ? "" : clock(Math.max(0, ...pauses));
}

export function headline({ snia, started }: SniaModel): string {
  const when = started.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC");
  return `SNIA PTS ${snia.edition}, ${testTitle(snia.test)}, ${snia.class} class; started ${when}; target ${snia.target}`;
}

export function headLines(model: SniaModel): readonly FactGroup[] {
  const { snia, started, ended } = model;
  const { written_bytes: written, rated_bytes: rated, most_bytes: most } = snia.endurance;
  const fact = (name: string, value: string) => ({ name, value });
  const preconditioning = snia.runs.filter(({ kind }) => kind === "fill");
  const share = rated === null ? "not known" : formatPercent((100 * written) / rated);
  const from = snia.endurance.rated_from;
  const stated = from === undefined ? "" : ` (${from})`;
  return [
    {
      title: "Test",
      facts: [
        fact("Specification", `SNIA Solid State Storage PTS ${snia.edition}`),
        fact("Test", testTitle(snia.test)),
        fact("Class", snia.class),
        fact("Began", started),
        fact("Ended", ended),
        ...Object.entries(snia.people).map(([name, value]) => fact(name, value)),
        fact("Seed", String(model.seed)),
      ],
    },
    {
      title: "Settings",
      facts: [
        fact("Target", snia.target),
        fact("User capacity taken", gigabytes(snia.capacity_bytes)),
        fact("Active range", gigabytes(snia.active_bytes)),
        fact("Threads", String(snia.threads)),
        fact("Operations outstanding of each", String(snia.depth)),
        fact("Data", "random"),
        fact("A minute of the standard took", clock(snia.minute_seconds)),
        fact("Time beside measuring, most of a run", mostBeside(snia)),
        fact("Purge", snia.purge_statement),
        ...preconditioning.map(({ id, written_bytes: bytes, seconds }) =>
          fact(`Preconditioning ${id}`, `${gigabytes(bytes)} in ${clock(seconds)}`),
        ),
      ],
    },
    {
      title: "Endurance",
      facts: [
        fact("Written", gigabytes(written)),
        fact("Rated writes", rated === null ? "not known" : `${gigabytes(rated)}${stated}`),
        fact("Share of rated writes", share),
        ...(most === null ? [] : [fact("Budget", gigabytes(most))]),
      ],
    },
  ];
}
