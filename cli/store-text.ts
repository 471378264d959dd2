/** How what `osdyno store` finds reads. */
import { type PerfCounters, type PerfValue, percentileNs } from "../engine/base/perf-counters.ts";
import type { Expansion } from "../engine/store/bluestore/expand.ts";
import type {
  FreeView,
  Inspection,
  ObjectLine,
  OnodeView,
} from "../engine/store/bluestore/inspect.ts";
import type { DeviceLabel } from "../engine/store/bluestore/label.ts";
import { formatBytes } from "../results/units.ts";

/** Heads to the left, values in one column. */
function columns(rows: readonly (readonly [string, string | number])[]): string {
  const width = Math.max(...rows.map(([head]) => head.length)) + 2;
  return rows.map(([head, value]) => `${head.padEnd(width)}${value}`).join("\n");
}

/** Lines of a table without borders; numbers stand to the right. */
function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const widths = head.map((text, at) =>
    Math.max(text.length, ...rows.map((row) => String(row[at]).length)),
  );
  const line = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, at) => {
        const width = widths[at] ?? 0;
        return typeof cell === "number" || /^[\d.]+ \w+$/.test(cell)
          ? String(cell).padStart(width)
          : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [line(head), ...rows.map(line)].join("\n");
}

export function labelText(label: DeviceLabel): string {
  const rows: [string, string | number][] = [
    ["store", label.storeId],
    ["device", label.role],
    ["size", formatBytes(label.sizeBytes)],
    ["metadata in", label.kv],
    ["version", label.version],
  ];
  for (const role of ["db", "wal"] as const) {
    if (label[role] !== "") {
      rows.push([`${role} device`, label[role]]);
    }
  }
  return columns(rows);
}

function nameText(object: ObjectLine): string {
  const more = [
    object.nspace === undefined ? "" : `namespace ${object.nspace}`,
    object.key === undefined ? "" : `key ${object.key}`,
    object.snap === undefined ? "" : `snapshot ${object.snap}`,
    object.generation === undefined ? "" : `generation ${object.generation}`,
    object.shard === undefined ? "" : `shard ${object.shard}`,
  ].filter((text) => text !== "");
  return more.length === 0 ? object.name : `${object.name} (${more.join(", ")})`;
}

const hashText = (hash: number): string => hash.toString(16).padStart(8, "0");

export function objectLines(objects: readonly ObjectLine[], more: boolean): string {
  const rows = objects.map((object) => [
    object.pool,
    hashText(object.hash),
    formatBytes(object.sizeBytes),
    formatBytes(object.allocatedBytes),
    object.extents,
    object.attrs,
    object.omap ? "yes" : "-",
    nameText(object),
  ]);
  const head = ["pool", "hash", "size", "allocated", "extents", "attrs", "omap", "name"];
  const end = more ? "... and more (--limit)" : `${objects.length} objects`;
  return `${table(head, rows)}\n${end}`;
}

export function onodeText(onode: OnodeView): string {
  const head = columns([
    ["object", nameText(onode)],
    ["pool, hash", `${onode.pool}, ${hashText(onode.hash)}`],
    ["number", onode.nid],
    ["size", `${onode.sizeBytes} (${formatBytes(onode.allocatedBytes)} allocated)`],
    ["expected", `object ${onode.expectedObjectBytes}, write ${onode.expectedWriteBytes}`],
    ["hints", onode.hints],
    ["shards", onode.shardOffsets.length === 0 ? "none" : onode.shardOffsets.join(" ")],
    ["attributes", namesText(Object.entries(onode.attributes))],
    ["omap", namesText(onode.omapKeys.map(({ key, bytes }) => [key, bytes]))],
  ]);
  const extents = onode.map.map(({ offset, length, blobOffset, blob }) => [
    offset,
    length,
    blob,
    blobOffset,
  ]);
  const blobs = onode.blobs.map((blob, index) => [
    index,
    blob.logicalBytes,
    blob.compressedBytes === 0 ? "-" : blob.compressedBytes,
    blob.checksum === "none" ? "none" : `${blob.checksum}/${blob.chunkBytes}`,
    blob.shared ?? "-",
    blob.spanning ?? "-",
    blob.disk
      .map(([disk, length]) => (disk < 0 ? `hole+${length}` : `${disk}+${length}`))
      .join(" "),
  ]);
  return [
    head,
    table(["offset", "length", "blob", "at"], extents),
    table(["blob", "length", "compressed", "checksum", "shared", "spanning", "disk"], blobs),
  ].join("\n\n");
}

