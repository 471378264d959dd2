/**
 * HdrHistogram logs, format 1.3: one line per interval, payloads as the native side encoded them.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { HistogramLogReader } from "hdr-histogram-js";
import { packedText } from "./files.ts";
import { emptyHistogramText, type Histogram, highestEncoded } from "./histogram.ts";

/** Tag of the intervals of the warm-up. */
export const warmupTag = "warmup";

/** Comments and legend; stamps of the lines count from the start of the run. */
export function histogramLogHead(startedEpochMs: number): string {
  const seconds = (startedEpochMs / 1000).toFixed(3);
  return [
    "#[Histogram log format version 1.3]",
    `#[StartTime: ${seconds} (seconds since epoch), ${new Date(startedEpochMs).toUTCString()}]`,
    `#[BaseTime: ${seconds} (seconds since epoch)]`,
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    "",
  ].join("\n");
}

/** One interval; the maximum is in ms, as log readers expect of ns histograms. */
export function histogramLogLine(interval: {
  readonly endNs: number;
  readonly lengthNs: number;
  readonly warmup: boolean;
  readonly hdr: string;
}): string {
  const start = ((interval.endNs - interval.lengthNs) / 1e9).toFixed(3);
  const length = (interval.lengthNs / 1e9).toFixed(3);
  const payload = interval.hdr === "" ? emptyHistogramText() : interval.hdr;
  const max = interval.hdr === "" ? 0 : highestEncoded(interval.hdr);
  const tag = interval.warmup ? `Tag=${warmupTag},` : "";
  return `${tag}${start},${length},${(max / 1e6).toFixed(3)},${payload}`;
}

/** An interval as read back. */
export interface LoggedInterval {
  readonly startSeconds: number;
  readonly lengthSeconds: number;
  readonly warmup: boolean;
  readonly histogram: Histogram;
}

/** Reads a log; `startSeconds` counts from the start of the run. Ends at the first damaged line. */
export function* readHistogramLog(text: string): Generator<LoggedInterval> {
  const reader = new HistogramLogReader(text, 64);
  for (;;) {
    const histogram = reader.nextIntervalHistogram() as Histogram | null;
    if (histogram === null) {
      return;
    }
    const startMs = histogram.startTimeStampMsec - reader.baseTimeSec * 1000;
    yield {
      startSeconds: startMs / 1000,
      lengthSeconds: (histogram.endTimeStampMsec - histogram.startTimeStampMsec) / 1000,
      warmup: histogram.tag === warmupTag,
      histogram,
    };
  }
}

const pieceBytes = 1 << 22;

/** The same for a file of any length, a few megabytes at a time. */
export function* readHistogramLogFile(path: string): Generator<LoggedInterval> {
  const inside = packedText(path, "latin1");
  if (inside !== null) {
    yield* readHistogramLog(inside);
    return;
  }
  const file = openSync(path, "r");
  try {
    const piece = Buffer.alloc(pieceBytes);
    let comments = "";
    let rest = "";
    for (;;) {
      const length = readSync(file, piece, 0, piece.length, null);
      const text = rest + piece.toString("latin1", 0, length);
      const end = length === 0 ? text.length : text.lastIndexOf("\n") + 1;
      rest = text.slice(end);
      const block = text.slice(0, end);
      // Every piece needs the comments: the stamps count from the base time that they give.
      comments ||= block
        .split("\n")
        .filter((line) => line.startsWith("#"))
        .map((line) => `${line}\n`)
        .join("");
      yield* readHistogramLog(comments + block);
      if (length === 0) {
        return;
      }
    }
  } finally {
    closeSync(file);
  }
}
