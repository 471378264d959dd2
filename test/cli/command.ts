/** The command as a user types it: processes of their own in a folder of their own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunRecord } from "../../results/run-record.ts";

export const launcher = fileURLToPath(new URL("../../cli/osdyno.mjs", import.meta.url));

export interface Done {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Going {
  readonly child: ChildProcess;
  readonly done: Promise<Done>;
  /** What came to stderr so far. */
  readonly err: () => string;
}

/** Longest that a test waits for what must come; nothing is judged by how long it took. */
const patienceMs = 45_000;

/** Answers when the condition holds; throws, with what it waited for, when it never does. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + patienceMs;
  while (!condition()) {
    if (Date.now() > end) {
      throw new Error(`waited in vain until ${what}`);
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** A folder that is the working directory and the scratch place of the commands in it. */
export class Workplace {
  readonly root = mkdtempSync(join(tmpdir(), "osdyno-cli-"));

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  path(...names: readonly string[]): string {
    return join(this.root, ...names);
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.path(name), content);
    return name;
  }

  exists(...names: readonly string[]): boolean {
    return existsSync(this.path(...names));
  }

  read(...names: readonly string[]): string {
    return readFileSync(this.path(...names), "utf8");
  }

  /** Everything in the folder, sorted. */
  files(): string[] {
    return readdirSync(this.root, { recursive: true }).map(String).sort();
  }

  record(...names: readonly string[]): RunRecord {
    return JSON.parse(this.read(...names, "run.json")) as RunRecord;
  }

  environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return {
      ...process.env,
      OSDYNO_SCRATCH: this.root,
      NO_COLOR: "1",
      // Not where a test has its own temporary directory.
      NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache"),
      ...more,
    };
  }

  /** Runs a command to its end. */
  run(args: readonly string[], options: { input?: string; env?: NodeJS.ProcessEnv } = {}): Done {
    const done = spawnSync(process.execPath, [launcher, ...args], {
      cwd: this.root,
      encoding: "utf8",
      env: this.environment(options.env),
      input: options.input ?? "",
      timeout: patienceMs,
      killSignal: "SIGKILL",
      maxBuffer: 1 << 26,
    });
    return { code: done.status, out: done.stdout, err: done.stderr };
  }

  /** Starts a command; `node` may be another, older one. */
  start(args: readonly string[], node: string = process.execPath): Going {
    const child = spawn(node, [launcher, ...args], {
      cwd: this.root,
      env: this.environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    const done = new Promise<Done>((ended, failed) => {
      const killer = setTimeout(() => {
        child.kill("SIGKILL");
        failed(new Error(`osdyno ${args.join(" ")} hangs; it said: ${err}`));
      }, patienceMs);
      child.on("close", (code) => {
        clearTimeout(killer);
        ended({ code, out, err });
      });
    });
    return { child, done, err: () => err };
  }
}

/** A job on a target that does nothing, for what is not about I/O. */
export const idleJob = (...more: readonly string[]): readonly string[] => [
  "--name=idle",
  "--target=null:?service=100us",
  "--size=1m",
  ...more,
];
