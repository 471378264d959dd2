/** The conformance suite of a hot path over a plug-in: a module of the user's. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { OsdynoError } from "../../engine/base/error.ts";
import {
  type ConformanceResult,
  conformanceChecks,
  runCheck,
} from "../../engine/hot/ioengine/conformance.ts";
import { engineOfPlugIn } from "../../engine/hot/ioengine/plug-in.ts";
import { type BlockEngine, openBlockDevice } from "../../engine/hot/ioengine/registry.ts";
import { RealClock } from "../../engine/os/clock.ts";

export interface ConformanceReport {
  readonly schema: "osdyno-conformance-1";
  readonly hotPath: "ioengine";
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

async function importPlugIn(file: string): Promise<unknown> {
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

/** Runs every check on a plug-in. Throws `bad-input` when the file is none. */
export async function conformPlugIn(
  file: string,
  seed: number,
  onCheck: (done: number, total: number, name: string) => void,
): Promise<ConformanceReport> {
  const exported = await importPlugIn(file);
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
    return {
      schema: "osdyno-conformance-1",
      hotPath: "ioengine",
      name: engine.name,
      describe: engine.describe,
      file,
      seed,
      results,
      conforms: results.every(({ outcome }) => outcome !== "failed"),
    };
  } finally {
    clock.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
