/** Mounting a store of many objects, after a clean end and after none, each time in a fresh process. */
import { spawn } from "node:child_process";
import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OsdynoError } from "../../engine/base/error.ts";
import type { OptionSetting } from "../../engine/options/option-set.ts";
import type { MedianInterval } from "../stats/order-statistics.ts";
import { overRounds } from "./rounds.ts";
import type { MountAnswer, MountTask } from "./store-mount-process.ts";

export interface MountRow {
  readonly kv: string;
  readonly objects: number;
  /** How the store had ended. */
  readonly end: "clean" | "unclean";
  readonly seconds: MedianInterval;
  readonly cpuSeconds: MedianInterval;
  /** Resident memory of the process once it is mounted. */
  readonly mountedBytes: MedianInterval;
  /** The same after each object's metadata was looked at; `null`: it was not. */
  readonly lookedAtBytes: MedianInterval | null;
  /** `osd_memory_target`. */
  readonly memoryTargetBytes: number;
}

export interface MountBenchOptions {
  readonly kv: string;
  readonly objects: number;
  readonly rounds: number;
  readonly settings: readonly OptionSetting[];
  readonly seed: number;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onStep: (step: string) => void;
}

const program = fileURLToPath(new URL("store-mount-process.ts", import.meta.url));

function performed(task: MountTask, signal: AbortSignal): Promise<MountAnswer> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, JSON.stringify(task)], { signal });
    let out = "";
    let err = "";
    child.stdout.on("data", (data) => {
      out += String(data);
    });
    child.stderr.on("data", (data) => {
      err += String(data);
    });
    child.on("error", (error) => {
      const stopped = signal.aborted;
      const message = stopped ? "the bench was stopped" : `a process ended: ${error.message}`;
      reject(new OsdynoError(stopped ? "interrupted" : "io", message));
    });
    child.on("close", (code) => {
      if (code === 0) {
        resolve(JSON.parse(out) as MountAnswer);
      } else {
        const line = err.split("\n").find((each) => each.includes("Error")) ?? `exit code ${code}`;
        reject(new OsdynoError("io", `mounting failed: ${line}`));
      }
    });
  });
}

function rowOf(
  options: MountBenchOptions,
  end: MountRow["end"],
  answers: readonly MountAnswer[],
): MountRow {
  const of = (value: (answer: MountAnswer) => number) => overRounds(answers.map(value));
  return {
    kv: options.kv,
    objects: options.objects,
    end,
    seconds: of(({ seconds }) => seconds),
    cpuSeconds: of(({ cpuSeconds }) => cpuSeconds),
    mountedBytes: of(({ mountedBytes }) => mountedBytes),
    lookedAtBytes: end === "clean" ? of(({ lookedAtBytes }) => lookedAtBytes) : null,
    memoryTargetBytes: answers[0]?.memoryTargetBytes ?? 0,
  };
}

/** Makes a store of so many objects of 4 KiB and mounts it `rounds` times after each kind of end. */
export async function benchMount(options: MountBenchOptions): Promise<readonly MountRow[]> {
  const { kv, objects, rounds, settings, seed, folder, signal, onStep } = options;
  const path = join(folder, `mount-${kv}`);
  // The file is sparse: data takes 4 KiB an object, metadata less.
  const sizeBytes = 2 ** 30 * Math.ceil(1 + (objects * 12_288) / 2 ** 30);
  const task = { path, sizeBytes, objects, settings, seed };
  const file = openSync(path, "w");
  ftruncateSync(file, sizeBytes);
  closeSync(file);
  const mounts = async (clean: boolean): Promise<MountAnswer[]> => {
    const answers: MountAnswer[] = [];
    for (let round = 0; round < rounds; round += 1) {
      onStep(`${kv}, mount ${round + 1} after ${clean ? "a clean end" : "no clean end"}`);
      answers.push(await performed({ ...task, step: "mount", clean }, signal));
    }
    return answers;
  };
  try {
    onStep(`${kv}, making ${objects} objects`);
    await performed({ ...task, step: "make", clean: true }, signal);
    const clean = rowOf(options, "clean", await mounts(true));
    // Leaves the store as a crash does, for those that follow.
    await performed({ ...task, step: "mount", clean: false }, signal);
    return [clean, rowOf(options, "unclean", await mounts(false))];
  } finally {
    rmSync(path, { force: true });
  }
}
