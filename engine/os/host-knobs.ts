/**
 * Settings of the host that bear on storage: which files hold them, and what is written there. Sources: the
 * kernel's documentation of the block layer's queue files, its I/O schedulers, control groups (version 2),
 * transparent huge pages, cpufreq and cpuidle.
 */
import { OsdynoError } from "../base/error.ts";
import type { HostFiles } from "../port/host-files.ts";

/** What one process at a time turns the knobs of. */
export type HostPart = `disk-${string}` | "cpu" | "hugepages";

/** One file and what it is to hold. */
export interface HostWrite {
  readonly part: HostPart;
  readonly path: string;
  readonly text: string;
  /** Puts back what a file held whose reading is not what one writes; default: its reading. */
  readonly back?: string;
}

export interface HostKnob {
  readonly name: string;
  readonly summary: string;
  /** `device`: of each disk under the target. */
  readonly scope: "device" | "host";
}

/** The scheduler's own parameters: `iosched.read_expire`. */
export const schedulerPrefix = "iosched.";

/** Numbers in files of a disk's queue. */
const queueFiles: Readonly<Record<string, string>> = {
  scheduler: "I/O scheduler of the kernel (none, mq-deadline, kyber, bfq)",
  nr_requests: "requests that a queue holds",
  read_ahead_kb: "read ahead of buffered sequential reads, KiB",
  rq_affinity: "which CPU completes a request: 0 any, 1 the group that sent it, 2 the very one",
  wbt_lat_usec: "latency that the throttle of write-back aims at, us; 0: none",
  io_poll: "polled completions: 1 or 0",
  io_poll_delay: "how polling waits: -1 busy, 0 adaptive, else us",
  nomerges: "merging of requests: 0 all, 1 simple, 2 none",
  max_sectors_kb: "largest request, KiB",
};

const hugePages = "/sys/kernel/mm/transparent_hugepage";
const cpus = "/sys/devices/system/cpu";

/** Knobs of the whole host. */
const hostWide: Readonly<Record<string, string>> = {
  transparent_hugepage: "transparent huge pages: always, madvise, never",
  transparent_hugepage_defrag: "what memory is compacted for: always, defer, madvise, never, ...",
  cpu_governor: "frequency governor of every CPU",
  cpu_boost: "turbo frequencies: 1 or 0",
  cpu_idle_max_us: "idle states that take longer than this to leave are off, us; all: none is",
};

/** Knobs of this process's control group, for each disk. */
const groupFiles: Readonly<Record<string, string>> = {
  cgroup_io_max: "limits of this process's control group, e.g. rbps=1048576 wiops=500, or max",
  cgroup_io_weight: "weight of this process's control group, 1 to 10000",
  cgroup_io_cost_qos: "io.cost.qos of the disk, e.g. enable=1 ctrl=user rpct=95 rlat=5000",
  cgroup_io_cost_model: "io.cost.model of the disk, e.g. ctrl=user model=linear rbps=...",
};

export const hostKnobs: readonly HostKnob[] = [
  ...Object.entries(queueFiles).map(([name, summary]) => ({
    name,
    summary,
    scope: "device" as const,
  })),
  {
    name: `${schedulerPrefix}NAME`,
    summary: "a parameter of the I/O scheduler in use, e.g. iosched.read_expire",
    scope: "device",
  },
  ...Object.entries(groupFiles).map(([name, summary]) => ({
    name,
    summary,
    scope: "device" as const,
  })),
  ...Object.entries(hostWide).map(([name, summary]) => ({ name, summary, scope: "host" as const })),
];

export function isHostKnob(name: string): boolean {
  return name.startsWith(schedulerPrefix) || hostKnobs.some((knob) => knob.name === name);
}

/** Of a knob of the whole host. */
function partOf(name: string): "cpu" | "hugepages" {
  return name.startsWith("cpu_") ? "cpu" : "hugepages";
}

