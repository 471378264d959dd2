/** `osdyno sweep` on a file with a `snia:` key: a test of the SNIA PTS. */
import { join, relative, resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import type { EnduranceChoice } from "../results/endurance.ts";
import { safePlan } from "../results/perform.ts";
import { drawReport } from "../results/report/draw.ts";
import { runDirectoryName, runsRoot } from "../results/run-directory.ts";
import { jobText } from "../results/snia/cells.ts";
import { conductSnia, type SniaRequest } from "../results/snia/conduct.ts";
import { deviationsOf, deviceOf, sizesOf } from "../results/snia/device.ts";
import { knownSnia } from "../results/snia/known.ts";
import { loadSnia } from "../results/snia/load.ts";
import { planLines, planSnia } from "../results/snia/plan-text.ts";
import { proceduresOf } from "../results/snia/procedures.ts";
import { sniaText } from "../results/snia/result-text.ts";
import { readScale, readSnia, type SniaSpec } from "../results/snia/spec.ts";
import { givenOf } from "../results/sweep/given.ts";
import { fillIn } from "../results/sweep/values.ts";
import type { SweepRecord } from "../results/sweep-record.ts";
import { hostEnvironment } from "../workloads/job/host-environment.ts";
import { parseJobs } from "../workloads/job/parse.ts";
import { showcmd } from "../workloads/job/showcmd.ts";
import { scratchDirectory } from "../workloads/scratch.ts";
import { last, settingsOf } from "./commands/run.ts";
import { tellingKept } from "./kept-line.ts";
import { type Outputs, writeResult } from "./outputs.ts";
import { makeProgress } from "./progress.ts";
import { runEvents } from "./run-events.ts";
import type { SplitArguments } from "./split-arguments.ts";

type Own = SplitArguments["own"];

/** Flags of a sweep that mean nothing to a procedure that is fixed. */
const notHere = ["repeat", "section", "parse-only", "threshold", "junit"] as const;

export interface SniaArguments {
  readonly file: string;
  readonly overrides: readonly string[];
  readonly own: Own;
  readonly command: readonly string[];
  readonly budgetSeconds: number | null;
  readonly signal: AbortSignal;
}

/** The rating of `--endurance` holds over the file's. */
function withRating(spec: SniaSpec, choice: EnduranceChoice | null): SniaSpec {
  if (choice === null || choice.ratedBytes === null) {
    return spec;
  }
  const { ratedFrom: _, ...rest } = spec;
  const given = choice.ratedFrom === "given" ? {} : { ratedFrom: choice.ratedFrom };
  return { ...rest, ratedWriteBytes: choice.ratedBytes, ...given };
}

/** Everything but the events: reads, looks at the target, judges its safety; creates nothing. */
function requestOf(args: SniaArguments): Omit<SniaRequest, "events"> {
  const { own, overrides, command, signal } = args;
  const stray = notHere.find((name) => own.has(name));
  if (stray !== undefined) {
    throw new OsdynoError(
      "bad-input",
      `--${stray}: a test of the SNIA PTS has its own; leave it out`,
    );
  }
  const read = readSnia(args.file);
  const scale = last(own, "scale");
  const refuse = (why: string) => new OsdynoError("bad-input", `--scale ${scale}: ${why}`);
  const scaled = scale === undefined ? read : { ...read, scale: readScale(scale, refuse) };
  const { endurance, ...settings } = settingsOf(own, command, signal);
  // The test counts itself, over interruptions, too.
  const spec = {
    ...withRating(scaled, endurance?.choice ?? null),
    mostWriteBytes: endurance?.choice.mostBytes ?? scaled.mostWriteBytes,
  };
  const host = hostEnvironment();
  const variables = { SCRATCH: host.variables["SCRATCH"] ?? scratchDirectory() };
  const environment = { ...host, variables: { ...host.variables, ...variables } };
  const named = settings.target ?? spec.target;
  if (named === null) {
    const why = "name the device: --target raw:/dev/..., or targets: in the file";
    throw new OsdynoError("bad-input", why, { file: args.file });
  }
  const target = fillIn(named, variables);
  const device = deviceOf(spec, target, environment, settings.workingDirectory);
  const sizes = sizesOf(spec, device);
  const resume = last(own, "resume");
  const name = settings.label === "" ? spec.name : settings.label;
  const out = resume ?? last(own, "out") ?? join(runsRoot, runDirectoryName(Date.now(), name));
  const directory = resolve(out);
  const given = givenOf({ overrides, settings: { ...settings, target } }, null);
  const known = knownSnia(directory, resume !== undefined, spec, device, sizes, given);
  const before = known?.snia?.endurance;
  return {
    ...{ device, sizes, directory, overrides, environment },
    sections: proceduresOf(spec, sizes),
    known,
    // What the first command said of endurance holds until one says otherwise.
    spec: {
      ...spec,
      mostWriteBytes: spec.mostWriteBytes ?? before?.most_bytes ?? null,
      ...(spec.ratedWriteBytes === null && before !== undefined ? ratingBefore(before) : {}),
    },
    seed: settings.seed ?? 1,
    budgetSeconds: args.budgetSeconds,
    settings: { ...settings, target, report: false },
  };
}

function ratingBefore({
  rated_bytes: ratedWriteBytes,
  rated_from: ratedFrom,
}: NonNullable<SweepRecord["snia"]>["endurance"]): Partial<SniaSpec> {
  return ratedFrom === undefined ? { ratedWriteBytes } : { ratedWriteBytes, ratedFrom };
}

/** The cells of every step that is known beforehand, as parsed jobs with their place. */
function parsedSteps(request: Omit<SniaRequest, "events">) {
  const { sections, sizes, overrides, environment, device } = request;
  return sections.flatMap(({ id, steps }) =>
    steps.flatMap((step) => {
      const cells =
        step.kind === "fill" || step.kind === "saturate"
          ? [step.cell]
          : step.kind === "histograms"
            ? [step.before]
            : step.cells;
      const bounded = cells.map((cell) =>
        cell.seconds === null && cell.bytes === null ? { ...cell, bytes: sizes.activeBytes } : cell,
      );
      const name = id === "" ? step.id : `${id}-${step.id}`;
      const text = jobText(bounded, sizes.activeBytes);
      const parsed = parseJobs(
        [
          { kind: "file", name: `${name}.fio`, text },
          { kind: "args", args: [...overrides] },
        ],
        environment,
        { sections: [], target: device.target },
      );
      return [{ name, parsed }];
    }),
  );
}

function linesOf(request: Omit<SniaRequest, "events">): readonly string[] {
  const { spec, device, sizes, sections, overrides, settings } = request;
  const deviations = deviationsOf(spec, device, sizes, {
    ...{ sections: sections.length, trimmed: null, overrides, interruptions: 0 },
    virtual: settings.clock === "virtual",
  });
  return planLines(spec, device, sizes, sections, deviations, settings.clock === "virtual");
}

function dryRun(request: Omit<SniaRequest, "events">, outputs: Outputs): void {
  const lines = linesOf(request);
  const text =
    outputs.format === "normal"
      ? lines.join("\n")
      : JSON.stringify({ plan: planSnia(request.sections), text: lines }, null, 2);
  writeResult(outputs, `${text}\n`);
}

async function measure(request: Omit<SniaRequest, "events">, own: Own, outputs: Outputs) {
  const progress = makeProgress(!own.has("no-progress"));
  const events = runEvents(progress);
  try {
    const result = await conductSnia({
      ...request,
      events: {
        ...events,
        step: (title) => events.begin(title),
        round: (line) => progress.note(line),
      },
    });
    progress.end();
    if (!own.has("no-report")) {
      await drawReport(result.directory);
    }
    const text =
      outputs.format === "normal"
        ? sniaText(loadSnia(result.directory))
        : JSON.stringify(result.record, null, 2);
    writeResult(outputs, `${text}\n`);
    const shown = relative(process.cwd(), result.directory);
    process.stderr.write(`results: ${shown.startsWith("..") ? result.directory : shown}\n`);
    if (result.failure !== null) {
      throw result.failure;
    }
  } finally {
    progress.end();
  }
}

/** Plans, shows the plan and its bytes, and conducts the test. */
export async function sniaSweep(args: SniaArguments, outputs: Outputs): Promise<number> {
  const request = requestOf(args);
  const steps = parsedSteps(request);
  if (args.own.has("showcmd")) {
    process.stdout.write(steps.map(({ parsed }) => showcmd(parsed)).join(""));
    return 0;
  }
  for (const { parsed } of steps) {
    const { settings, directory, known } = request;
    const ownFiles = (known?.files ?? []).map(({ path }) => path);
    safePlan({ parsed, directory, settings, ownFiles });
  }
  if (args.own.has("dry-run")) {
    dryRun(request, outputs);
    return 0;
  }
  for (const line of linesOf(request)) {
    process.stderr.write(`${line}\n`);
  }
  await tellingKept(request.directory, "sweep.json", () => measure(request, args.own, outputs));
  return 0;
}
