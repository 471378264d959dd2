/** The standard's tables, shared by the terminal, the page and Markdown. */
import { formatBytes, formatCount, formatNs } from "../report/units.ts";
import { formatRateDecimal } from "../units.ts";
import { mixName, sizeName } from "./cells.ts";
import type { RoundsModel, SeriesModel, SniaModel } from "./load.ts";
import { clock } from "./plan-text.ts";
import {
  compositeLoads,
  type Followed,
  idleSeconds,
  iopsBlocks,
  iopsMixes,
  latencyBlocks,
  latencyMixes,
} from "./procedures.ts";
import type { CellFigures, SniaVerdict } from "./record.ts";
import { excursionLimit, rangeLimit, windowRounds } from "./steady-rule.ts";

export interface SniaTable {
  readonly title: string;
  readonly note: string;
  /** The first column names the row. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A followed figure with its unit. */
export function formatFollowed(figure: Followed["figure"], value: number): string {
  switch (figure) {
    case "iops":
      return formatCount(value);
    case "bw_bytes":
      return formatRateDecimal(value);
    case "latency_mean_ns":
      return formatNs(value);
  }
}

const blockName = (bytes: number) => `${bytes / 1024} KiB`;
const percent = (share: number) => `${(100 * share).toFixed(2)}%`;

/** Which rounds a table of figures is the mean of. */
function windowNote({ verdict }: RoundsModel): string {
  const { window, steady } = verdict;
  if (window === null) {
    return `Means of all rounds: there are fewer than ${windowRounds}, and nothing is known of a steady state.`;
  }
  const rounds = `rounds ${window.first} to ${window.last}`;
  return steady
    ? `Means of the measurement window, ${rounds}.`
    : `Means of ${rounds}, which are not steady: no figures of the standard.`;
}

/** In a sentence each: whether, and where, a steady state was reached. */
export function verdictLines({ snia }: SniaModel): readonly string[] {
  return snia.verdicts.map((verdict) => {
    const where = verdict.section === "" ? "" : `${verdict.section}: `;
    return `${where}${verdictSentence(verdict)}`;
  });
}

const roundsText = (rounds: number) => `${rounds} ${rounds === 1 ? "round" : "rounds"}`;

export function verdictSentence({
  steady,
  window,
  rounds,
  most_rounds,
  ended,
}: SniaVerdict): string {
  if (steady && window !== null) {
    return `Steady state reached: rounds ${window.first} to ${window.last}.`;
  }
  const why = {
    steady: "",
    open: "; the test did not come to its end",
    rounds: `, and there are at most ${most_rounds}`,
    bytes: ", and four times the capacity is written",
    time: ", and the time is over",
  }[ended];
  return `No steady state within ${roundsText(rounds)}${why}.`;
}

/** The steady state as the standard wants it shown: bounds and what was measured. */
export function verificationTables(model: SniaModel): readonly SniaTable[] {
  return model.snia.verdicts
    .filter(({ verdicts }) => verdicts.length > 0)
    .map((verdict) => verificationTable(verdict));
}

function verificationTable(verdict: SniaVerdict): SniaTable {
  const { followed, verdicts, window, section } = verdict;
  const text = (place: number, value: number) =>
    formatFollowed(followed[place]?.figure ?? "iops", value);
  const row = (title: string, cell: (place: number) => string) => [
    title,
    ...verdicts.map((_, place) => cell(place)),
  ];
  const of = <T>(place: number, pick: (one: (typeof verdicts)[number]) => T, other: T): T => {
    const found = verdicts[place];
    return found === undefined ? other : pick(found);
  };
  const signed = (place: number, value: number) =>
    `${value < 0 ? "-" : ""}${text(place, Math.abs(value))}`;
  return {
    title: `Steady state verification${section === "" ? "" : `, ${section}`}`,
    note: `Rounds ${window?.first} to ${window?.last}. ${verdictSentence(verdict)}${
      verdicts.some(({ onBound }) => onBound)
        ? " A figure lies on its bound, which holds here; a reader of `less than` would say no."
        : ""
    }`,
    columns: ["", ...followed.map(({ label }) => label)],
    rows: [
      ...Array.from({ length: windowRounds }, (_, at) =>
        row(`Round ${(window?.first ?? 1) + at}`, (place) =>
          text(
            place,
            of(place, ({ values }) => values[at] ?? 0, 0),
          ),
        ),
      ),
      row("Average", (place) =>
        text(
          place,
          of(place, ({ average }) => average, 0),
        ),
      ),
      row("Allowed range (20% of it)", (place) =>
        text(
          place,
          of(place, ({ average }) => rangeLimit * average, 0),
        ),
      ),
      row("Measured range", (place) =>
        of(
          place,
          ({ range, average, rangeHolds }) =>
            `${text(place, range)} (${percent(range / average)}, ${rangeHolds ? "holds" : "FAILS"})`,
          "",
        ),
      ),
      row("Line fitted", (place) =>
        of(
          place,
          ({ slope, intercept }) => `${signed(place, slope)} x R + ${signed(place, intercept)}`,
          "",
        ),
      ),
      row("Allowed excursion (10%)", (place) =>
        text(
          place,
          of(place, ({ average }) => excursionLimit * average, 0),
        ),
      ),
      row("Measured excursion", (place) =>
        of(
          place,
          ({ excursion, average, slopeHolds }) =>
            `${text(place, excursion)} (${percent(excursion / average)}, ${slopeHolds ? "holds" : "FAILS"})`,
          "",
        ),
      ),
      row("Correlation", (place) =>
        of(place, ({ correlation }) => correlation?.toFixed(3) ?? "-", ""),
      ),
    ],
  };
}

function figure(cells: readonly CellFigures[], name: string): CellFigures | undefined {
  return cells.find(({ cell }) => cell === name);
}

/** Block sizes down, mixes across. */
function gridTable(
  title: string,
  rounds: RoundsModel,
  mixes: readonly number[],
  blocks: readonly number[],
  text: (figures: CellFigures) => string,
): SniaTable {
  return {
    title,
    note: `${windowNote(rounds)} Shares are of reads and writes.`,
    columns: ["Block size", ...mixes.map(mixName)],
    rows: blocks.map((bytes) => [
      blockName(bytes),
      ...mixes.map((mix) => {
        const found = figure(rounds.cells, `r${mix}-${sizeName(bytes)}`);
        return found === undefined ? "-" : text(found);
      }),
    ]),
  };
}

function throughputTable(model: SniaModel): SniaTable {
  const rows = model.rounds.map(({ cells, section }) => {
    const size = cells[0]?.cell.replace(/^r\d+-(\d+)k$/, "$1 KiB") ?? section;
    const of = (mix: number) =>
      cells.find(({ cell }) => cell.startsWith(`r${mix}-`))?.bw_bytes ?? 0;
    return [size, formatRateDecimal(of(100)), formatRateDecimal(of(0))];
  });
  const notes = [...new Set(model.rounds.map(windowNote))];
  return {
    title: "Throughput",
    note: notes.join(" "),
    columns: ["Block size", "Sequential reads", "Sequential writes"],
    rows,
  };
}

const mean = (points: readonly number[]) =>
  points.length === 0 ? 0 : points.reduce((sum, value) => sum + value, 0) / points.length;

function saturationTable({ snia, series }: SniaModel): readonly SniaTable[] {
  const points = series[0]?.points ?? [];
  const [verdict] = snia.verdicts;
  const last = points.slice(-windowRounds);
  if (verdict === undefined || points.length === 0) {
    return [];
  }
  const one = (title: string, of: typeof points) => [
    title,
    formatCount(mean(of.map(({ iops }) => iops))),
    formatNs(mean(of.map(({ mean_ns: ns }) => ns))),
    formatNs(Math.max(0, ...of.map(({ max_ns: ns }) => ns))),
  ];
  const written = formatBytes(snia.endurance.written_bytes);
  return [
    {
      title: "Write saturation",
      note: `${roundsText(verdict.rounds)}, ${written} written. ${verdictSentence(verdict)}`,
      columns: ["Rounds", "IOPS", "Mean response", "Longest response"],
      rows: [
        one("First", points.slice(0, 1)),
        one(`Last ${last.length}`, last),
        one("All", points),
      ],
    },
  ];
}

function hostIdleTable({ series, rounds }: SniaModel): SniaTable {
  const by = (id: string): SeriesModel | undefined => series.find((one) => one.id === id);
  const rate = (id: string) => mean(by(id)?.points.map(({ iops }) => iops) ?? []);
  const steady = rounds[0]?.verdict.verdicts[0]?.average ?? 0;
  const share = (value: number) => (steady === 0 ? "-" : `${((100 * value) / steady).toFixed(1)}%`);
  const before = by("before");
  return {
    title: "Host idle recovery",
    note: `IOPS of the writes; shares are of the steady state's ${formatCount(steady)}. Above 100%: idling bought performance back.`,
    columns: ["State", "Bursts", "IOPS of bursts", "of steady", "IOPS after", "of steady"],
    rows: [
      ...(before === undefined
        ? []
        : [["before", "-", "-", "-", formatCount(rate("before")), share(rate("before"))]]),
      ...idleSeconds
        .filter((idle) => by(`idle-${idle}`) !== undefined)
        .map((idle) => {
          const [on, after] = [rate(`idle-${idle}`), rate(`after-${idle}`)];
          const bursts = String(by(`idle-${idle}`)?.points.length ?? 0);
          return [
            ...[`5 s writes, ${idle} s idle`, bursts, formatCount(on), share(on)],
            ...[formatCount(after), share(after)],
          ];
        }),
    ],
  };
}

function crossTable({ series, snia }: SniaModel): SniaTable {
  const names: Readonly<Record<string, string>> = {
    "sequential-1": "Sequential 1024 KiB, first",
    random: "Random 8 KiB",
    "sequential-2": "Sequential 1024 KiB, again",
  };
  const hour = clock(60 * snia.minute_seconds);
  return {
    title: "Cross stimulus recovery",
    note: `Throughput at the beginning and over the last ${hour} of each access.`,
    columns: ["Access", "First sample", `Last ${hour}`, "Mean response", "Longest response"],
    rows: series.map(({ id, points }) => [
      names[id] ?? id,
      formatRateDecimal(points[0]?.bw_bytes ?? 0),
      formatRateDecimal(mean(points.slice(-60).map(({ bw_bytes: bytes }) => bytes))),
      formatNs(mean(points.map(({ mean_ns: ns }) => ns))),
      formatNs(Math.max(0, ...points.map(({ max_ns: ns }) => ns))),
    ]),
  };
}

function compositeTables({ snia }: SniaModel): readonly SniaTable[] {
  const cells = snia.runs.find(({ id }) => id === "matrix")?.cells ?? [];
  const grid = (title: string, text: (figures: CellFigures) => string): SniaTable => ({
    title,
    note: "Threads down, operations outstanding of each across; R/W 40/60.",
    columns: ["Threads", ...compositeLoads.map(String)],
    rows: compositeLoads.map((threads) => [
      String(threads),
      ...compositeLoads.map((depth) => {
        const found = figure(cells, `t${threads}-q${depth}`);
        return found === undefined ? "-" : text(found);
      }),
    ]),
  });
  const runs = snia.runs.filter(({ kind }) => kind === "histograms");
  const columns = ["50", "99", "99.9", "99.99", "99.999"];
  const loads: SniaTable = {
    title: "Response times at three loads",
    note: "Min: one operation at a time. Max: the most IOPS with a mean response below 5 ms. Mid: between them. A dash: fewer than ten samples lie beyond.",
    columns: ["Load", "IOPS", "Mean", ...columns.map((each) => `${each}%`), "Longest"],
    rows: runs.flatMap(({ cells: found }) => {
      const figures = found.at(-1);
      const at = (key: string) => figures?.percentile[Number(key).toFixed(6)];
      return figures === undefined
        ? []
        : [
            [
              figures.cell,
              formatCount(figures.iops),
              formatNs(figures.latency_mean_ns),
              ...columns.map((key) => {
                const value = at(key);
                return value === undefined ? "-" : formatNs(value);
              }),
              formatNs(figures.latency_max_ns),
            ],
          ];
    }),
  };
  return [
    ...(cells.length === 0
      ? []
      : [
          grid("Composite: IOPS", ({ iops }) => formatCount(iops)),
          grid("Composite: mean response", ({ latency_mean_ns: ns }) => formatNs(ns)),
        ]),
    ...(runs.length === 0 ? [] : [loads]),
  ];
}

/** The figures of a test; the steady state's own tables are `verificationTables`. */
export function tablesOf(model: SniaModel): readonly SniaTable[] {
  const [rounds] = model.rounds;
  switch (model.snia.test) {
    case "iops":
      return rounds === undefined
        ? []
        : [gridTable("IOPS", rounds, iopsMixes, iopsBlocks, ({ iops }) => formatCount(iops))];
    case "latency":
      return rounds === undefined
        ? []
        : [
            gridTable("Mean response time", rounds, latencyMixes, latencyBlocks, (figures) =>
              formatNs(figures.latency_mean_ns),
            ),
            gridTable("Longest response time", rounds, latencyMixes, latencyBlocks, (figures) =>
              formatNs(figures.latency_max_ns),
            ),
          ];
    case "throughput":
      return rounds === undefined ? [] : [throughputTable(model)];
    case "write-saturation":
      return saturationTable(model);
    case "host-idle":
      return [hostIdleTable(model)];
    case "cross-stimulus":
      return model.series.length === 0 ? [] : [crossTable(model)];
    case "composite":
      return compositeTables(model);
    default:
      return [];
  }
}
