/**
 * The machine a run was made on, for `run.json`: enough to judge the figures and to tell two machines
 * apart. Read from /proc and /sys; `null` where something cannot be read.
 */
import { existsSync, readFileSync } from "node:fs";
import { arch, hostname, loadavg, release, version } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BlockFacts } from "../engine/device/facts.ts";
import { listDirectory, readNumber, readText } from "../engine/device/facts-files.ts";
import {
  backingOfPath,
  type DeviceProbe,
  type ProbeContext,
  probeContext,
  probeDevice,
} from "../engine/device/probe.ts";
import type { DeviceClass } from "../engine/port/block-device.ts";
import { fingerprintedClass } from "../workloads/device-profile.ts";
import { resolveExisting } from "../workloads/scratch.ts";
import { type CpuEnvironment, cpuEnvironment } from "./environment-cpu.ts";

/** A device or file that the run uses, with the settings of the device below. */
export type DeviceEnvironment = Readonly<{
  path: string;
  kind: string;
  size_bytes: number;
  device_class: string;
  class_reason: string;
  file_system: string | null;
  mount_options: string | null;
  device: Readonly<Record<string, unknown>> | null;
}>;

export type Environment = Readonly<{
  cpu: CpuEnvironment;
  memory: Readonly<Record<string, number | string | null>>;
  numa: readonly Readonly<{ node: number; cpus: string | null; distance: string | null }>[];
  kernel: Readonly<{
    release: string;
    version: string;
    command_line: string | null;
    clock_source: string | null;
  }>;
  os: Readonly<{ name: string | null; architecture: string; host: string }>;
  system: Readonly<{
    manufacturer: string | null;
    model: string | null;
    virtualisation: string | null;
    container: string | null;
  }>;
  versions: Readonly<{ osdyno: string | null; node: string; commit: string | null }>;
  limits: Readonly<Record<string, string | null>>;
  load: Readonly<Record<string, number | null>>;
  thermal: Readonly<{ temp_celsius_max: number | null; throttle_count: number | null }>;
  devices: readonly DeviceEnvironment[];
}>;

/** `Key: 123 kB` lines of /proc/meminfo and its kin, in bytes. */
function meminfoBytes(text: string | null, key: string): number | null {
  const match = new RegExp(`${key}:\\s+(\\d+)( kB)?$`, "m").exec(text ?? "");
  return match === null ? null : Number(match[1]) * (match[2] === undefined ? 1 : 1024);
}

/** The choice in brackets of `always [madvise] never`. */
function bracketed(path: string): string | null {
  return /\[([^\]]+)\]/.exec(readText(path) ?? "")?.[1] ?? null;
}

function memoryEnvironment() {
  const text = readText("/proc/meminfo");
  return {
    total_bytes: meminfoBytes(text, "MemTotal"),
    available_bytes: meminfoBytes(text, "MemAvailable"),
    swap_total_bytes: meminfoBytes(text, "SwapTotal"),
    huge_pages: meminfoBytes(text, "HugePages_Total"),
    huge_page_bytes: meminfoBytes(text, "Hugepagesize"),
    transparent_huge_pages: bracketed("/sys/kernel/mm/transparent_hugepage/enabled"),
    dirty_ratio: readNumber("/proc/sys/vm/dirty_ratio"),
    dirty_background_ratio: readNumber("/proc/sys/vm/dirty_background_ratio"),
    swappiness: readNumber("/proc/sys/vm/swappiness"),
  };
}

function numaEnvironment() {
  const root = "/sys/devices/system/node";
  return listDirectory(root)
    .filter((name) => /^node\d+$/.test(name))
    .map((name) => ({
      node: Number(name.slice(4)),
      cpus: readText(join(root, name, "cpulist")),
      distance: readText(join(root, name, "distance")),
    }));
}

function osName(): string | null {
  const line = /^PRETTY_NAME=(.*)$/m.exec(readText("/etc/os-release") ?? "")?.[1];
  return line === undefined ? null : line.replace(/^"|"$/g, "");
}

/** It does not change, and asking takes 20 ms of every run. */
let hypervisor: Promise<string | null> | undefined;

/** Name of the hypervisor where firmware tables have none: systeminformation asks `lscpu`. */
function hypervisorByTool(): Promise<string | null> {
  hypervisor ??= import("systeminformation").then(
    async ({ default: systeminformation }) =>
      (await systeminformation.system()).virtualHost || null,
  );
  return hypervisor;
}

