/** `osdyno fingerprint DEVICE`: what a device can do, as a profile and a portrait. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import {
  type CapacityRequest,
  capacityWrites,
  checkCapacity,
  measureCapacity,
} from "../../results/fingerprint/capacity.ts";
import {
  type FingerprintPlan,
  type FingerprintRequest,
  fingerprint,
  planFingerprint,
} from "../../results/fingerprint/fingerprint.ts";
import {
  type FingerprintPlace,
  fingerprintPlace,
  placeFacts,
} from "../../results/fingerprint/place.ts";
import {
  configurationLines,
  portraitText,
  writePortrait,
} from "../../results/fingerprint/portrait.ts";
import {
  type Profile,
  profileSchemaName,
  profileYaml,
  readProfile,
  statedEndurance,
} from "../../results/fingerprint/profile.ts";
import { runDirectoryName, runsRoot } from "../../results/run-directory.ts";
import { formatBytes, formatCount } from "../../results/units.ts";
import { writeWhole } from "../../results/whole-file.ts";
import { judgePath, refusalLine } from "../../workloads/safety.ts";
import { scratchPlaces } from "../../workloads/scratch.ts";
import { readShape } from "../../workloads/shape-profile.ts";
import { watchInterrupts } from "../interrupt.ts";
import { formatSeconds, makeProgress } from "../progress.ts";

interface Flags {
  readonly capacity?: true;
  readonly out?: string;
  readonly destroy?: true;
  readonly readOnly?: true;
  readonly budget?: string;
  readonly size?: string;
  readonly shape?: string;
  readonly clock?: string;
  readonly rounds: string;
  readonly sample: string;
  readonly seed: string;
  readonly dryRun?: true;
  readonly json?: true;
}

function clockOf({ clock }: Flags): "real" | "virtual" {
  if (clock !== undefined && clock !== "real" && clock !== "virtual") {
    throw new OsdynoError("bad-input", `--clock ${clock}: choose real, virtual`);
  }
  return clock ?? "virtual";
}

function whole(name: string, text: string, low: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < low) {
    throw new OsdynoError("bad-input", `--${name} ${text}: give a whole number of ${low} or more`);
  }
  return value;
}

function bytes(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)$/i.exec(text);
  const value = Math.round(
    Number(match?.[1]) * 1024 ** ["", "k", "m", "g", "t"].indexOf((match?.[2] ?? "").toLowerCase()),
  );
  if (match === null || !Number.isSafeInteger(value) || value < 1) {
    throw new OsdynoError("bad-input", `--${name} ${text}: give bytes such as 512m or 8g`);
  }
  return value;
}

function checkSafe(place: FingerprintPlace, flags: Flags): void {
  if (place.kind !== "path" || flags.readOnly === true || place.made) {
    return;
  }
  const verdict = judgePath(place.path, {
    destroy: flags.destroy === true,
    scratch: scratchPlaces().map(({ path }) => path),
  });
  if (!verdict.allowed) {
    throw new OsdynoError(
      "unsafe",
      `${refusalLine(verdict)}; --read-only measures what reads can tell`,
    );
  }
}

function planLines(place: FingerprintPlace, plan: FingerprintPlan, rounds: number): string {
  const where = place.kind === "path" ? place.path : place.text;
  const made = place.kind === "path" && place.made ? " (a file that is made and removed)" : "";
  const written =
    plan.writeBytes === 0 || place.kind !== "path"
      ? "nothing"
      : `at most ${formatBytes(plan.writeBytes)}`;
  return (
    `fingerprint of ${where}${made}: ${plan.points} points in ${rounds} rounds over ${formatBytes(plan.regionBytes)}, ` +
    `about ${formatSeconds(plan.seconds)} of samples; writes ${written}\n`
  );
}

/** Where the profile goes. Throws `bad-input` for a file that is no profile: it is not replaced. */
function outOf(flags: Flags, name: string): string {
  const out = flags.out ?? join("profiles", "devices", `${name}.yaml`);
  if (!/\.ya?ml$/.test(out)) {
    throw new OsdynoError("bad-input", `--out ${out}: a profile is a .yaml file; name one`);
  }
  if (existsSync(out) && !readFileSync(out, "utf8").includes(`schema: ${profileSchemaName}`)) {
    throw new OsdynoError("bad-input", `--out ${out} is there and is no device profile`);
  }
  return resolve(out);
}