/** What has these knobs: each disk under the target, what the whole host has. */
export function partsOf(
  names: readonly string[],
  devices: readonly string[],
): ReadonlySet<HostPart> {
  return new Set(
    names.flatMap((name): readonly HostPart[] =>
      Object.hasOwn(hostWide, name)
        ? [partOf(name)]
        : devices.map((device) => `disk-${device}` as const),
    ),
  );
}

/** Where knobs are turned. */
export interface HostPlace {
  readonly files: HostFiles;
  /** Names of the disks under the target: `vda`. */
  readonly devices: readonly string[];
}

const refused = (what: string) => new OsdynoError("bad-input", `host: ${what}`);

/** The value in force: of `none [mq-deadline]` that in brackets. */
export function currentOf(text: string): string {
  return /\[([^\]]+)\]/.exec(text)?.[1] ?? text.trim();
}

function choicesOf(text: string): readonly string[] {
  return text
    .split(/\s+/)
    .map((word) => word.replace(/[[\]]/g, ""))
    .filter((word) => word !== "");
}

const queueOf = (device: string) => `/sys/block/${device}/queue`;

/** Refuses a value that is not among those that a file lists, or that is no number where one is held. */
function checkValue(name: string, path: string, text: string, value: string): void {
  if (text.includes("[")) {
    const choices = choicesOf(text);
    if (!choices.includes(value)) {
      throw refused(`${name}: ${path} has no ${value}; it has ${choices.join(", ")}`);
    }
  } else if (/^-?\d+$/.test(text.trim()) && !/^-?\d+$/.test(value)) {
    throw refused(`${name}: ${value} is no whole number, as ${path} holds`);
  }
}

function queueWrites(name: string, value: string, { files, devices }: HostPlace): HostWrite[] {
  const own = name.startsWith(schedulerPrefix);
  const file = own ? `iosched/${name.slice(schedulerPrefix.length)}` : name;
  if (devices.length === 0) {
    throw refused(`${name}: no disk is under the target; name one as device:`);
  }
  const writes = devices.flatMap((device) => {
    const path = `${queueOf(device)}/${file}`;
    const text = files.read(path);
    if (text === null) {
      return [];
    }
    checkValue(name, path, text, value);
    return [{ part: `disk-${device}` as const, path, text: value }];
  });
  if (writes.length === 0) {
    const first = devices[0] ?? "";
    const scheduler = currentOf(files.read(`${queueOf(first)}/scheduler`) ?? "");
    const why = own ? ` (its I/O scheduler is ${scheduler || "unknown"})` : "";
    throw refused(`${name}: ${devices.join(", ")} does not have it${why}`);
  }
  return writes;
}

/** The control group of this process in the second hierarchy; null where there is none. */
function ownGroup(files: HostFiles): string | null {
  const line = (files.read("/proc/self/cgroup") ?? "")
    .split("\n")
    .find((each) => each.startsWith("0::"));
  if (line === undefined) {
    return null;
  }
  const mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
  const mount = mounts.find((each) => files.read(`${each}/cgroup.controllers`) !== null);
  return mount === undefined ? null : `${mount}${line.slice(3) === "/" ? "" : line.slice(3)}`;
}

/** A file of control groups has a line for each disk, by its number. */
function groupWrites(name: string, value: string, { files, devices }: HostPlace): HostWrite[] {
  const group = ownGroup(files);
  if (group === null) {
    throw refused(`${name}: there are no control groups of version 2 here`);
  }
  const file = name.replace("cgroup_", "").replaceAll("_", ".");
  // The model of costs is the machine's: it stands in the root group only.
  const path = file.startsWith("io.cost")
    ? `${group.startsWith("/sys/fs/cgroup/unified") ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup"}/${file}`
    : `${group}/${file}`;
  const text = files.read(path);
  if (text === null) {
    throw refused(
      `${name}: there is no ${path}; start osdyno in a group of its own with the io controller (systemd-run --scope)`,
    );
  }
  return devices.map((device) => {
    const number = files.read(`/sys/block/${device}/dev`);
    if (number === null) {
      throw refused(`${name}: there is no disk ${device}`);
    }
    const before = text.split("\n").find((line) => line.startsWith(`${number} `));
    const none = { "io.max": "rbps=max wbps=max riops=max wiops=max", "io.weight": "default" };
    const back = before ?? `${number} ${none[file as keyof typeof none] ?? "enable=0"}`;
    const limits = value === "max" ? none["io.max"] : value;
    return { part: `disk-${device}` as const, path, text: `${number} ${limits}`, back };
  });
}

