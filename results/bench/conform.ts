/** The conformance suite of a hot path over a plug-in: a module of the user's. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { OsdynoError } from "../../engine/base/error.ts";
import * as allocator from "../../engine/hot/allocator/conformance.ts";
import { allocatorOfPlugIn } from "../../engine/hot/allocator/plug-in.ts";
import { createAllocator } from "../../engine/hot/allocator/registry.ts";
import {
  type ConformanceResult,
  conformanceChecks,
  runCheck,
} from "../../engine/hot/ioengine/conformance.ts";
import { engineOfPlugIn } from "../../engine/hot/ioengine/plug-in.ts";
import { type BlockEngine, openBlockDevice } from "../../engine/hot/ioengine/registry.ts";
import { RealClock } from "../../engine/os/clock.ts";
import { conformKeyValue } from "./conform-kv.ts";
import { conformLayer, type LayerHotPath } from "./conform-layers.ts";
import { plainPlugIns } from "./conform-plain.ts";

export interface ConformanceReport {
  readonly schema: "osdyno-conformance-1";
  readonly hotPath: "ioengine" | "allocator" | "kv" | LayerHotPath | keyof typeof plainPlugIns;
  readonly name: string;
  readonly describe: string;
  readonly file: string;
  readonly seed: number;
  readonly results: readonly ConformanceResult[];
  /** No check failed. */
  readonly conforms: boolean;
}

/** What every check opens its device with; the suite needs 64 blocks and a depth of 4. */
const sizeBytes = 1 << 20;
const geometry = { write: true, depth: 16, slotBytes: 65_536, sizeBytes } as const;

/** A turn of the event loop, and now and then a millisecond: slow devices outlast mere turns. */
function patientTurn(): () => Promise<void> {
  let turns = 0;
  return () => {
    turns += 1;
    const slow = turns % 64 === 0;
    return new Promise((done) => (slow ? setTimeout(done, 1) : setImmediate(done)));
  };
}

/** The default export of a module; throws `bad-input` when it cannot be loaded. */
export async function importPlugIn(file: string): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(resolve(file)).href)) as { default?: unknown };
    return module.default;
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new OsdynoError("bad-input", `cannot be loaded: ${reason}`, { file }, error);
  }
}

/** What a plug-in throws while it opens or works is a failed check, not ours. */
async function checked(
  engine: BlockEngine,
  path: string,
  check: (typeof conformanceChecks)[number],
  seed: number,
): Promise<ConformanceResult> {
  const open = () => ({
    device: engine.create({ ...geometry, ...(engine.needsPath ? { path } : {}) }),
    pass: patientTurn(),
    below: null,
  });
  const subject = { name: engine.name, open, openFailing: null, openShort: null };
  try {
    return await runCheck(subject, check, seed);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { check: check.name, outcome: "failed", reason: `it threw: ${reason} (seed ${seed})` };
  }
}

type OnCheck = (done: number, total: number, name: string) => void;

function reportOf(
  { hotPath, name, describe }: Pick<ConformanceReport, "hotPath" | "name" | "describe">,
  file: string,
  seed: number,
  results: readonly ConformanceResult[],
): ConformanceReport {
  const conforms = results.every(({ outcome }) => outcome !== "failed");
  const schema = "osdyno-conformance-1";
  return { schema, hotPath, name, describe, file, seed, results, conforms };
}

function conformAllocator(
  exported: unknown,
  file: string,
  seed: number,
  onCheck: OnCheck,
): ConformanceReport {
  const kind = allocatorOfPlugIn(exported, { create: createAllocator }, file);
  const checks = allocator.conformanceChecks;
  const results = checks.map((check, done) => {
    onCheck(done, checks.length, check.name);
    return allocator.runCheck(kind, check, seed);
  });
  return reportOf(kind, file, seed, results);
}

function conformPlain(
  hotPath: keyof typeof plainPlugIns,
  exported: unknown,
  file: string,
  seed: number,
  onCheck: OnCheck,
): ConformanceReport {
  const plugIn = plainPlugIns[hotPath](exported, file);
  const results = plugIn.checks.map((check, done) => {
    onCheck(done, plugIn.checks.length, check.name);
    return check.run(seed);
  });
  return reportOf(plugIn, file, seed, results);
}

async function conformIoEngine(
  exported: unknown,
  file: string,
  seed: number,
  onCheck: OnCheck,
): Promise<ConformanceReport> {
  const clock = new RealClock();
  const folder = mkdtempSync(join(tmpdir(), "osdyno-conform-"));
  try {
    const engine = engineOfPlugIn(exported, { clock, open: openBlockDevice }, file);
    const path = join(folder, "file");
    writeFileSync(path, new Uint8Array(sizeBytes));
    const results: ConformanceResult[] = [];
    for (const check of conformanceChecks) {
      onCheck(results.length, conformanceChecks.length, check.name);
      results.push(await checked(engine, path, check, seed));
    }
    return reportOf(engine, file, seed, results);
  } finally {
    clock.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs every check on a plug-in. Throws `bad-input` when the file is none. */
export async function conformPlugIn(
  file: string,
  seed: number,
  onCheck: OnCheck,
): Promise<ConformanceReport> {
  const exported = await importPlugIn(file);
  const hotPath = (exported as { readonly hotPath?: unknown } | null | undefined)?.hotPath;
  switch (hotPath) {
    case "allocator":
      return conformAllocator(exported, file, seed, onCheck);
    case "ioengine":
      return conformIoEngine(exported, file, seed, onCheck);
    case "kv": {
      const { engine, results } = await conformKeyValue(exported, file, seed, onCheck);
      return reportOf(engine, file, seed, results);
    }
    case "writelog":
    case "clientcache": {
      const { name, describe, results } = await conformLayer(
        hotPath,
        exported,
        file,
        seed,
        onCheck,
      );
      return reportOf({ hotPath, name, describe }, file, seed, results);
    }
    case "checksum":
    case "compressor":
    case "cache":
    case "scheduler":
      return conformPlain(hotPath, exported, file, seed, onCheck);
    default:
      throw new OsdynoError(
        "bad-input",
        `hotPath is ${JSON.stringify(hotPath)}, none of "ioengine", "allocator", "kv", "checksum", "compressor", "cache", "scheduler", "writelog", "clientcache"; a plug-in's default export is {hotPath, name, describe, create(context, options)}`,
        { file },
      );
  }
}