/** What the firmware says of the machine; empty on most virtual machines without firmware. */
async function systemEnvironment(isVirtual: boolean) {
  const dmi = (name: string): string | null => readText(join("/sys/class/dmi/id", name)) || null;
  const product = `${dmi("sys_vendor") ?? ""} ${dmi("product_name") ?? ""}`;
  const known =
    readText("/sys/hypervisor/type") ??
    /KVM|QEMU|VMware|VirtualBox|Xen|Microsoft|Amazon|Google|Bochs/i.exec(product)?.[0] ??
    (isVirtual ? await hypervisorByTool().catch(() => null) : null);
  return {
    manufacturer: dmi("sys_vendor"),
    model: dmi("product_name"),
    virtualisation: isVirtual ? (known ?? "unknown hypervisor") : null,
    container: containerKind(),
  };
}

function containerKind(): string | null {
  const start = readText("/proc/1/environ");
  const named = /(?:^|\0)container=([^\0]+)/.exec(start ?? "")?.[1];
  if (named !== undefined) {
    return named;
  }
  return readText("/.dockerenv") !== null ? "docker" : null;
}

/** `Max locked memory  8388608  8388608  bytes` of /proc/self/limits: the soft value. */
function softLimit(text: string | null, name: string): string | null {
  return new RegExp(`^${name}\\s+(\\S+)`, "m").exec(text ?? "")?.[1] ?? null;
}

function limitsEnvironment() {
  const limits = readText("/proc/self/limits");
  const group = /^0::(.*)$/m.exec(readText("/proc/self/cgroup") ?? "")?.[1];
  const cgroup = group === undefined ? null : join("/sys/fs/cgroup", group);
  const ofGroup = (file: string) => (cgroup === null ? null : readText(join(cgroup, file)));
  return {
    locked_memory: softLimit(limits, "Max locked memory"),
    open_files: softLimit(limits, "Max open files"),
    io_uring_disabled: readText("/proc/sys/kernel/io_uring_disabled"),
    aio_max_nr: readText("/proc/sys/fs/aio-max-nr"),
    cgroup_cpu: ofGroup("cpu.max"),
    cgroup_memory: ofGroup("memory.max"),
    cgroup_io: ofGroup("io.max"),
  };
}

/** `some avg10=1.23 ...` of /proc/pressure: percent of the last ten seconds. */
function pressure(resource: string): number | null {
  const value = /^some avg10=([\d.]+)/.exec(readText(`/proc/pressure/${resource}`) ?? "")?.[1];
  return value === undefined ? null : Number(value);
}

function loadEnvironment() {
  const [one, five, fifteen] = loadavg();
  return {
    load_1m: one ?? null,
    load_5m: five ?? null,
    load_15m: fifteen ?? null,
    pressure_cpu_10s: pressure("cpu"),
    pressure_io_10s: pressure("io"),
    pressure_memory_10s: pressure("memory"),
  };
}

function thermalEnvironment() {
  const zones = listDirectory("/sys/class/thermal")
    .filter((name) => name.startsWith("thermal_zone"))
    .flatMap((name) => readNumber(join("/sys/class/thermal", name, "temp")) ?? []);
  const counts = listDirectory("/sys/devices/system/cpu")
    .filter((name) => /^cpu\d+$/.test(name))
    .flatMap((name) => {
      const directory = join("/sys/devices/system/cpu", name, "thermal_throttle");
      return readNumber(join(directory, "core_throttle_count")) ?? [];
    });
  return {
    temp_celsius_max: zones.length === 0 ? null : Math.max(...zones) / 1000,
    throttle_count: counts.length === 0 ? null : counts.reduce((sum, count) => sum + count, 0),
  };
}

const projectDirectory = fileURLToPath(new URL("..", import.meta.url));

/** The directory of a checkout's `.git`; in a worktree `.git` is a file that names it. */
function gitDirectory(): string | null {
  const path = join(projectDirectory, ".git");
  const link = /^gitdir: (.*)$/m.exec(readText(path) ?? "")?.[1];
  if (link !== undefined) {
    return isAbsolute(link) ? link : join(projectDirectory, link);
  }
  return readText(join(path, "HEAD")) === null ? null : path;
}

/** Commit of a checkout, without starting git; `null` in an installed package. */
export function checkoutCommit(): string | null {
  const directory = gitDirectory();
  const head = directory === null ? null : readText(join(directory, "HEAD"));
  if (directory === null || head === null) {
    return null;
  }
  const reference = /^ref: (.*)$/.exec(head)?.[1];
  if (reference === undefined) {
    return head;
  }
  const shared = readText(join(directory, "commondir"));
  const common = shared === null ? directory : join(directory, shared);
  const loose = readText(join(directory, reference)) ?? readText(join(common, reference));
  if (loose !== null) {
    return loose;
  }
  const packed = readText(join(common, "packed-refs")) ?? "";
  const line = packed.split("\n").find((text) => text.endsWith(` ${reference}`));
  return line?.split(" ")[0] ?? null;
}

