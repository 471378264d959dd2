/**
 * Tells our own flags from fio's keys and job files, keeping the order of the latter: in fio's command
 * line it matters what stands before and after `--name`.
 */
import { OsdynoError } from "../engine/base/error.ts";
import { nearestName } from "../engine/base/nearest-name.ts";
import { findKey, isKnownName, jobKeys } from "../workloads/job/key-lookup.ts";

/** A flag of ours; `value` says whether it takes one. */
export interface OwnFlag {
  readonly name: string;
  readonly value: boolean;
  /** Every value counts; any other flag that has one is given once. */
  readonly repeatable?: true;
}

export interface SplitArguments {
  /** Values of our flags, in order; a flag without a value has "". */
  readonly own: ReadonlyMap<string, readonly string[]>;
  /** Job files, `-`, and fio's keys as `--KEY=VALUE`, in order. */
  readonly jobs: readonly string[];
}

/** What is neither a flag nor a key of fio's or ours; the guess looks among both. */
function unknownOption(name: string, flags: readonly OwnFlag[]): OsdynoError {
  const keys = jobKeys.flatMap((key) => [key.name, ...key.aliases]);
  const names = [...flags.map((flag) => flag.name), ...keys];
  const guess = nearestName(name, names);
  return new OsdynoError(
    "bad-input",
    `unknown option --${name}${guess === null ? "" : `; did you mean --${guess}?`} (flags: --help, job keys: see fio)`,
  );
}

/** The refusal of a second value where only one would hold. */
export function givenTwice(name: string, values: readonly string[]): OsdynoError {
  const all = values.map((value) => `--${name} ${value}`).join(", ");
  const advice =
    name === "target" ? "it is all jobs'; target= in a section is that job's" : "leave one out";
  return new OsdynoError("bad-input", `${all}: given twice, and only one can hold; ${advice}`);
}

/** Splits a command line; what is no flag of ours is left as it stands, for the job parser. */
export function splitArguments(args: readonly string[], flags: readonly OwnFlag[]): SplitArguments {
  const own = new Map<string, string[]>();
  const jobs: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const argument = args[at] ?? "";
    const equals = argument.indexOf("=");
    const name = argument.slice(2, equals < 0 ? undefined : equals);
    const flag = argument.startsWith("--")
      ? flags.find((candidate) => candidate.name === name)
      : undefined;
    const next = args[at + 1];
    if (flag === undefined) {
      jobs.push(argument);
      if (argument.startsWith("--") && !isKnownName(name)) {
        throw unknownOption(name, flags);
      }
      const key = argument.startsWith("-") && equals < 0 ? findKey(name) : null;
      if (key !== null && key.type !== "word" && next !== undefined) {
        jobs.push(next);
        at += 1;
      }
      continue;
    }
    const values = own.get(name) ?? [];
    own.set(name, values);
    if (!flag.value) {
      if (equals >= 0) {
        throw new OsdynoError("bad-input", `--${name} takes no value`);
      }
      values.push("");
    } else if (equals >= 0) {
      values.push(argument.slice(equals + 1));
    } else if (next !== undefined) {
      values.push(next);
      at += 1;
    } else {
      throw new OsdynoError("bad-input", `--${name} needs a value`);
    }
  }
  for (const { name, value, repeatable } of flags) {
    const values = own.get(name) ?? [];
    if (value && repeatable !== true && values.length > 1) {
      throw givenTwice(name, values);
    }
  }
  return { own, jobs };
}