function finish(profile: Profile, directory: string, out: string, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(profile, null, 2)}\n`);
  } else {
    const lines = [...portraitText(profile), ...configurationLines(profile)];
    process.stdout.write(`${lines.join("\n")}\n`);
  }
  const shown = (path: string) => {
    const near = relative(process.cwd(), path);
    return near.startsWith("..") ? path : near;
  };
  process.stderr.write(`profile: ${shown(out)}\nportrait: ${shown(directory)}/report.html\n`);
}

/** What Ceph's bench writes on top goes to a store of that size. */
const capacityRegion = 512 << 20;
const capacityRounds = 3;

/** The capacity beside the figures, where there is room for a store; why not, as a note. */
async function withCapacity(profile: Profile, request: CapacityRequest): Promise<Profile> {
  try {
    return { ...profile, ceph: await measureCapacity(request) };
  } catch (error) {
    if (error instanceof OsdynoError && error.code === "unsafe") {
      const notes = [...profile.measured.notes, `no capacity for Ceph: ${error.message}`];
      return { ...profile, measured: { ...profile.measured, notes } };
    }
    throw error;
  }
}

/** `--capacity`: that figure alone, into the profile too if there is one already. */
async function capacityAlone(request: CapacityRequest, flags: Flags, out: string): Promise<void> {
  checkCapacity(request);
  const bytes = formatBytes(capacityWrites(request.rounds));
  process.stderr.write(`capacity as Ceph's bench finds it: a store is asked to write ${bytes}\n`);
  if (flags.dryRun === true) {
    return;
  }
  const capacity = await measureCapacity(request);
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify(capacity, null, 2)}\n`);
  } else {
    const { iops, rounds, notes, command } = capacity;
    const range = `${formatCount(iops.low)} to ${formatCount(iops.high)} in ${rounds} rounds`;
    process.stdout.write(
      `${command}\n${range}\n${notes.map((note) => `note: ${note}\n`).join("")}`,
    );
  }
  if (existsSync(out)) {
    writeWhole(out, profileYaml({ ...readProfile(out), ceph: capacity }));
  }
}

async function run(device: string, flags: Flags): Promise<void> {
  const shape = flags.shape === undefined ? null : readShape(flags.shape, process.cwd());
  const place = fingerprintPlace(device, shape !== null, clockOf(flags));
  const rounds = whole("rounds", flags.rounds, 1);
  const facts = placeFacts(place);
  const out = outOf(flags, shape === null ? facts.name : `${basename(shape.text, ".yaml")}-shaped`);
  const turns = (shape?.shape.deviceClass ?? facts.class) === "hdd";
  const name = basename(out).replace(/\.ya?ml$/, "");
  checkSafe(place, flags);
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const request: FingerprintRequest = {
    place,
    readOnly: flags.readOnly === true,
    rounds,
    sampleNs: whole("sample", flags.sample, 1) * 1e6,
    budgetBytes: bytes("budget", flags.budget ?? (turns ? "64g" : "8g")),
    sizeBytes: flags.size === undefined ? null : bytes("size", flags.size),
    shape,
    turns,
    seed: whole("seed", flags.seed, 0),
    signal: interrupts.signal,
    onStep: (fraction, what) => progress.update(fraction, what),
  };
  const startedEpochMs = Date.now();
  const capacity: CapacityRequest = {
    ...{ place, shape, seed: request.seed, signal: request.signal, onStep: request.onStep },
    rounds: capacityRounds,
    destroy: flags.destroy === true,
    scratch: scratchPlaces().map(({ path }) => path),
  };
  try {
    if (flags.capacity === true) {
      progress.begin("capacity");
      const alone = flags.rounds === "3" ? 6 : rounds;
      await capacityAlone({ ...capacity, rounds: alone }, flags, out);
      return;
    }
    const stated = existsSync(out) ? statedEndurance(out) : null;
    const plan = planFingerprint(request);
    process.stderr.write(planLines(place, plan, rounds));
    if (flags.dryRun === true) {
      return;
    }
    progress.begin("fingerprint");
    const found = await fingerprint(request, plan);
    const roomy = place.kind === "path" && plan.regionBytes >= capacityRegion;
    const whole =
      roomy && !request.readOnly && shape === null ? await withCapacity(found, capacity) : found;
    progress.end();
    const profile = { ...whole, name, ...(stated === null ? {} : { endurance: stated }) };
    const label = `fingerprint-${name}`;
    const directory = resolve(join(runsRoot, runDirectoryName(startedEpochMs, label)));
    await writePortrait(directory, profile);
    mkdirSync(dirname(out), { recursive: true });
    writeWhole(out, profileYaml(profile));
    if (stated !== null) {
      const rated = formatBytes(stated.rated_bytes);
      process.stderr.write(
        `note: endurance: kept from the profile that was there (${rated} rated)\n`,
      );
    }
    finish(profile, directory, out, flags.json === true);
  } finally {
    progress.end();
    interrupts.release();
  }
}

export function fingerprintCommand(): Command {
  return new Command("fingerprint")
    .description(
      "measure what a device can do: a profile, a portrait, and lines for configurations",
    )
    .argument("<device>", "a block device, a file, a folder (a file is made in it), or null:?...")
    .option(
      "--capacity",
      "only what mClock shares out, measured on a store as Ceph's own bench does",
    )
    .option("--out <file>", "the profile (default: profiles/devices/NAME.yaml)")
    .option("--destroy", "allow writing to what is not a scratch place")
    .option("--read-only", "write nothing; figures of reads only")
    .option("--budget <bytes>", "written at most (default: 8g, of a disk that turns 64g)")
    .option("--size <bytes>", "of a file that is made; of a device, the part looked at, at most")
    .option(
      "--shape <profile>",
      "the device behaves like this one: hdd-7200, sata-ssd, nvme, pmem, FILE",
    )
    .option("--clock <kind>", "of null: with a shape: virtual (default), or real over memory")
    .option("--rounds <n>", "samples of each point, each round in an order of its own", "3")
    .option("--sample <ms>", "length of a sample", "200")
    .option("--seed <n>", "of the order and of the places", "1")
    .option("--dry-run", "print what would be done")
    .option("--json", "print the profile as one JSON document")
    .action(run);
}
