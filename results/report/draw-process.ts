/** The process behind `drawReport`: one argument, the directory; one line on stderr when it fails. */
import module from "node:module";

module.enableCompileCache();
const { writeReport } = await import("./write.ts");
const { OsdynoError } = await import("../../engine/base/error.ts");

// A terminal's Ctrl-C goes to every process; the run that waits for this report has heard it.
process.on("SIGINT", () => {});
try {
  await writeReport(process.argv[2] ?? ".");
} catch (error) {
  const line = error instanceof OsdynoError ? error.line : String(error);
  process.stderr.write(`${line}\n`);
  process.exitCode = 1;
}