function namesText(names: readonly (readonly [string, number])[]): string {
  return names.length === 0
    ? "none"
    : names.map(([name, bytes]) => `${name} (${bytes} bytes)`).join(", ");
}

/** Printable characters as they are, others as two digits. */
export function keyText(bytes: Uint8Array): string {
  return [...bytes]
    .map((byte) =>
      byte > 0x20 && byte < 0x7f && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`,
    )
    .join("");
}

/** Free extents by the power of two below their length. */
function histogram(extents: FreeView["extents"]): string {
  const buckets = new Map<number, { count: number; bytes: number }>();
  for (const [, length] of extents) {
    const power = 2 ** Math.floor(Math.log2(length));
    const bucket = buckets.get(power) ?? { count: 0, bytes: 0 };
    bucket.count += 1;
    bucket.bytes += length;
    buckets.set(power, bucket);
  }
  const rows = [...buckets]
    .sort(([a], [b]) => a - b)
    .map(([power, { count, bytes }]) => [formatBytes(power), count, formatBytes(bytes)]);
  return table(["from", "extents", "free"], rows);
}

export function freeText(free: FreeView): string {
  const head = columns([
    ["free", formatBytes(free.freeBytes)],
    ["unit", formatBytes(free.unitBytes)],
    ["extents", free.freeExtents],
    ["largest", formatBytes(free.largestFreeBytes)],
    ["fragmentation", free.fragmentation.toFixed(6)],
    ["fragmentation score", `${free.fragmentationScore.toFixed(6)} (0 best, 1 worst)`],
    ["key-value store has", formatBytes(free.kvBytes)],
  ]);
  const extents = free.extents.map(([offset, length]) => [offset, length]);
  return [head, histogram(free.extents), table(["offset", "length"], extents)].join("\n\n");
}

interface Overview {
  readonly label: DeviceLabel;
  readonly geometry: Inspection["geometry"];
  readonly collections: readonly string[];
  readonly usage: ReturnType<Inspection["usage"]>;
  readonly kv: Readonly<Record<string, number>>;
}

export function overviewText(path: string, overview: Overview): string {
  const { label, geometry, collections, usage, kv } = overview;
  const parts = [
    `${path}\n${labelText(label)}`,
    columns([
      ["unit", formatBytes(geometry.unitBytes)],
      ["block", formatBytes(geometry.blockBytes)],
      ["freelist", geometry.freelist],
      ["collections", collections.length === 0 ? "none" : collections.join(" ")],
    ]),
  ];
  if (usage.length > 0) {
    const rows = usage.map((each) => [
      each.pool,
      formatBytes(each.storedBytes),
      formatBytes(each.allocatedBytes),
      formatBytes(each.compressedOriginalBytes),
      formatBytes(each.compressedAllocatedBytes),
    ]);
    const head = ["pool", "stored", "allocated", "compressed", "in space of"];
    parts.push(table(head, rows));
  }
  const counters = Object.entries(kv);
  if (counters.length > 0) {
    parts.push(columns(counters.map(([name, value]) => [name.replace(/_now$/, ""), value])));
  }
  return parts.join("\n\n");
}

function valueText(value: PerfValue): string {
  return value.kind === "time"
    ? `${value.count} times, p50 ${percentileNs(value, 50)} ns, p99 ${percentileNs(value, 99)} ns`
    : `${value.value} ${value.unit}`;
}

/** What opening the store did and found; what is zero is only counted: nothing else has been done to it. */
export function countersText(counters: PerfCounters): string {
  let zeroes = 0;
  const sections = Object.entries(counters).flatMap(([section, values]) => {
    const entries = Object.entries(values);
    const told = entries.filter(
      ([, value]) => (value.kind === "time" ? value.count : value.value) !== 0,
    );
    zeroes += entries.length - told.length;
    const rows = told.map(([name, value]) => [`  ${name}`, valueText(value)] as const);
    return rows.length === 0 ? [] : [`${section}\n${columns(rows)}`];
  });
  const rest =
    `${zeroes} more are 0: nothing was done but to open the store (--json lists them). ` +
    "A run keeps what its operations counted in osdyno.counters of its run.json.";
  return [...sections, rest].join("\n\n");
}

export function expansionText(expansions: readonly Expansion[]): string {
  return expansions
    .map(({ role, device, beforeBytes, afterBytes }) =>
      beforeBytes === afterBytes
        ? `${role} ${device}: ${formatBytes(afterBytes)}, as before`
        : `${role} ${device}: ${formatBytes(beforeBytes)} -> ${formatBytes(afterBytes)}`,
    )
    .join("\n");
}
