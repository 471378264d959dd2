#!/usr/bin/env -S node --max-semi-space-size=2
// Starts the command on the Node that the project pins: the machine's own may be older than 24. The
// flag keeps the young generation small: a run makes little garbage, and its memory must stay bounded.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
const early = fileURLToPath(new URL("early-signals.ts", import.meta.url));
if (Number(process.versions.node.split(".")[0]) >= 24) {
  // Keeps the compiled form of the TypeScript files between runs: a start costs a third, in time and memory.
  module.enableCompileCache?.();
  const { catchEarly } = await import(early);
  catchEarly(process.argv[2]);
  const { main: run } = await import(main);
  process.exitCode = await run(process.argv.slice(2));
} else {
  const pinned = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));
  if (!existsSync(pinned)) {
    process.stderr.write("osdyno: Node 24 is missing; run npm install in the project's folder\n");
    process.exit(2);
  }
  const self = fileURLToPath(import.meta.url);
  const child = spawn(pinned, [...process.execArgv, self, ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    // A terminal signals the whole group; a lone signal to this process is passed on.
    process.on(signal, () => child.kill(signal));
  }
  child.on("exit", (code, signal) => {
    if (signal === "SIGINT") {
      // It had not come so far as to listen.
      process.stderr.write("osdyno: stopped by SIGINT before it had begun\n");
    }
    process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
  });
}
