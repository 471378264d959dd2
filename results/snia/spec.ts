/** Reads a sweep file with a `snia:` key: which test of the SNIA PTS, on what, and how much of it. */
import { dirname } from "node:path";
import { z } from "zod";
import type { OsdynoError } from "../../engine/base/error.ts";
import { nearestName } from "../../engine/base/nearest-name.ts";
import { ratingOf } from "../rating.ts";
import { SweepDocument } from "../sweep/document.ts";

export const sniaTests = [
  "iops",
  "throughput",
  "latency",
  "write-saturation",
  "host-idle",
  "cross-stimulus",
  "composite",
] as const;
export type SniaTest = (typeof sniaTests)[number];

/** What is done on a smaller scale than the standard asks. */
export interface SniaScale {
  /** Taken for the user capacity; null: all of it. */
  readonly capacityBytes: number | null;
  /** What stands for a minute of the standard, seconds. */
  readonly minuteSeconds: number;
  /** Bursts of a state of host idle recovery (360). */
  readonly cycles: number;
}

export const fullScale: SniaScale = { capacityBytes: null, minuteSeconds: 60, cycles: 360 };

export interface SniaSpec {
  readonly file: string;
  /** What stands in it; absent where there is none of its own. */
  readonly text?: string;
  readonly name: string;
  readonly question: string;
  /** The device or file; null: the command line must name it. */
  readonly target: string | null;
  readonly test: SniaTest;
  readonly deviceClass: "enterprise" | "client";
  readonly edition: "1.1" | "2.0.2";
  /** Of a file that is made; null: of the device, or the file that is there. */
  readonly sizeBytes: number | null;
  /** Share of the user capacity that is used. */
  readonly activeRange: number;
  readonly threads: number;
  readonly depth: number;
  /** `none`, `trim`, or how it was done before. */
  readonly purge: string;
  readonly scale: SniaScale;
  readonly ratedWriteBytes: number | null;
  /** The device profile that states it; absent: whoever wrote the file, or nobody. */
  readonly ratedFrom?: string;
  /** Ends before more than this is written. */
  readonly mostWriteBytes: number | null;
  /** Who ran it, for whom, ...: lines of the report's head. */
  readonly people: Readonly<Record<string, string>>;
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  pb: 1e15,
};

/** `512m`, `8GiB`, `600TB`: bare letters are powers of 1024; null when it is no size. */
export function readSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = units[(match?.[2] ?? "?").toLowerCase()];
  const bytes = match === null || unit === undefined ? 0 : Math.round(Number(match[1]) * unit);
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : null;
}

/** `250ms`, `1s`, `2m` in seconds; null when it is no time. */
function readSeconds(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text.trim());
  const unit = { ms: 1e-3, s: 1, m: 60 }[match?.[2] ?? ""];
  return match === null || unit === undefined ? null : Number(match[1]) * unit;
}

const scalar = z.union([z.string(), z.number()]).transform(String);
const size = scalar.transform((text, context) => {
  const bytes = readSize(text);
  if (bytes === null) {
    context.addIssue("give a size such as 512m, 8GiB or 600TB");
    return z.NEVER;
  }
  return bytes;
});
const minute = scalar.transform((text, context) => {
  const seconds = readSeconds(text);
  if (seconds === null || seconds < 0.01 || seconds > 60) {
    context.addIssue("give what stands for a minute of the standard: 10ms to 60s");
    return z.NEVER;
  }
  return seconds;
});
const scale = z.strictObject({
  capacity: size.optional(),
  minute: minute.optional(),
  cycles: z.coerce.number().int().min(1).max(360).optional(),
});

const percentage = scalar.transform((text, context) => {
  const share = /^\d+(\.\d+)?%$/.test(text) ? Number(text.slice(0, -1)) / 100 : Number.NaN;
  if (!(share > 0 && share <= 1)) {
    context.addIssue("give a percentage up to 100%");
    return z.NEVER;
  }
  return share;
});

const sniaSchema = z.strictObject({
  test: z.enum(sniaTests),
  class: z.enum(["enterprise", "client"]).default("enterprise"),
  edition: scalar.pipe(z.enum(["1.1", "2.0.2"])).default("2.0.2"),
  size: size.optional(),
  active_range: percentage.optional(),
  threads: z.number().int().min(1).max(64).optional(),
  iodepth: z.number().int().min(1).max(1024).optional(),
  purge: z.string().min(1).default("none"),
  scale: scale.optional(),
  endurance: z.strictObject({ rated: scalar.optional(), most: size.optional() }).default({}),
  report: z.record(z.string(), scalar).default({}),
});

const fileSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "use letters, digits, '.', '_' and '-'"),
  question: z.string().default(""),
  targets: z.array(z.string()).length(1, "a test of the SNIA PTS has one target").optional(),
  snia: sniaSchema,
});

/** Whether a sweep file is a test of the SNIA PTS; false when it cannot be read. */
export function isSniaFile(path: string): boolean {
  try {
    const { raw } = new SweepDocument(path);
    return typeof raw === "object" && raw !== null && Object.hasOwn(raw, "snia");
  } catch {
    return false;
  }
}

function issueText(issue: z.core.$ZodIssue | undefined, raw: object): string {
  if (issue?.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const known = Object.keys(issue.path[0] === "snia" ? sniaSchema.shape : fileSchema.shape);
    const guess = nearestName(key, known);
    return `no such key: ${key}${guess === null ? "" : `; did you mean ${guess}?`}`;
  }
  if (issue?.path.join(".") === "snia.test") {
    const snia = (raw as { readonly snia?: { readonly test?: unknown } | null }).snia;
    return `${snia?.test ?? "nothing"} is no test; choose ${sniaTests.join(", ")}`;
  }
  return issue?.message ?? "not valid";
}

/** `--scale none`, or `capacity=256m,minute=1s,cycles=3`: instead of the file's. Throws `bad-input`. */
export function readScale(text: string, refuse: (why: string) => OsdynoError): SniaScale {
  if (text === "none") {
    return fullScale;
  }
  const parts = text.split(",").map((part) => part.split("="));
  const result = scale.safeParse(Object.fromEntries(parts));
  if (!result.success || parts.some((part) => part.length !== 2)) {
    const why = result.success ? "" : `: ${issueText(result.error.issues[0], {})}`;
    throw refuse(`give none, or capacity=SIZE,minute=TIME,cycles=N${why}`);
  }
  return scaleOf(result.data);
}

function scaleOf(given: z.infer<typeof scale> | undefined): SniaScale {
  return {
    capacityBytes: given?.capacity ?? null,
    minuteSeconds: given?.minute ?? fullScale.minuteSeconds,
    cycles: given?.cycles ?? fullScale.cycles,
  };
}

/** `600TB`, or a device profile, by name or by its path from the file. */
function ratedOf(
  text: string | undefined,
  document: SweepDocument,
  directory: string,
): Pick<SniaSpec, "ratedWriteBytes" | "ratedFrom"> {
  const bytes = text === undefined ? null : readSize(text);
  if (text === undefined || bytes !== null) {
    return { ratedWriteBytes: bytes };
  }
  const refuse = (why: string) =>
    document.refusal(["snia", "endurance", "rated"], `snia.endurance.rated: ${text}: ${why}`);
  const rating = ratingOf(text, directory, refuse);
  return { ratedWriteBytes: rating.bytes, ratedFrom: rating.from };
}

/** What a file of the right shape says; throws `bad-input` with file and line. */
export function checkedSnia(document: SweepDocument): z.infer<typeof fileSchema> {
  const raw = document.raw as object;
  const result = fileSchema.safeParse(raw);
  if (!result.success) {
    const issue = result.error.issues[0];
    const keys = issue?.path ?? [];
    throw document.refusal(keys, `${keys.join(".") || "sweep"}: ${issueText(issue, raw)}`);
  }
  return result.data;
}

/** Reads and checks the file; throws `bad-input` with file and line. */
export function readSnia(path: string): SniaSpec {
  const document = new SweepDocument(path);
  const { rated } = checkedSnia(document).snia.endurance;
  return {
    ...sniaOf(document),
    ...ratedOf(rated, document, dirname(path)),
    text: document.text,
  };
}

/** What a file means, with what the standard has where it says nothing; but for the rating. */
export function sniaOf(document: SweepDocument): Omit<SniaSpec, "ratedWriteBytes" | "ratedFrom"> {
  const { name, question, targets, snia } = checkedSnia(document);
  const enterprise = snia.class === "enterprise";
  return {
    file: document.path,
    name,
    question: question.trim(),
    target: targets?.[0] ?? null,
    test: snia.test,
    deviceClass: snia.class,
    edition: snia.edition,
    sizeBytes: snia.size ?? null,
    activeRange: snia.active_range ?? (enterprise ? 1 : 0.75),
    threads: snia.threads ?? (enterprise ? 4 : 2),
    depth: snia.iodepth ?? (enterprise ? 32 : 16),
    purge: snia.purge,
    scale: scaleOf(snia.scale),
    mostWriteBytes: snia.endurance.most ?? null,
    people: snia.report,
  };
}
