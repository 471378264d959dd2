/** What was measured: facts and settings of the devices, in words of the field. */
import type { Fact, FactGroup } from "./model.ts";
import { formatBytes } from "./units.ts";

type Loose = Readonly<Record<string, unknown>>;

function isLoose(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const onOff = (value: unknown) => (value === true ? "on" : value === false ? "off" : text(value));
const yesNo = (value: unknown) => (value === true ? "yes" : value === false ? "no" : text(value));
const bytes = (value: unknown) => (typeof value === "number" ? formatBytes(value) : text(value));

function text(value: unknown): string {
  return value === null || value === undefined || typeof value === "object" ? "" : String(value);
}

interface Known {
  readonly key: string;
  readonly name: string;
  readonly write: (value: unknown) => string;
}

const known = (key: string, name: string, write = text): Known => ({ key, name, write });

/** Of the place that was measured. */
const ofPlace: readonly Known[] = [
  known("kind", "Kind"),
  known("size_bytes", "Size", bytes),
  known("device_class", "Class"),
  known("class_reason", "Why this class"),
  known("file_system", "File system"),
  known("mount_options", "Mounted with"),
];

/** Of the block device below it. */
const ofDevice: readonly Known[] = [
  known("name", "Block device"),
  known("vendor", "Vendor"),
  known("model", "Model"),
  known("firmware", "Firmware"),
  known("bus", "Bus"),
  known("size_bytes", "Device size", bytes),
  known("logical_block_bytes", "Logical block", bytes),
  known("physical_block_bytes", "Physical block", bytes),
  known("scheduler", "I/O scheduler"),
  known("nr_requests", "Requests queued at most"),
  known("queue_depth", "Queue depth of the hardware"),
  known("max_request_bytes", "Largest request", bytes),
  known("read_ahead_bytes", "Read-ahead", bytes),
  known("write_cache", "Volatile write cache", onOff),
  known("fua", "FUA", yesNo),
  known("discard", "Discard", yesNo),
  known("rotational", "Rotational flag", yesNo),
  known("dax", "DAX", yesNo),
  known("zoned", "Zoned"),
  known("nomerges", "Merging off (nomerges)"),
  known("polling", "Polling", onOff),
  known("numa_node", "NUMA node"),
];

function factsOf(record: Loose, list: readonly Known[]): readonly Fact[] {
  return list.flatMap(({ key, name, write }) => {
    const value = write(record[key]);
    return value === "" ? [] : [{ name, value }];
  });
}

/** A group per device of `environment.devices`, and one per synthetic target. */
export function deviceFacts(
  environment: Readonly<Record<string, unknown>>,
  targets: readonly string[],
): readonly FactGroup[] {
  const devices = Array.isArray(environment?.["devices"]) ? environment["devices"] : [];
  const real = devices.filter(isLoose).map((place) => {
    const below = isLoose(place["device"]) ? place["device"] : {};
    const title = text(place["path"]) || text(place["name"]) || "device";
    const facts = [...factsOf(place, ofPlace), ...factsOf(below, ofDevice)];
    // Records of other versions may say more, or the same in one level.
    const flat = isLoose(place["device"]) ? [] : factsOf(place, ofDevice.slice(1));
    return { title, facts: [...facts, ...flat.filter((one) => !hasFact(facts, one))] };
  });
  return [...real, ...targets.flatMap(syntheticFacts)];
}

function hasFact(facts: readonly Fact[], one: Fact): boolean {
  return facts.some((fact) => fact.name === one.name || fact.value === one.value);
}

const syntheticNames: Readonly<Record<string, string>> = {
  service: "Time per operation",
  jitter: "Law of that time",
  stall_at: "Stands still at",
  stall_for: "for",
  stall_every: "again every",
  error_rate: "Share of operations that fail",
  iops: "Operations a second at most",
  size: "Size",
};

/** `null:?service=50us&jitter=exp` */
function syntheticFacts(target: string): readonly FactGroup[] {
  if (!target.startsWith("null:")) {
    return [];
  }
  const pairs = (target.split("?")[1] ?? "").split("&").filter((pair) => pair !== "");
  const facts = pairs.map((pair) => {
    const [key = "", ...value] = pair.split("=");
    return { name: syntheticNames[key] ?? key, value: value.join("=") };
  });
  const kind = { name: "Kind", value: "synthetic device, modelled in memory; nothing was stored" };
  return [{ title: "null: (synthetic)", facts: [kind, ...facts] }];
}
