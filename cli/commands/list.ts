/** `osdyno list`: what there is to choose from, by name. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { nearestName } from "../../engine/base/nearest-name.ts";
import { allocatorKinds } from "../../engine/hot/allocator/registry.ts";
import { cacheKinds } from "../../engine/hot/cache/registry.ts";
import { checksumKinds } from "../../engine/hot/checksum/registry.ts";
import { clientCacheKinds } from "../../engine/hot/clientcache/registry.ts";
import { compressorKinds } from "../../engine/hot/compressor/registry.ts";
import { blockEngines } from "../../engine/hot/ioengine/registry.ts";
import { keyValueEngines } from "../../engine/hot/kv/registry.ts";
import { schedulerKinds } from "../../engine/hot/scheduler/registry.ts";
import { writeLogKinds } from "../../engine/hot/writelog/registry.ts";
import { presets } from "../../engine/options/presets.ts";
import { hostKnobs } from "../../engine/os/host-knobs.ts";
import { metricFacts, metricNames } from "../../results/metrics.ts";
import { stageNames } from "../../results/stage-metrics.ts";
import { type JobKey, jobKeys } from "../../workloads/job/key-lookup.ts";
import { targetKinds } from "../../workloads/target.ts";

interface Row {
  readonly name: string;
  readonly description: string;
}

const profiles = fileURLToPath(new URL("../../profiles", import.meta.url));

/** First comment of a job or sweep file, up to the first line that is none. */
function opening(file: string): string {
  const lines = readFileSync(file, "utf8").split("\n");
  const end = lines.findIndex((line) => !/^[#;]/.test(line));
  return lines
    .slice(0, end < 0 ? undefined : end)
    .map((line) => line.replace(/^[#;]+\s?/, "").trim())
    .join(" ")
    .trim();
}

function profileRows(): Row[] {
  return ["jobs", "sweeps", "tune", "devices", "clusters"].flatMap((folder) => {
    let names: string[];
    try {
      names = readdirSync(join(profiles, folder)).sort();
    } catch {
      return [];
    }
    return names
      .filter((name) => /\.(fio|yaml)$/.test(name))
      .map((name) => ({
        name: `profiles/${folder}/${name}`,
        description: opening(join(profiles, folder, name)),
      }));
  });
}

function keyText(key: JobKey): string {
  const facts = [
    key.aliases.length > 0 ? `alias ${key.aliases.join(", ")}` : "",
    key.supported && key.default !== "" ? `default ${key.default}` : "",
    key.own ? "ours, refused by fio" : "",
  ].filter((fact) => fact !== "");
  return facts.length === 0 ? key.summary : `${key.summary} (${facts.join("; ")})`;
}

/** Implementations of a hot path. */
function kinds(all: readonly { readonly name: string; readonly describe: string }[]): Row[] {
  return all.map(({ name, describe }) => ({ name, description: describe }));
}

/** Units as a reader says them; ratios have none. */
const units: Readonly<Record<string, string>> = { "1/s": "per second", "1": "", ratio: "" };

/** What a label is too short for. */
const metricNotes: Readonly<Record<string, string>> = {
  rss_bytes: "of the whole process, osdyno itself included; the most that was seen",
  store_memory_bytes: "by the store's own accounting, the most that was seen; of stores only",
};

function metricRow(name: string): Row {
  const facts = metricFacts(name);
  const unit = units[facts?.unit ?? ""] ?? facts?.unit ?? "";
  const better = facts?.better === "none" ? "" : `${facts?.better} is better`;
  const more = [unit, better, metricNotes[name] ?? ""].filter((text) => text !== "").join(", ");
  return { name, description: `${facts?.label ?? ""}${more === "" ? "" : ` (${more})`}` };
}

function metricRows(): Row[] {
  return [
    ...metricNames.map(metricRow),
    {
      name: "read.NAME, write.NAME, trim.NAME",
      description: "any rate, time or stage of one direction only",
    },
    {
      name: "NAME@JOB, NAME@CLASS",
      description:
        "a rate or a service, wait or response time of one job by its name (clones together), or of one op_class: response.p99@client",
    },
    { name: "TIME.pN", description: "any other percentile that percentile_list asks for" },
    { name: "counter.NAME", description: "any counter of run.json" },
    {
      name: "stage.LAYER.STAGE.FIGURE",
      description:
        "where the time of operations went (--stages): share of all of it; per_op, the mean over all operations (ns); " +
        "mean, min, max and pN of those that passed the stage (ns)",
    },
    ...stageNames.map((name) => metricRow(`${name}.mean`)),
  ];
}

/** What can be listed; hot paths join as they are built. */
const lists: Readonly<Record<string, { readonly title: string; readonly rows: () => Row[] }>> = {
  allocator: {
    title: "hot path: allocator (bluestore_allocator)",
    rows: () => kinds(allocatorKinds()),
  },
  cache: {
    title: "hot path: cache policy (bluestore_cache_type)",
    rows: () => kinds(cacheKinds()),
  },
  checksum: {
    title: "hot path: checksum (bluestore_csum_type)",
    rows: () => kinds(checksumKinds()),
  },
  compressor: {
    title: "hot path: compressor (bluestore_compression_algorithm)",
    rows: () => kinds(compressorKinds()),
  },
  clientcache: {
    title: "hot path: client cache (rbd_cache_policy)",
    rows: () => kinds(clientCacheKinds()),
  },
  host: {
    title: "host knobs, for host: in sweep and tune files",
    rows: () =>
      hostKnobs.map(({ name, summary, scope }) => ({
        name,
        description: scope === "device" ? `${summary} (of the disk under the target)` : summary,
      })),
  },
  ioengine: {
    title: "hot path: block I/O engine (fio's ioengine)",
    rows: () => kinds(blockEngines()),
  },
  keys: {
    title: "job keys: fio's and ours, and those that are refused",
    rows: () => jobKeys.map((key) => ({ name: key.name, description: keyText(key) })),
  },
  kv: {
    title: "hot path: key-value store (bluestore_kvbackend)",
    rows: () =>
      keyValueEngines().map(({ name, describe, unavailable }) => ({
        name,
        description: unavailable === null ? describe : `not here: ${unavailable}`,
      })),
  },
  metrics: {
    title:
      "metrics, for --threshold, --metric, metrics: in sweep and tune files, and results query",
    rows: metricRows,
  },
  presets: {
    title: "presets: sets of options (osdyno options)",
    rows: () => presets.map(({ name, describe }) => ({ name, description: describe })),
  },
  profiles: { title: "job, sweep and tune files that come with osdyno", rows: profileRows },
  scheduler: {
    title: "hot path: op scheduler (osd_op_queue)",
    rows: () => kinds(schedulerKinds()),
  },
  targets: {
    title: "targets",
    rows: () => targetKinds.map((kind) => ({ name: kind.example, description: kind.description })),
  },
  writelog: {
    title: "hot path: persistent write log (rbd_persistent_cache_mode)",
    rows: () => kinds(writeLogKinds()),
  },
};

function listOf(name: string) {
  const list = Object.hasOwn(lists, name) ? lists[name] : undefined;
  if (list === undefined) {
    const guess = nearestName(name, Object.keys(lists));
    throw new OsdynoError(
      "bad-input",
      `nothing to list under ${name}${guess === null ? "" : `; did you mean ${guess}?`} (there are ${Object.keys(lists).join(", ")})`,
    );
  }
  return list;
}

function print(name: string): void {
  const list = listOf(name);
  const table = new Table({
    head: ["name", "description"],
    style: { head: [], border: [], compact: true },
    colWidths: [42, 90],
    wordWrap: true,
  });
  for (const row of list.rows()) {
    table.push([row.name, row.description]);
  }
  process.stdout.write(`${list.title}\n${table.toString()}\n`);
}

export function listCommand(): Command {
  return new Command("list")
    .description("what there is to choose from: a hot path, profiles, targets")
    .argument("[what]", `one of ${Object.keys(lists).join(", ")}; all without it`)
    .option("--json", "print one JSON document")
    .action((what: string | undefined, flags: { json?: true }) => {
      if (flags.json === true) {
        const wanted = what === undefined ? Object.keys(lists) : [what];
        const document = Object.fromEntries(wanted.map((name) => [name, listOf(name).rows()]));
        process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
        return;
      }
      for (const name of what === undefined ? Object.keys(lists) : [what]) {
        print(name);
      }
    });
}