function ownVersion(): string | null {
  try {
    const text = readFileSync(join(projectDirectory, "package.json"), "utf8");
    return (JSON.parse(text) as { version?: string }).version ?? null;
  } catch {
    return null;
  }
}

function deviceSettings(block: BlockFacts): Readonly<Record<string, unknown>> {
  return {
    name: block.name,
    vendor: block.vendor,
    model: block.model,
    serial: block.serial,
    firmware: block.firmware,
    bus: block.transport,
    size_bytes: block.sizeBytes,
    logical_block_bytes: block.logicalBlockBytes,
    physical_block_bytes: block.physicalBlockBytes,
    rotational: block.rotational,
    write_cache: block.writeCache,
    fua: block.fua,
    dax: block.dax,
    discard: block.discard.supported,
    zoned: block.zoned,
    scheduler: block.scheduler,
    nr_requests: block.nrRequests,
    queue_depth: block.deviceQueueDepth,
    read_ahead_bytes: block.readAheadBytes,
    max_request_bytes: block.maxRequestBytes,
    nomerges: block.nomerges,
    polling: block.polling,
    numa_node: block.numaNode,
  };
}

function deviceEnvironment(probe: DeviceProbe, mountOptions: string | null): DeviceEnvironment {
  const { deviceClass, classReason } = fingerprintedClass(probe.block) ?? probe;
  return {
    path: probe.path,
    kind: probe.kind,
    size_bytes: probe.sizeBytes,
    device_class: deviceClass,
    class_reason: classReason,
    file_system: probe.file?.fsType ?? null,
    mount_options: mountOptions,
    device: probe.block === null ? null : deviceSettings(probe.block),
  };
}

/** A file that the run is going to make: what its directory lies on. */
function absentEnvironment(path: string, context: ProbeContext): DeviceEnvironment[] {
  const parent = dirname(resolveExisting(path));
  const { mount, block } = backingOfPath(parent, context);
  const known = fingerprintedClass(block) ?? block;
  return mount === null
    ? []
    : [
        {
          path,
          kind: "file",
          size_bytes: 0,
          device_class: known?.deviceClass ?? "ssd",
          class_reason: known?.classReason ?? `a file on ${mount.fsType} counts as ssd`,
          file_system: mount.fsType,
          mount_options: mount.options,
          device: block === null ? null : deviceSettings(block),
        },
      ];
}

function devicesEnvironment(paths: readonly string[]): DeviceEnvironment[] {
  const context = probeContext();
  const real = [...new Set(paths)].filter((path) => path.startsWith("/"));
  return real.flatMap((path) => {
    if (!existsSync(path)) {
      return absentEnvironment(path, context);
    }
    const probe = probeDevice(path, context);
    const mountPoint = probe.file?.mountPoint;
    const mount = context.mounts.findLast((candidate) => candidate.mountPoint === mountPoint);
    return [deviceEnvironment(probe, mount?.options ?? null)];
  });
}

/**
 * Collects the environment; `deviceClass`: given, not found out. `devicePaths` are the files and devices that the run uses; what is no
 * path (a synthetic target) is left out. Takes some tens of milliseconds.
 */
export async function collectEnvironment(
  devicePaths: readonly string[],
  deviceClass: DeviceClass | null = null,
): Promise<Environment> {
  const cpu = await cpuEnvironment();
  return {
    cpu,
    memory: memoryEnvironment(),
    numa: numaEnvironment(),
    kernel: {
      release: release(),
      version: version(),
      // What follows ` -- ` is meant for init, not for the kernel.
      command_line: readText("/proc/cmdline")?.split(" -- ")[0] ?? null,
      clock_source: readText("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    },
    os: { name: osName(), architecture: arch(), host: hostname() },
    system: await systemEnvironment(cpu.hypervisor),
    versions: { osdyno: ownVersion(), node: process.version, commit: checkoutCommit() },
    limits: limitsEnvironment(),
    load: loadEnvironment(),
    thermal: thermalEnvironment(),
    devices: devicesEnvironment(devicePaths).map((device) =>
      deviceClass === null
        ? device
        : { ...device, device_class: deviceClass, class_reason: "--device-class" },
    ),
  };
}
