/** Checks a store that is not mounted, and mends what can be mended. */
import { OsdynoError } from "../../../base/error.ts";
import { ExtentList } from "../../../hot/allocator/allocator.ts";
import type { KeyValueStore } from "../../../hot/kv/kv.ts";
import { Compression } from "../compression.ts";
import { DiskIo } from "../disk-io.ts";
import { BitmapFreelist } from "../freelist.ts";
import {
  isDamage,
  missingCommits,
  missingNotes,
  openKv,
  readsDiffer,
  SharedSpace,
} from "../kv-space.ts";
import type { DeviceLabel } from "../label.ts";
import { checkLabels } from "../label-io.ts";
import { makeAllocator } from "../make.ts";
import { type BlueStoreParts, checksumTable } from "../parts.ts";
import { loadGeometry, type StoreGeometry } from "../superblock.ts";
import { commit } from "../waiting.ts";
import { DeepCheck } from "./deep.ts";
import { type Finding, type FindingKind, Findings } from "./findings.ts";
import { noteKvDamage } from "./kv-damage.ts";
import { repairsOf } from "./side-checks.ts";
import { owners } from "./space-map.ts";
import { emptyCounts, Survey, type SurveyCounts } from "./survey.ts";

export interface FsckOptions {
  /** Also reads all data and compares it with its checksums. */
  readonly deep: boolean;
  /** Mends what can be mended, and checks again. */
  readonly repair: boolean;
}

/** A finding as it is told. */
export interface FsckError {
  readonly kind: FindingKind;
  readonly message: string;
  readonly object?: string;
  readonly offsetBytes?: number;
  /** `possible` tells that `repair` would mend it; `no` that nothing can. */
  readonly repair: "done" | "possible" | "no";
}

export interface FsckReport {
  readonly label: DeviceLabel;
  /** Whether the metadata could be opened; if not, nothing was counted or compared. */
  readonly opened: boolean;
  readonly counts: Readonly<SurveyCounts>;
  /** Data that was read and compared. */
  readonly checkedBytes: number;
  /** What is no error, and good to know. */
  readonly notes: readonly string[];
  /** All that was found, at most 1000 of a kind. */
  readonly errors: readonly FsckError[];
  /** How many were found, those that are not listed counted. */
  readonly total: number;
  /** How many are left. */
  readonly left: number;
}

interface Opened {
  readonly kv: KeyValueStore;
  readonly geometry: StoreGeometry;
  /** Damage of the key-value store is among them. */
  readonly findings: Findings;
}

async function openToRead(parts: BlueStoreParts): Promise<Opened> {
  const space = new SharedSpace(parts.options.minAllocBytes);
  const findings = new Findings();
  const salvage = noteKvDamage(findings, parts.kvName);
  const kv = await openKv(parts, { create: false, readOnly: true, salvage }, space);
  try {
    return { kv, findings, geometry: loadGeometry(kv, parts.lane.facts.name) };
  } catch (error) {
    kv.abandon();
    const [damage] = findings.list;
    if (damage !== undefined && error instanceof OsdynoError) {
      // What is missing is among what the damage hides.
      const { name } = parts.lane.facts;
      const text = error.message.replace(`${name}: `, "");
      throw new OsdynoError("io", `${name}: ${damage.message}; ${text}`, { damaged: true }, error);
    }
    throw error;
  }
}

function freelistOf(geometry: StoreGeometry): BitmapFreelist | null {
  return geometry.freelist === "bitmap"
    ? new BitmapFreelist(geometry.unitBytes, geometry.freelistUnitsPerKey)
    : null;
}

function surveyOf(parts: BlueStoreParts, { kv, geometry, findings }: Opened): Survey {
  return new Survey({
    kv,
    findings,
    options: { ...parts.options, minAllocBytes: geometry.unitBytes },
    sumBytes: checksumTable(parts).map((each) => each?.valueBytes ?? -1),
    sizeBytes: geometry.sizeBytes,
    freelist: freelistOf(geometry),
    forEachFree: null,
  }).run();
}

/** What reading all of it brought. */
interface Looked {
  readonly survey: Survey;
  readonly checkedBytes: number;
  readonly geometry: StoreGeometry;
  readonly missing: number;
}

async function look(parts: BlueStoreParts, deeply: boolean): Promise<Looked> {
  const opened = await openToRead(parts);
  const { geometry } = opened;
  const missing = missingCommits(opened.kv);
  try {
    const survey = surveyOf(parts, opened);
    if (!deeply) {
      return { survey, geometry, missing, checkedBytes: 0 };
    }
    const deep = new DeepCheck(survey, {
      io: new DiskIo(parts.lane),
      checksums: checksumTable(parts),
      compression: new Compression(parts.compressor, parts.foreign?.compressors),
      blockBytes: geometry.blockBytes,
      retries: parts.options.retryDiskReads,
      deferred: survey.deferred,
    });
    await deep.run();
    return { survey, geometry, missing, checkedBytes: deep.checkedBytes };
  } finally {
    await opened.kv.close();
  }
}

