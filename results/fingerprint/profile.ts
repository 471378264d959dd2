/** A device profile: what `osdyno fingerprint` found out, as YAML that people and programs read. */
import { readFileSync } from "node:fs";
import { Document, isMap, isScalar, isSeq, type Node, parse, visit } from "yaml";
import { z } from "zod";
import { OsdynoError } from "../../engine/base/error.ts";
import { formatBytes, formatCount, formatNs } from "../units.ts";

const spread = z.strictObject({ median: z.number(), low: z.number(), high: z.number() });

const figure = z.strictObject({
  id: z.string(),
  group: z.enum(["size", "order", "depth", "mix", "locality", "flush"]),
  write_share: z.number(),
  size_bytes: z.number(),
  depth: z.number(),
  order: z.enum(["random", "sequential", "jump"]),
  jump_bytes: z.number().optional(),
  iops: spread,
  bytes_per_second: spread,
  latency_ns: z.strictObject({
    mean: spread,
    min: z.number().optional(),
    p10: z.number().optional(),
    p50: z.number().optional(),
    p90: z.number().optional(),
    p95: z.number().optional(),
    p99: z.number().optional(),
    p99_9: z.number().optional(),
  }),
  samples: z.number(),
});

const sustained = z.strictObject({
  first_bytes_per_second: z.number(),
  last_bytes_per_second: z.number(),
  cliff_after_bytes: z.number().nullable(),
  written_bytes: z.number(),
  windows: z.array(z.strictObject({ after_bytes: z.number(), bytes_per_second: z.number() })),
});

export const deviceClasses = ["hdd", "ssd", "nvme", "pmem"] as const;

const device = z.strictObject({
  path: z.string(),
  name: z.string(),
  model: z.string().nullable(),
  serial: z.string().nullable(),
  size_bytes: z.number(),
  block_bytes: z.number(),
  scheduler: z.string().nullable(),
  write_cache: z.boolean().nullable(),
  rotational: z.boolean().nullable(),
});

const measured = z.strictObject({
  tool: z.string(),
  at: z.string(),
  host: z.string().nullable(),
  kernel: z.string().nullable(),
  clock: z.enum(["real", "virtual"]),
  engine: z.string(),
  rounds: z.number(),
  sample_ns: z.number(),
  seed: z.number(),
  region_bytes: z.number(),
  written_bytes: z.number(),
  host_ns_per_operation: z.number(),
  notes: z.array(z.string()),
});

const ceph = z.strictObject({
  option: z.string(),
  iops: spread,
  rounds: z.number(),
  command: z.string(),
  notes: z.array(z.string()),
});

const fit = z.strictObject({
  points: z.number(),
  within_10_percent: z.number(),
  worst: z.number(),
  beyond: z.array(z.strictObject({ id: z.string(), ratio: z.number() })),
});

export const profileSchemaName = "osdyno-device-1";

export const profileSchema = z.strictObject({
  schema: z.literal(profileSchemaName),
  name: z.string(),
  class: z.enum(deviceClasses),
  class_reason: z.string(),
  device,
  measured,
  linux: z.strictObject({ io_cost_model: z.string(), io_cost_qos: z.string() }).nullable(),
  ceph: ceph.nullable().optional(),
  /** See `engine/device/shape-spec.ts`; `workloads/shape-profile.ts` reads it. */
  shape: z.unknown().optional(),
  /** Of the shape, fingerprinted in virtual time, against the figures: operations a second. */
  fit: fit.optional(),
  /** Bytes that its maker rates it to bear over its life; nothing that can be measured. */
  endurance: z.strictObject({ rated_bytes: z.number().positive() }).optional(),
  figures: z.array(figure),
  sustained_write: sustained.nullable(),
});

export type Profile = z.infer<typeof profileSchema>;
export type ProfileFigure = z.infer<typeof figure>;
export type ProfileCapacity = z.infer<typeof ceph>;
export type ProfileFit = z.infer<typeof fit>;
export type ProfileSpread = z.infer<typeof spread>;
export type ProfileSustained = z.infer<typeof sustained>;

