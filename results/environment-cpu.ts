/** The processor: what it is, how it is clocked and which mitigations slow its system calls. */
import { cpus } from "node:os";
import { join } from "node:path";
import { listDirectory, readNumber, readText } from "../engine/device/facts-files.ts";

export type CpuEnvironment = Readonly<{
  model: string | null;
  vendor: string | null;
  microcode: string | null;
  sockets: number | null;
  cores: number | null;
  threads: number;
  online: string | null;
  isolated: string | null;
  smt: boolean | null;
  /** What the first CPU runs at now, and its limits. */
  frequency_mhz: number | null;
  frequency_min_mhz: number | null;
  frequency_max_mhz: number | null;
  governor: string | null;
  scaling_driver: string | null;
  boost: boolean | null;
  idle_driver: string | null;
  deepest_idle_state: string | null;
  /** Time-stamp counter that keeps its rate and never stops. */
  invariant_tsc: boolean | null;
  /** A hypervisor says that it is there. */
  hypervisor: boolean;
  mitigations: Readonly<Record<string, string>>;
}>;

const root = "/sys/devices/system/cpu";

function cpuinfoField(text: string, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = new RegExp(`^${name}\\s*:\\s*(.+)$`, "m").exec(text)?.[1]?.trim();
    if (value !== undefined && value !== "") {
      return value;
    }
  }
  return null;
}

/** Distinct values of a topology file over all CPUs. */
function distinct(names: readonly string[], ...files: readonly string[]): number | null {
  const values = new Set(
    names.map((name) =>
      files.map((file) => readText(join(root, name, "topology", file))).join(" "),
    ),
  );
  return values.size === 0 || [...values].some((value) => value.includes("null"))
    ? null
    : values.size;
}

function mitigations(): Record<string, string> {
  const directory = join(root, "vulnerabilities");
  const entries = listDirectory(directory).map(
    (name) => [name, readText(join(directory, name)) ?? ""] as const,
  );
  return Object.fromEntries(entries.filter(([, text]) => text !== "" && text !== "Not affected"));
}

function frequencyMhz(file: string): number | null {
  const khz = readNumber(join(root, "cpu0/cpufreq", file));
  return khz === null ? null : khz / 1000;
}

function boost(): boolean | null {
  const generic = readNumber(join(root, "cpufreq/boost"));
  if (generic !== null) {
    return generic !== 0;
  }
  const noTurbo = readNumber(join(root, "intel_pstate/no_turbo"));
  return noTurbo === null ? null : noTurbo === 0;
}

/** The deepest sleep that is not switched off: long exits from it show as latency at low depth. */
function deepestIdleState(): string | null {
  const directory = join(root, "cpu0/cpuidle");
  const state = listDirectory(directory)
    .filter((name) => readNumber(join(directory, name, "disable")) === 0)
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .at(-1);
  return state === undefined ? null : readText(join(directory, state, "name"));
}

/** The name that `lscpu` gives where /proc/cpuinfo has none (Arm); through systeminformation. */
async function modelByTool(): Promise<string | null> {
  const { default: systeminformation } = await import("systeminformation");
  const { manufacturer, brand } = await systeminformation.cpu();
  return `${manufacturer} ${brand}`.trim() || null;
}

export async function cpuEnvironment(): Promise<CpuEnvironment> {
  const info = readText("/proc/cpuinfo") ?? "";
  const flags = cpuinfoField(info, "flags", "Features")?.split(" ") ?? null;
  const names = listDirectory(root).filter((name) => /^cpu\d+$/.test(name));
  const smt = readNumber(join(root, "smt/active"));
  const mhz = Number(cpuinfoField(info, "cpu MHz") ?? Number.NaN);
  return {
    model: cpuinfoField(info, "model name", "Model") ?? (await modelByTool().catch(() => null)),
    vendor: cpuinfoField(info, "vendor_id", "CPU implementer"),
    microcode: cpuinfoField(info, "microcode"),
    sockets: distinct(names, "physical_package_id"),
    cores: distinct(names, "physical_package_id", "core_id"),
    threads: cpus().length,
    online: readText(join(root, "online")),
    isolated: readText(join(root, "isolated")) || null,
    smt: smt === null ? null : smt !== 0,
    frequency_mhz: frequencyMhz("scaling_cur_freq") ?? (Number.isNaN(mhz) ? null : mhz),
    frequency_min_mhz: frequencyMhz("cpuinfo_min_freq"),
    frequency_max_mhz: frequencyMhz("cpuinfo_max_freq"),
    governor: readText(join(root, "cpu0/cpufreq/scaling_governor")),
    scaling_driver: readText(join(root, "cpu0/cpufreq/scaling_driver")),
    boost: boost(),
    idle_driver: readText(join(root, "cpuidle/current_driver")),
    deepest_idle_state: deepestIdleState(),
    invariant_tsc:
      flags === null ? null : flags.includes("constant_tsc") && flags.includes("nonstop_tsc"),
    hypervisor: flags?.includes("hypervisor") ?? false,
    mitigations: mitigations(),
  };
}
