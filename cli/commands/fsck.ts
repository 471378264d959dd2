/** `osdyno fsck PATH`: checks a store, and mends what can be mended. */
import { Command } from "commander";
import { type FsckReport, fsckStore } from "../../engine/store/bluestore/fsck/fsck.ts";
import { withStoreParts } from "../../engine/store/store-tools.ts";
import { loadPlugIns } from "../../results/plug-ins.ts";
import { formatBytes } from "../../results/units.ts";
import { readSetting } from "../../workloads/stack.ts";

interface FsckFlags {
  readonly deep?: true;
  readonly repair?: true;
  readonly json?: true;
  readonly set: readonly string[];
}

const repairWords = {
  done: "mended",
  possible: "--repair mends it",
  no: "cannot be mended",
} as const;

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function printReport(path: string, report: FsckReport, flags: FsckFlags): void {
  const { label, opened, counts, notes, errors, total, left, checkedBytes } = report;
  const lines = [
    `${path}: store ${label.storeId}, ${formatBytes(label.sizeBytes)}, metadata in ${label.kv}`,
  ];
  if (opened) {
    lines.push(
      `${plural(counts.objects, "object")} in ${plural(counts.collections, "collection")}, ` +
        `${plural(counts.extents, "extent")}, ${plural(counts.blobs, "blob")}, ` +
        `${plural(counts.sharedBlobs, "shared blob")}, ${plural(counts.omapKeys, "omap key")}, ` +
        `${plural(counts.deferredWrites, "deferred write")}`,
    );
  }
  if (opened && flags.deep === true) {
    lines.push(`${formatBytes(checkedBytes)} of data compared with their checksums`);
  }
  lines.push(...notes.map((note) => `note: ${note}`));
  for (const { kind, message, repair } of errors) {
    lines.push(`error: ${kind}: ${message} (${repairWords[repair]})`);
  }
  if (total > errors.length) {
    lines.push(`... and ${total - errors.length} more of these kinds`);
  }
  const mended = total - left;
  lines.push(
    total === 0
      ? "no errors"
      : `${plural(total, "error")}${mended > 0 ? `, ${mended} mended, ${left} left` : ""}`,
  );
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** A repeated `--set`. */
export function gathered(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

/** Before a command that opens a store: what it was made with. */
export async function withPlugIns(command: Command): Promise<void> {
  await loadPlugIns(command.opts<{ plugin: readonly string[] }>().plugin);
}

export function fsckCommand(finish: (code: number) => void): Command {
  return new Command("fsck")
    .description("check a store that is not in use; exit code 1 when errors are left")
    .argument("<path>", "the store's main device or file")
    .option("--deep", "also read all data and compare it with its checksums")
    .option("--repair", "mend what can be mended, and check again")
    .option(
      "--set <name=value>",
      "an option of the store, e.g. where its db device is",
      gathered,
      [],
    )
    .option(
      "--plugin <file>",
      "a module with what the store was made with (checksum, compressor, key-value store)",
      gathered,
      [],
    )
    .option("--json", "one JSON document")
    .hook("preAction", withPlugIns)
    .action(async (path: string, flags: FsckFlags) => {
      const options = { deep: flags.deep === true, repair: flags.repair === true };
      const settings = flags.set.map((text) => readSetting(text, "--set"));
      const report = await withStoreParts({ path, settings, write: options.repair }, (parts) =>
        fsckStore(parts, options),
      );
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify({ path, ...options, ...report }, null, 2)}\n`);
      } else {
        printReport(path, report, flags);
      }
      finish(report.left === 0 ? 0 : 1);
    });
}