const heading = `What osdyno fingerprint found out about a device. Units stand in the names: _ns nanoseconds,
_bytes bytes, _per_second a second; depth: operations under way at once; write_share: 0 reads, 1 writes.
median, low, high: over the rounds, each a sample of its own in an order of its own. Latencies are from
handing over to having seen the end; percentiles need ten samples beyond them. flush.after.N: a flush that
follows N writes. jump: each read lies jump_bytes away from the one before. Random reads are of data that
were written before. shape: the device as a model, see engine/device/shape-spec.ts; fit: how near the
model's own figures come, ratio: operations a second of the model by those measured. sustained_write: 1 MiB writes in order, 8 under way, over the region and over it again.
`;

/** The device in a line, for lists. */
function summaryOf({ name, class: kind, device, figures, measured: { clock } }: Profile): string {
  const words = [0, 1].flatMap((share) => {
    const word = share === 0 ? "reads" : "writes";
    const own = figures.filter(
      ({ group, ...at }) =>
        group !== "flush" &&
        at.write_share === share &&
        at.size_bytes === 4096 &&
        at.order === "random",
    );
    const [one] = own;
    const most = Math.max(...own.map(({ iops }) => iops.median));
    return one === undefined
      ? []
      : [`4 KiB ${word} ${formatNs(one.latency_ns.mean.median)}, ${formatCount(most)} a second`];
  });
  const modelled = clock === "virtual" ? "; modelled" : "";
  return `${name}: ${kind}, ${formatBytes(device.size_bytes)}; ${words.join("; ")}${modelled}`;
}

/** The profile as YAML with a heading that explains it. */
export function profileYaml(profile: Profile): string {
  const comment = `${summaryOf(profile)}\n${heading}`
    .trimEnd()
    .split("\n")
    .map((line) => `# ${line}`)
    .join("\n");
  const document = new Document(rounded(profile));
  for (const key of ["figures", "sustained_write"]) {
    const node = document.get(key);
    const list = isMap(node) ? node.get("windows") : node;
    // One line a figure: a screen shows them all.
    for (const item of isSeq(list) ? list.items : []) {
      (item as { flow?: boolean }).flow = true;
    }
  }
  visit(document.get("shape") as Node | null, (_, node) => {
    if (isMap(node) && node.has("at")) {
      node.flow = true;
    }
    // Pairs of a rank and a multiple.
    if (isSeq(node) && node.items.every((each) => isScalar(each))) {
      node.flow = true;
    }
  });
  return `${comment}\n${document.toString({ lineWidth: 0, flowCollectionPadding: false })}`;
}

/** Seven digits say all there is to say. */
function rounded(value: unknown): unknown {
  if (typeof value === "number") {
    return Number.isInteger(value) ? value : Number(value.toPrecision(7));
  }
  if (Array.isArray(value)) {
    return value.map(rounded);
  }
  return value !== null && typeof value === "object"
    ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, rounded(each)]))
    : value;
}

/**
 * What its maker states of a device, from a profile that is going to be replaced: no measurement knows it. Null
 * where there is none; throws `bad-input` where it is written wrongly, so that it is not lost either.
 */
export function statedEndurance(file: string): NonNullable<Profile["endurance"]> | null {
  let raw: { readonly endurance?: unknown } | null;
  try {
    raw = parse(readFileSync(file, "utf8")) as typeof raw;
  } catch {
    return null;
  }
  const result = profileSchema.shape.endurance.safeParse(raw?.endurance);
  if (!result.success) {
    const why = "endurance: is not {rated_bytes: N}, N above 0; mend it, so that it can be kept";
    throw new OsdynoError("bad-input", why, { file });
  }
  return result.data ?? null;
}

/** Reads a profile; throws `bad-input` with what is wrong where. */
export function readProfile(file: string): Profile {
  let raw: unknown;
  try {
    raw = parse(readFileSync(file, "utf8"));
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new OsdynoError("bad-input", `cannot read a device profile: ${reason}`, { file });
  }
  const result = profileSchema.safeParse(raw);
  if (!result.success) {
    const issue = result.error.issues[0];
    const where = issue?.path.join(".") ?? "";
    throw new OsdynoError("bad-input", `no device profile: ${where}: ${issue?.message ?? ""}`, {
      file,
    });
  }
  return result.data;
}