/**
 * Checks the store; nothing is written unless `repair` is asked for and there is something to repair.
 * Throws `bad-input` or `io` with one line when there is no store that can be opened.
 */
export async function fsckStore(parts: BlueStoreParts, options: FsckOptions): Promise<FsckReport> {
  const label = await checkLabels(parts);
  let looked: Looked;
  try {
    looked = await look(parts, options.deep);
  } catch (error) {
    if (isDamage(error)) {
      return unreadable(label, error.message);
    }
    throw error;
  }
  const { survey, checkedBytes, missing } = looked;
  const { findings, counts } = survey;
  // Beside tables that cannot be read nothing is written: it might be all that is left.
  const mendable = !findings.recordsUnread && findings.list.some(({ repair }) => repair !== null);
  let left: readonly Finding[] = findings.list;
  if (options.repair && mendable) {
    left = await repairAll(parts, looked);
  }
  const messages = new Set(left.map(({ message }) => message));
  const errors = findings.list.map(({ repair, ...told }): FsckError => {
    const gone = options.repair && repair !== null && !messages.has(told.message);
    const no = repair === null || findings.recordsUnread;
    return { ...told, repair: no ? "no" : gone ? "done" : "possible" };
  });
  // What a repair brought to light, such as space that a removed record had hidden.
  const known = new Set(errors.map(({ message }) => message));
  for (const { repair, ...told } of left) {
    if (!known.has(told.message)) {
      errors.push({ ...told, repair: repair === null ? "no" : "possible" });
    }
  }
  const unlisted = findings.total - findings.list.length;
  return {
    label,
    opened: true,
    counts,
    checkedBytes,
    notes: missingNotes(missing),
    errors,
    total: errors.length + unlisted,
    left: errors.filter(({ repair }) => repair !== "done").length + unlisted,
  };
}

/** Of a store whose metadata cannot be opened there is nothing else to tell. */
function unreadable(label: DeviceLabel, reason: string): FsckReport {
  const message = `${reason}; nothing behind it can be checked: make the store anew`;
  return {
    label,
    opened: false,
    counts: emptyCounts(),
    checkedBytes: 0,
    notes: [],
    errors: [{ kind: "metadata", message, repair: "no" }],
    total: 1,
    left: 1,
  };
}

/** Some repairs show what there is more to repair. */
const mostRounds = 4;

async function repairAll(parts: BlueStoreParts, first: Looked): Promise<readonly Finding[]> {
  const data = first.survey.findings.list.filter(({ kind }) => kind === "data");
  let { survey, missing } = first;
  for (let round = 0; round < mostRounds; round += 1) {
    await repairOnce(parts, { ...first, survey, missing });
    const opened = await openToRead(parts);
    try {
      survey = surveyOf(parts, opened);
      missing = missingCommits(opened.kv);
    } finally {
      await opened.kv.close();
    }
    if (!survey.findings.list.some(({ repair }) => repair !== null)) {
      break;
    }
  }
  return [...survey.findings.list, ...data];
}

/** Commits the repairs; the key-value store works in space that nothing whatever refers to. */
async function repairOnce(
  parts: BlueStoreParts,
  { survey, geometry, missing }: Looked,
): Promise<void> {
  const allocator = makeAllocator(parts, geometry);
  let kv: KeyValueStore | null = null;
  try {
    const { unitBytes } = geometry;
    const outstanding = new Set<number>();
    for (const { offsetBytes, bytes } of survey.deferred) {
      const end = Math.ceil((offsetBytes + bytes.length) / unitBytes);
      for (let unit = Math.floor(offsetBytes / unitBytes); unit < end; unit += 1) {
        outstanding.add(unit);
      }
    }
    const free = new ExtentList();
    survey.space.eachRun(
      (unit) => survey.space.ownerOf(unit) === owners.nobody && !outstanding.has(unit),
      (offset, length) => free.push(offset, length),
    );
    allocator.release(free);
    const space = new SharedSpace(unitBytes);
    space.allocator = allocator;
    kv = await openKv(parts, { create: false, readOnly: false }, space);
    if (missingCommits(kv) !== missing) {
      throw readsDiffer(parts.lane.facts.name);
    }
    await commit(kv, repairsOf(survey, kv), parts.lane.facts.name);
    await kv.close();
  } catch (error) {
    kv?.abandon();
    const reason = error instanceof Error ? error.message : String(error);
    throw error instanceof OsdynoError
      ? error
      : new OsdynoError("io", `${parts.lane.facts.name}: repairing failed: ${reason}`, {}, error);
  } finally {
    allocator.close();
  }
}
