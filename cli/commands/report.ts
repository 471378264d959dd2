/** `osdyno report`: draws the report of results again, in any format. */
import { join } from "node:path";
import { Command, Option } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { usualRules } from "../../results/history/history.ts";
import {
  historyMetrics,
  readHistory,
  renderHistory,
  writeHistoryCharts,
} from "../../results/history/write.ts";
import { writeSite } from "../../results/report/site.ts";
import {
  drawingOf,
  type ReportFormat,
  renderDrawing,
  reportFormats,
  writeAside,
  writeReport,
} from "../../results/report/write.ts";
import { runsRoot } from "../../results/run-directory.ts";
import { shareOf } from "../share-flag.ts";

interface Flags {
  readonly format: ReportFormat;
  readonly out?: string;
  readonly site?: string;
  readonly history?: true;
  readonly metric?: readonly string[];
  readonly minEffect: string;
}

const collect = (value: string, before: readonly string[] = []) => [...before, value];

export function reportCommand(): Command {
  return new Command("report")
    .description("draw the report of a run, its repeats, a sweep or a tuning")
    .argument("[dir...]", "directories that run or sweep made")
    .addOption(
      new Option(
        "--format <format>",
        "html, md, json, csv: a document; svg, png: one file per chart",
      )
        .choices(reportFormats)
        .default("html"),
    )
    .option("--out <path>", "file to write; for svg, png and several DIR a directory")
    .option("--site <dir>", "add the reports to a folder with a page that lists them all")
    .option(
      "--history",
      "levels and changes over many results, those of one label beside each other",
    )
    .option(
      "--metric <name>",
      `of a history; repeatable (default: ${historyMetrics.join(", ")})`,
      collect,
    )
    .option("--min-effect <share>", "smaller changes of a history count as none", "2%")
    .addHelpText(
      "after",
      "\nWithout --out, html goes to DIR/report.html, svg and png to DIR/charts/, md, json and csv to stdout.\n" +
        "The paths of files written are printed. With --site, a DIR that holds no results itself stands for\n" +
        `those directly below it, and no DIR at all for ${runsRoot}. The same with --history, whose html goes to\n` +
        "history.html and whose charts go to history/ without --out.",
    )
    .action(async (dirs: readonly string[], flags: Flags) => {
      if (flags.history === true) {
        await history(dirs.length > 0 ? dirs : [runsRoot], flags);
        return;
      }
      if (flags.metric !== undefined) {
        throw new OsdynoError("bad-input", "--metric is of --history; a report shows all metrics");
      }
      if (flags.site !== undefined) {
        await site(dirs.length > 0 ? dirs : [runsRoot], flags.site, flags);
        return;
      }
      if (dirs.length === 0) {
        throw new OsdynoError("bad-input", "name a directory that run or sweep made");
      }
      if (flags.out === undefined && dirs.length > 1 && flags.format === "json") {
        throw new OsdynoError("bad-input", "several DIR with --format json need --out DIRECTORY");
      }
      for (const [index, dir] of dirs.entries()) {
        await reportOne(dir, flags, dirs.length > 1 ? index + 1 : null);
      }
    });
}

async function history(dirs: readonly string[], flags: Flags): Promise<void> {
  const { format, out, metric: metrics = historyMetrics } = flags;
  if (flags.site !== undefined) {
    throw new OsdynoError("bad-input", "--site has its history already; leave out --history");
  }
  if (format === "csv") {
    throw new OsdynoError(
      "bad-input",
      "--history has no csv; osdyno results query --csv has all figures",
    );
  }
  const minEffect = shareOf(flags.minEffect, "min-effect", 0, 1);
  const { model, skipped } = readHistory(dirs, metrics, { ...usualRules, minEffect });
  for (const { path, why } of skipped) {
    process.stderr.write(`osdyno: left out ${path}: ${why}\n`);
  }
  if (format === "svg" || format === "png") {
    const files = await writeHistoryCharts(model, format, out ?? "history");
    process.stdout.write(files.map((file) => `${file}\n`).join(""));
    return;
  }
  const text = await renderHistory(model, format);
  if (out === undefined && format !== "html") {
    process.stdout.write(text);
    return;
  }
  const file = out ?? "history.html";
  writeAside(file, text);
  process.stdout.write(`${file}\n`);
}

async function site(dirs: readonly string[], out: string, flags: Flags): Promise<void> {
  if (flags.out !== undefined || flags.format !== "html") {
    throw new OsdynoError("bad-input", "--site names its own files; leave out --out and --format");
  }
  const { index, added, total, skipped } = await writeSite(dirs, out);
  for (const { dir, why } of skipped) {
    process.stderr.write(`osdyno: left out ${dir}: ${why}\n`);
  }
  process.stderr.write(`${added} added or drawn again, ${total} in all\n`);
  process.stdout.write(`${index}\n`);
}

/** @param position of one among several directories, which share `--out` */
async function reportOne(dir: string, flags: Flags, position: number | null): Promise<void> {
  const { format, out } = flags;
  if ((format === "md" || format === "json" || format === "csv") && out === undefined) {
    process.stdout.write(await renderDrawing(drawingOf(dir), format));
    return;
  }
  const charts = format === "svg" || format === "png";
  const place =
    out === undefined || position === null
      ? out
      : join(out, charts ? String(position) : `${position}.${format}`);
  const written = await writeReport(dir, {
    format,
    ...(place === undefined ? {} : { out: place }),
  });
  for (const file of written.files) {
    process.stdout.write(`${file}\n`);
  }
}
