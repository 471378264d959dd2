/** What the plug-ins of every hot path have in common: a module whose default export is a `PlugIn`. */
import { OsdynoError } from "../base/error.ts";

/** The default export of a plug-in's module. */
export interface PlugIn<Context, Options, Made> {
  readonly hotPath: string;
  readonly name: string;
  readonly describe: string;
  create(context: Context, options: Options): Made;
}

const shape = "a plug-in's default export is {hotPath, name, describe, create(context, options)}";

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** Which hot path a module's default export is for; `null` when it does not say. */
export function hotPathOf(exported: unknown): string | null {
  const named = fields(exported)["hotPath"];
  return typeof named === "string" ? named : null;
}

/** The module's default export as a plug-in for `hotPath`; throws `bad-input` with what it lacks. */
export function plugInOf<Context, Options, Made>(
  exported: unknown,
  hotPath: string,
  file: string,
): PlugIn<Context, Options, Made> {
  const given = fields(exported);
  const refuse = (what: string): never => {
    throw new OsdynoError("bad-input", `${what}; ${shape}`, { file });
  };
  if (given["hotPath"] !== hotPath) {
    refuse(`hotPath is ${JSON.stringify(given["hotPath"])}, not "${hotPath}"`);
  }
  for (const name of ["name", "describe"] as const) {
    if (typeof given[name] !== "string" || given[name] === "") {
      refuse(`${name} is no text`);
    }
  }
  if (typeof given["create"] !== "function") {
    refuse("create is no function");
  }
  return exported as PlugIn<Context, Options, Made>;
}
