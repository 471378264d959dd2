/** A cell: one access pattern at one setting, and the job that drives it. */

export interface Cell {
  /** Names its job. */
  readonly id: string;
  readonly readPercent: number;
  /** Sizes with their percent of the accesses. */
  readonly blocks: readonly (readonly [bytes: number, percent: number])[];
  readonly sequential: boolean;
  readonly threads: number;
  readonly depth: number;
  /** Null: until `bytes` are written. */
  readonly seconds: number | null;
  /** Of all threads together; null: the time ends it. */
  readonly bytes: number | null;
  /** `random_distribution`. */
  readonly locality?: string;
  /** Bursts of writes with idle time between them. */
  readonly bursts?: { readonly onSeconds: number; readonly offSeconds: number };
}

/** Percentiles that the tables of the standard ask for. */
export const sniaPercentiles: readonly number[] = [50, 90, 99, 99.9, 99.99, 99.999];

/** `4 KiB` as `4k`, `512 B` as `512`. */
export function sizeName(bytes: number): string {
  return bytes % 1024 === 0 ? `${bytes / 1024}k` : String(bytes);
}

/** `65/35`, as the standard writes shares of reads and writes. */
export function mixName(readPercent: number): string {
  return `${readPercent}/${100 - readPercent}`;
}

const milliseconds = (seconds: number) => `${Math.max(1, Math.round(seconds * 1000))}ms`;

/** Not shorter than asked, so that no more bursts begin in a time than it has room for. */
const microseconds = (seconds: number) => `${Math.ceil(seconds * 1e6)}us`;

function runtimeText(seconds: number, bursts: boolean): string {
  return bursts ? `${Math.floor(seconds * 1e6)}us` : milliseconds(seconds);
}

function patternKey({ readPercent, sequential }: Cell): string {
  const kind = readPercent === 100 ? "read" : readPercent === 0 ? "write" : "rw";
  return sequential ? kind : `rand${kind}`;
}

function cellJob(cell: Cell, activeBytes: number): string {
  const { threads, depth, blocks, sequential, seconds, bytes, bursts, locality } = cell;
  const [first] = blocks;
  const split = blocks.map(([size, percent]) => `${size}/${percent}`).join(":");
  // Sequential threads have a part each: over one another they would not be sequential.
  const largest = Math.max(...blocks.map(([size]) => size));
  const part = sequential ? Math.floor(activeBytes / threads / largest) * largest : activeBytes;
  return [
    `[${cell.id}]`,
    "stonewall",
    `rw=${patternKey(cell)}`,
    ...(cell.readPercent > 0 && cell.readPercent < 100 ? [`rwmixread=${cell.readPercent}`] : []),
    blocks.length === 1 ? `bs=${first?.[0]}` : `bssplit=${split}`,
    `numjobs=${threads}`,
    `iodepth=${depth}`,
    `size=${part}`,
    ...(sequential && threads > 1 ? [`offset_increment=${part}`] : []),
    ...(seconds === null ? [] : [`runtime=${runtimeText(seconds, bursts !== undefined)}`]),
    // Time alone, or bytes and no more than the time.
    ...(bytes === null
      ? ["time_based"]
      : [`io_size=${Math.ceil(bytes / threads / largest) * largest}`]),
    ...(locality === undefined ? [] : [`random_distribution=${locality}`]),
    ...(bursts === undefined
      ? []
      : [
          `thinktime_iotime=${microseconds(bursts.onSeconds)}`,
          `thinktime=${microseconds(bursts.offSeconds)}`,
        ]),
    "",
  ].join("\n");
}

/** The job file of a run: cells one after the other, random data, past the page cache. */
export function jobText(cells: readonly Cell[], activeBytes: number): string {
  return [
    "[global]",
    "ioengine=io_uring",
    "direct=1",
    "norandommap",
    "group_reporting",
    `percentile_list=${sniaPercentiles.join(":")}`,
    "",
    ...cells.map((cell) => cellJob(cell, activeBytes)),
  ].join("\n");
}

/** A purge by trimming everything once. */
export function trimText(bytes: number): string {
  const block = bytes % (1 << 20) === 0 ? 1 << 20 : 4096;
  const size = Math.floor(bytes / block) * block;
  return `[purge]\nioengine=io_uring\nrw=trim\nbs=${block}\niodepth=8\nsize=${size}\n`;
}
