/** `osdyno writelog info|flush|invalidate LOGDEVICE`: a write log that no run has open. */
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { formatBytes } from "../../results/units.ts";
import {
  flushLog,
  invalidateLog,
  type LogInfo,
  logInfo,
} from "../../workloads/runner/log-tools.ts";

const print = (text: string) => process.stdout.write(`${text}\n`);

function infoText(path: string, info: LogInfo): string {
  const { root, entries, dirtyEntries, dirtyBytes, fill } = info;
  const state = root.clean ? "shut down clean" : "in use, or not shut down";
  return [
    `${path}: write log of mode ${root.mode}, ${formatBytes(root.poolBytes)}, ${state}`,
    `stands before ${root.imageUri}, ${formatBytes(root.imageBytes)} in blocks of ${root.blockBytes} bytes`,
    `${entries} entries, ${dirtyEntries} of them (${formatBytes(dirtyBytes)}) not in the image for sure; ${(100 * fill).toFixed(1)}% full`,
    `generation ${root.currentGeneration}, in the image up to ${root.flushedGeneration}; opened ${root.epoch} times`,
  ].join("\n");
}

export function writelogCommand(): Command {
  const command = new Command("writelog").description(
    "look into a write log, write it back, give it up",
  );
  command
    .command("info")
    .description("what it holds and what it stands before")
    .argument("<log>", "device or file")
    .option("--json", "one JSON document")
    .action(async (path: string, flags: { json?: true }) => {
      const info = await logInfo(path);
      print(flags.json === true ? JSON.stringify(info, null, 2) : infoText(path, info));
    });
  command
    .command("flush")
    .description("writes everything back to the image; the log is empty afterwards")
    .argument("<log>", "device or file")
    .action(async (path: string) => {
      const { imageUri, entries } = await flushLog(path);
      print(`${path}: ${entries} entries written back to ${imageUri}`);
    });
  command
    .command("invalidate")
    .description("gives up what the image does not have")
    .argument("<log>", "device or file")
    .option("--destroy", "also when that loses acknowledged writes")
    .action(async (path: string, flags: { destroy?: true }) => {
      const { dirtyEntries } = await logInfo(path).catch((error: unknown) => {
        // A damaged log can be given up, but not counted.
        if (error instanceof OsdynoError && error.code === "io") {
          return { dirtyEntries: null };
        }
        throw error;
      });
      if (dirtyEntries !== 0 && flags.destroy !== true) {
        const what = dirtyEntries === null ? "damaged entries" : `${dirtyEntries} entries`;
        throw new OsdynoError(
          "unsafe",
          `${path} has ${what} that the image may lack; osdyno writelog flush writes them back, --destroy gives them up`,
        );
      }
      await invalidateLog(path);
      print(`${path}: empty`);
    });
  return command;
}
