// Builds the native addon with cargo and puts it at native/osdyno.node. Runs on the machine's own
// Node (20 or later), since it is part of `npm install`.
import { spawnSync } from "node:child_process";
import { copyFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

function fail(line) {
  process.stderr.write(`osdyno: ${line}\n`);
  process.exit(1);
}

function has(command) {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
}

if (process.platform !== "linux") {
  fail(`the native addon needs Linux, this is ${process.platform}`);
}
if (!has("cargo")) {
  fail(
    "cargo is missing: install Rust 1.85 or later (rustup, or your distribution's package), then run npm install again",
  );
}
if (!["c++", "g++", "clang++"].some(has)) {
  fail("a C++ compiler is missing: apt install g++, then run npm install again");
}

const build = spawnSync("cargo", ["build", "--release", "--locked", "-p", "osdyno-binding"], {
  cwd: here,
  stdio: ["ignore", "inherit", "inherit"],
});
if (build.status !== 0) {
  fail("the native addon did not build; cargo's message is above");
}

const target = process.env.CARGO_TARGET_DIR ?? join(here, "target");
const fresh = join(here, `osdyno.node.${process.pid}`);
copyFileSync(join(target, "release", "libosdyno_binding.so"), fresh);
renameSync(fresh, join(here, "osdyno.node"));
