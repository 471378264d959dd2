// Every check of the project, in the order in which a failure is cheapest to read. Prints
// `N passed, N failed` as its last line; static checks and builds count as one test each.
//   node test/run.mjs             all, at CI size
//   node test/run.mjs --static    without the tests
//   node test/run.mjs --campaign  the long tests at full size
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const node = join(root, "node_modules", "node", "bin", "node");
const native = join(root, "native");
const campaign = process.argv.includes("--campaign");
const onlyStatic = process.argv.includes("--static");

let passed = 0;
let failed = 0;
let skipped = 0;

function run(command, args, options = {}) {
  process.stdout.write(`\n== ${[command.split("/").at(-1), ...args].join(" ")}\n`);
  return spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
}

function check(command, args, options) {
  if (run(command, args, options).status === 0) {
    passed += 1;
  } else {
    failed += 1;
  }
}

function cargoTests() {
  const result = run("cargo", ["test", "--profile", "checked", "--locked", "--workspace"], {
    cwd: native,
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: campaign ? { ...process.env, PROPTEST_CASES: "20000" } : process.env,
  });
  process.stdout.write(result.stdout);
  let seen = 0;
  for (const match of result.stdout.matchAll(
    /^test result: .* (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  )) {
    passed += Number(match[1]);
    failed += Number(match[2]);
    skipped += Number(match[3]);
    seen += Number(match[2]);
  }
  if (result.status !== 0 && seen === 0) {
    failed += 1;
  }
}

function vitest() {
  const folder = mkdtempSync(join(tmpdir(), "osdyno-test-"));
  const file = join(folder, "vitest.json");
  const result = run(
    node,
    [
      join(root, "node_modules", "vitest", "vitest.mjs"),
      "run",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${file}`,
    ],
    { env: { ...process.env, ...(campaign ? { OSDYNO_CAMPAIGN: "1" } : {}) } },
  );
  if (existsSync(file)) {
    const report = JSON.parse(readFileSync(file, "utf8"));
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    skipped += report.numPendingTests;
    if (result.status !== 0 && report.numFailedTests === 0) {
      failed += 1;
    }
  } else {
    failed += 1;
  }
  rmSync(folder, { recursive: true, force: true });
}

check("node", [join(native, "build.mjs")]);
check(node, [
  join(root, "node_modules", "@biomejs", "biome", "bin", "biome"),
  "check",
  "--error-on-warnings",
  ".",
]);
check(node, [join(root, "node_modules", "typescript", "bin", "tsc"), "--noEmit"]);
check(node, [join(root, "test", "layers.ts")]);
check("cargo", ["fmt", "--check"], { cwd: native });
check(
  "cargo",
  [
    "clippy",
    "--profile",
    "checked",
    "--locked",
    "--workspace",
    "--all-targets",
    "--",
    "-D",
    "warnings",
  ],
  {
    cwd: native,
  },
);
if (!onlyStatic) {
  cargoTests();
  vitest();
}

process.stdout.write(
  `\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`,
);
process.exitCode = failed === 0 ? 0 : 1;
