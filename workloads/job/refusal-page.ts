/** The README's page of what is refused or has no effect, written from the table of keys. */
import { foreignEngines, refusedKeys, removedKeys } from "./foreign-keys.ts";
import { supportedKeys } from "./keys.ts";

function codes(names: Iterable<string>): string {
  return [...names].map((name) => `\`${name}\``).join(", ");
}

/** Markdown: refused keys by topic with the reason, refused engines, keys without effect. */
export function refusalPage(): string {
  const topics = [...new Set(refusedKeys.map((key) => key.topic))];
  const rows = topics.map((topic) => {
    const keys = refusedKeys.filter((key) => key.topic === topic);
    return `| ${topic} | ${codes(keys.map((key) => key.name))} | ${keys[0]?.reason ?? ""} |`;
  });
  const idle = supportedKeys.filter((key) => key.noEffect !== undefined);
  const reasons = [...new Set(idle.map((key) => key.noEffect ?? ""))];
  return [
    "| about | refused keys | why |",
    "|---|---|---|",
    ...rows,
    `| removed from fio | ${codes(removedKeys)} | fio refuses them too |`,
    "",
    `Refused values: \`zonemode=zbd\`, \`mem=cudamalloc\`, \`random_distribution=sequence\`,`,
    "`allow_mounted_write=1`, sizes in zones (`size=4z`).",
    "",
    "| refused engines | why |",
    "|---|---|",
    ...[...new Set(foreignEngines.values())].map((reason) => {
      const names = [...foreignEngines].filter(([, why]) => why === reason).map(([name]) => name);
      return `| ${codes(names)} | ${reason} |`;
    }),
    "",
    "| accepted without effect | why |",
    "|---|---|",
    ...reasons.map((reason) => {
      const names = idle.filter((key) => key.noEffect === reason).map((key) => key.name);
      return `| ${codes(names)} | ${reason} |`;
    }),
    "",
  ].join("\n");
}
