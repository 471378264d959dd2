/**
 * Tells our own flags from fio's keys and job files, keeping the order of the latter: in fio's command
 * line it matters what stands before and after `--name`.
 */
import { OsdynoError } from "../engine/base/error.ts";

/** A flag of ours; `value` says whether it takes one. */
export interface OwnFlag {
  readonly name: string;
  readonly value: boolean;
}

export interface SplitArguments {
  /** Values of our flags, in order; a flag without a value has "". */
  readonly own: ReadonlyMap<string, readonly string[]>;
  /** Job files, `-`, and fio's keys as `--KEY=VALUE`, in order. */
  readonly jobs: readonly string[];
}

/** `takesNoValue` knows fio keys that stand alone (`--time_based`). */
export function splitArguments(
  args: readonly string[],
  flags: readonly OwnFlag[],
  takesNoValue: (key: string) => boolean,
): SplitArguments {
  const own = new Map<string, string[]>();
  const jobs: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const argument = args[at] ?? "";
    if (!argument.startsWith("--") || argument === "--") {
      if (argument.startsWith("-") && argument !== "-" && argument !== "--") {
        throw new OsdynoError("bad-input", `${argument}: no such flag; flags begin with --`);
      }
      if (argument !== "--") {
        jobs.push(argument);
      }
      continue;
    }
    const equals = argument.indexOf("=");
    const name = argument.slice(2, equals < 0 ? undefined : equals);
    const flag = flags.find((candidate) => candidate.name === name);
    const next = args[at + 1];
    if (flag === undefined) {
      const joins =
        equals < 0 && next !== undefined && !next.startsWith("--") && !takesNoValue(name);
      jobs.push(joins ? `${argument}=${next}` : argument);
      at += joins ? 1 : 0;
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
  return { own, jobs };
}
