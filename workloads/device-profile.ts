/** What fingerprints that lie here say of the class of a device: it was seen to behave like one. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { basename } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import type { ClassDecision } from "../engine/device/classify.ts";
import type { BlockFacts } from "../engine/device/facts.ts";
import { profileFiles } from "./shape-profile.ts";

/** What of a profile tells whose it is. */
const identity = z.object({
  class: z.enum(["hdd", "ssd", "nvme", "pmem"]),
  class_reason: z.string(),
  device: z.object({
    name: z.string(),
    model: z.string().nullable(),
    serial: z.string().nullable(),
  }),
  measured: z.object({ at: z.string(), host: z.string().nullable(), clock: z.literal("real") }),
});

type Identity = z.infer<typeof identity> & { readonly file: string };

const read = new Map<string, Identity | null>();

/** The profile's owner; `null`: it was made up, or is none. */
function identityOf(file: string): Identity | null {
  const known = read.get(file);
  if (known !== undefined) {
    return known;
  }
  let found: Identity | null = null;
  try {
    const text = readFileSync(file, "utf8");
    // Those that come along are modelled: not worth the reading.
    if (/^ {2}clock: real$/m.test(text)) {
      const result = identity.safeParse(parse(text));
      found = result.success ? { ...result.data, file } : null;
    }
  } catch {
    // A file that cannot be read says nothing.
  }
  read.set(file, found);
  return found;
}

/** A serial number is one device's; without one it is the name on the same host. */
function isOf({ device, measured }: Identity, block: BlockFacts): boolean {
  if (device.model !== block.model) {
    return false;
  }
  return block.serial !== null || device.serial !== null
    ? device.serial === block.serial
    : device.name === block.disk && measured.host === hostname();
}

/** The class that the newest fingerprint of a device gives it; `null`: there is none. */
export function fingerprintedClass(
  block: BlockFacts | null,
  directory = process.cwd(),
): ClassDecision | null {
  if (block === null) {
    return null;
  }
  const own = profileFiles(directory)
    .flatMap((file) => identityOf(file) ?? [])
    .filter((profile) => isOf(profile, block))
    .sort((a, b) => (a.measured.at < b.measured.at ? 1 : -1));
  const newest = own[0];
  return newest === undefined
    ? null
    : {
        deviceClass: newest.class,
        classReason: `fingerprint ${basename(newest.file)}: ${newest.class_reason}`,
      };
}