/** Of every CPU that has it. */
function cpuWrites(
  name: string,
  { files }: HostPlace,
  writesOf: (cpu: string) => readonly HostWrite[],
): HostWrite[] {
  const names = files.list(cpus).filter((each) => /^cpu\d+$/.test(each));
  const writes = names.flatMap((each) => writesOf(`${cpus}/${each}`));
  if (writes.length === 0) {
    throw refused(
      `${name}: the CPUs of this host do not have it (a virtual machine often has not)`,
    );
  }
  return writes;
}

function idleWrites(name: string, value: string, place: HostPlace): HostWrite[] {
  const most = value === "all" ? Number.POSITIVE_INFINITY : Number(value);
  if (!(most >= 0)) {
    throw refused(`${name}: ${value} is neither a number of us nor all`);
  }
  return cpuWrites(name, place, (cpu) => {
    const states = place.files.list(`${cpu}/cpuidle`).filter((each) => each.startsWith("state"));
    return states.flatMap((state) => {
      const folder = `${cpu}/cpuidle/${state}`;
      const latency = Number(place.files.read(`${folder}/latency`) ?? "0");
      const there = place.files.read(`${folder}/disable`) !== null;
      const text = latency > most ? "1" : "0";
      return there ? [{ part: "cpu" as const, path: `${folder}/disable`, text }] : [];
    });
  });
}

function single(name: string, path: string, value: string, { files }: HostPlace): HostWrite[] {
  const text = files.read(path);
  if (text === null) {
    throw refused(`${name}: this host does not have it (there is no ${path})`);
  }
  checkValue(name, path, text, value);
  return [{ part: partOf(name), path, text: value }];
}

/**
 * What a knob at a value writes here. Throws `bad-input` for a knob that there is not, that this host or disk
 * lacks, and for a value that it cannot have.
 */
export function writesOf(name: string, value: string, place: HostPlace): readonly HostWrite[] {
  if (Object.hasOwn(queueFiles, name) || name.startsWith(schedulerPrefix)) {
    return queueWrites(name, value, place);
  }
  if (Object.hasOwn(groupFiles, name)) {
    return groupWrites(name, value, place);
  }
  switch (name) {
    case "transparent_hugepage":
      return single(name, `${hugePages}/enabled`, value, place);
    case "transparent_hugepage_defrag":
      return single(name, `${hugePages}/defrag`, value, place);
    case "cpu_boost":
      return single(name, `${cpus}/cpufreq/boost`, value, place);
    case "cpu_governor":
      return cpuWrites(name, place, (cpu) => {
        const path = `${cpu}/cpufreq/scaling_governor`;
        if (place.files.read(path) === null) {
          return [];
        }
        const choices = choicesOf(
          place.files.read(`${cpu}/cpufreq/scaling_available_governors`) ?? "",
        );
        if (!choices.includes(value)) {
          throw refused(`${name}: ${cpu} has no ${value}; it has ${choices.join(", ")}`);
        }
        return [{ part: "cpu" as const, path, text: value }];
      });
    case "cpu_idle_max_us":
      return idleWrites(name, value, place);
    default:
      throw refused(`there is no knob ${name}`);
  }
}

/** What the kernel sets anew by itself when a disk gets another I/O scheduler. */
export function moveWithScheduler({ files }: HostPlace, path: string): readonly string[] {
  const queue = /^(.*\/queue)\/scheduler$/.exec(path)?.[1];
  if (queue === undefined) {
    return [];
  }
  const own = files.list(`${queue}/iosched`).map((name) => `${queue}/iosched/${name}`);
  return [...own, `${queue}/nr_requests`, `${queue}/wbt_lat_usec`];
}
