/**
 * Draws a report in a process of its own: the drawing libraries take more memory than a run with all its
 * histograms, and a run must stay small.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OsdynoError } from "../../engine/base/error.ts";

const script = fileURLToPath(new URL("draw-process.ts", import.meta.url));

/** Writes `report.html` of the results in `directory`; answers its path. Throws `io` with the drawer's own line. */
export async function drawReport(directory: string): Promise<string> {
  const child = spawn(process.execPath, ["--max-semi-space-size=2", script, directory], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words += text;
  });
  const code = await new Promise<number | null>((done, fail) => {
    child.on("error", fail);
    child.on("close", done);
  });
  if (code !== 0) {
    const line = words.trim().split("\n").at(-1) ?? "";
    throw new OsdynoError("io", `the report of ${directory} could not be drawn: ${line}`);
  }
  return join(directory, "report.html");
}
