/** Every tuning parameter, once, by its name in Ceph. */
import { OsdynoError } from "../base/error.ts";
import { nearestName } from "../base/nearest-name.ts";
import type { OptionDefinition, OptionEntry } from "./option.ts";
import { type Preset, presets } from "./presets.ts";
import { fileStoreOptions } from "./table/filestore.ts";
import { memoryOptions } from "./table/memory.ts";
import { obsoleteOptions } from "./table/obsolete.ts";
import { osdOptions } from "./table/osd.ts";
import { poolOptions } from "./table/pool.ts";
import { qosOptions } from "./table/qos.ts";
import { rbdOptions } from "./table/rbd.ts";
import { schedulerOptions } from "./table/scheduler.ts";
import { serviceOptions } from "./table/services.ts";
import { spaceOptions } from "./table/space.ts";
import { storeOptions } from "./table/store.ts";

const kindNames = { hdd: "disks", ssd: "flash" } as const;

/** An option with its defaults by kind of device as options of their own, as Ceph has them. */
function withKinds(entry: OptionEntry): OptionDefinition[] {
  const { byKind, sweep: _, aliases: __, ...shared } = entry;
  if (byKind === undefined) {
    return [entry];
  }
  return [
    entry,
    ...(["hdd", "ssd"] as const).map((kind) => ({
      ...shared,
      name: `${entry.name}_${kind}`,
      default: byKind[kind],
      summary: `${entry.name} on ${kindNames[kind]}, while that is 0`,
      kindOf: { name: entry.name, kind },
    })),
  ];
}

/** All options, by name. */
export const optionTable: readonly OptionDefinition[] = [
  ...storeOptions,
  ...spaceOptions,
  ...memoryOptions,
  ...schedulerOptions,
  ...osdOptions,
  ...poolOptions,
  ...serviceOptions,
  ...rbdOptions,
  ...qosOptions,
  ...obsoleteOptions,
  ...fileStoreOptions,
]
  .flatMap(withKinds)
  .sort((a, b) => (a.name < b.name ? -1 : 1));

const byName: ReadonlyMap<string, OptionDefinition> = new Map(
  optionTable.flatMap((option) =>
    [option.name, ...(option.aliases ?? [])].map((name): [string, OptionDefinition] => [
      name,
      option,
    ]),
  ),
);

/** The option of that name or alias, or `undefined`. */
export function findOption(name: string): OptionDefinition | undefined {
  return byName.get(name);
}

/** What to say of a name or pattern that is no option's, behind it: the nearest name, or that it was FileStore's. */
export function unknownOptionHint(name: string): string {
  if (/^filestore/i.test(name)) {
    return ": FileStore is retired, and with it its options (osdyno options 'filestore*' lists those that are known)";
  }
  const guess = nearestName(name, byName.keys());
  return `${guess === null ? "" : `; did you mean ${guess}?`} (osdyno options)`;
}

/** The option of that name or alias; throws `bad-input` with the nearest name. */
export function optionNamed(name: string): OptionDefinition {
  const option = byName.get(name);
  if (option === undefined) {
    throw new OsdynoError("bad-input", `there is no option ${name}${unknownOptionHint(name)}`);
  }
  return option;
}

/** The preset of that name; throws `bad-input` with the names there are. */
export function presetNamed(name: string): Preset {
  const preset = presets.find((candidate) => candidate.name === name);
  if (preset === undefined) {
    const names = presets.map((candidate) => candidate.name).join(", ");
    throw new OsdynoError("bad-input", `there is no preset ${name}; one of ${names}`);
  }
  return preset;
}
