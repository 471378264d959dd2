/** fio's `--cmdhelp` and `--enghelp`, from the table of keys. */
import { OsdynoError } from "../engine/base/error.ts";
import { nearestName } from "../engine/base/nearest-name.ts";
import { foreignEngines, supportedEngines } from "../workloads/job/foreign-keys.ts";
import { type JobKey, jobKeys } from "../workloads/job/key-lookup.ts";
import { enginesOf } from "../workloads/job/queue-keys.ts";

function line(key: JobKey): string {
  return `${key.name.padEnd(28)}: ${key.summary}\n`;
}

function facts(key: JobKey): string {
  const rows: readonly (readonly [string, string])[] = [
    [key.name, key.summary],
    ["alias", key.aliases.join(", ")],
    ["type", key.type ?? ""],
    ["unit", key.unit],
    ["default", key.default],
  ];
  return rows
    .filter(([, text]) => text !== "")
    .map(([name, text]) => `${name.padStart(20)}: ${text}\n`)
    .join("");
}

function keyNamed(name: string, among: readonly JobKey[] = jobKeys): JobKey {
  const key = among.find((each) => each.name === name || each.aliases.includes(name));
  if (key === undefined) {
    const near = nearestName(
      name,
      among.flatMap((each) => [each.name, ...each.aliases]),
    );
    const hint = near === null ? "" : `; did you mean ${near}?`;
    throw new OsdynoError("bad-input", `there is no key ${name}${hint}`);
  }
  return key;
}

function engineHelp(text: string): string {
  const [engine = "", name] = text.split(",");
  if (engine === "list") {
    return `Available IO engines:\n${supportedEngines.map((each) => `\t${each}\n`).join("")}`;
  }
  if (!supportedEngines.includes(engine)) {
    const reason = foreignEngines.get(engine);
    const known =
      reason === undefined
        ? `is unknown; one of ${supportedEngines.join(", ")}`
        : `is known to fio, not supported here: ${reason}`;
    throw new OsdynoError("bad-input", `--enghelp ${engine}: this engine ${known}`);
  }
  const keys = jobKeys.filter((key) => enginesOf.get(key.name)?.includes(engine) === true);
  if (name !== undefined) {
    return facts(keyNamed(name, keys));
  }
  return keys.length === 0 ? `IO engine ${engine} has no options\n` : keys.map(line).join("");
}

/** The text for `--cmdhelp KEY|all` and `--enghelp ENGINE[,KEY]|list`; null if neither is given. */
export function keyHelp(key: string | null, engine: string | null): string | null {
  if (engine !== null) {
    return engineHelp(engine);
  }
  if (key === null) {
    return null;
  }
  return key === "all" ? jobKeys.map(line).join("") : facts(keyNamed(key));
}
