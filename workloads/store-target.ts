/** The target `store:PATH?size=8g&object_size=4m&OPTION=VALUE...`: its text, and what stands at its path. */
import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { nearestName } from "../engine/base/nearest-name.ts";
import type { OptionSetting } from "../engine/options/option-set.ts";
import {
  findOption,
  optionNamed,
  optionTable,
  unknownOptionHint,
} from "../engine/options/registry.ts";
import { parseOptionValue } from "../engine/options/value.ts";
import {
  type DeviceLabel,
  decodeLabel,
  labelBytes,
  labelMagic,
} from "../engine/store/bluestore/label.ts";
import { defaultObjectBytes } from "../engine/store/volume-layout.ts";
import { blockDeviceBytes } from "./planned-path.ts";

export interface StoreTarget {
  readonly kind: "store";
  readonly text: string;
  readonly path: string;
  /** Of a store that is made; null: what the job needs plus a third. */
  readonly sizeBytes: number | null;
  /** `bluestore_block_size`, if it is set anywhere: holds for a file that is made without `size=`. */
  readonly blockSizeBytes: number | null;
  /** Null: the default, or what the store has. */
  readonly objectBytes: number | null;
  /** It is made anew even if a store like it is there. */
  readonly fresh: boolean;
  readonly settings: readonly OptionSetting[];
}

const size = { ...optionNamed("bluestore_block_size"), min: 16 * 2 ** 20, max: 2 ** 50 };
const objectSize = { ...size, min: 4096, max: 2 ** 31 };

const targetKeys = ["size", "object_size", "fresh"];

function refuse(text: string, message: string): never {
  throw new OsdynoError("bad-input", `target ${text}: ${message}`);
}

/** A part of a target that is none of its own keys and no option; the nearest of all is told. */
function unknownName(text: string, name: string): never {
  const known = [...targetKeys, ...optionTable.map((option) => option.name)];
  const guess = nearestName(name, known);
  const own = guess !== null && targetKeys.includes(guess);
  const hint = own ? `; did you mean ${guess}?` : unknownOptionHint(name);
  refuse(text, `there is no option ${name}${hint}`);
}

/** Reads a target's text; throws `bad-input`. */
export function parseStoreTarget(text: string): StoreTarget {
  const match = /^store:([^?]*)(?:\?(.*))?$/s.exec(text);
  const path = match?.[1] ?? "";
  if (path === "") {
    refuse(text, "a path must follow store:");
  }
  let sizeBytes: number | null = null;
  let objectBytes: number | null = null;
  let fresh = false;
  const settings: OptionSetting[] = [];
  const seen = new Set<string>();
  for (const part of match?.[2] === undefined ? [] : match[2].split("&")) {
    const equals = part.indexOf("=");
    if (equals < 1) {
      refuse(text, "expected NAME=VALUE after ? and after each &");
    }
    const name = part.slice(0, equals);
    const value = part.slice(equals + 1);
    if (seen.has(name)) {
      refuse(text, `${name} is given twice`);
    }
    seen.add(name);
    if (name === "size") {
      sizeBytes = Number(parseOptionValue({ ...size, name }, value));
    } else if (name === "object_size") {
      objectBytes = Number(parseOptionValue({ ...objectSize, name }, value));
    } else if (name === "fresh") {
      fresh = parseOptionValue({ ...size, name, type: "bool" }, value) === true;
    } else {
      parseOptionValue(findOption(name) ?? unknownName(text, name), value);
      settings.push({ name, value, origin: "target" });
    }
  }
  if (objectBytes !== null && objectBytes % 4096 !== 0) {
    refuse(text, `object_size=${objectBytes}: must be a multiple of 4096`);
  }
  return {
    kind: "store",
    text,
    path,
    sizeBytes,
    blockSizeBytes: null,
    objectBytes,
    fresh,
    settings,
  };
}

/** The same with an absolute path: names one store wherever it is read. */
export function absoluteStore(target: StoreTarget, directory: string): StoreTarget {
  const path = resolve(directory, target.path);
  const query = target.text.indexOf("?");
  const text = `store:${path}${query < 0 ? "" : target.text.slice(query)}`;
  return { ...target, path, text };
}

/** What is at the path of a store. */
export type StorePlace =
  | { readonly kind: "absent" }
  | {
      readonly kind: "store";
      readonly label: DeviceLabel;
      readonly block: boolean;
      /** Of the file or device. */
      readonly sizeBytes: number;
    }
  /** A file or device that is something else. */
  | { readonly kind: "foreign"; readonly block: boolean; readonly sizeBytes: number };

/** Whether the same stands there at two times: the same store, or something else of the same length. */
export function sameContents(before: StorePlace, now: StorePlace): boolean {
  if (before.kind === "store" && now.kind === "store") {
    return before.label.storeId === now.label.storeId;
  }
  if (before.kind === "foreign" && now.kind === "foreign") {
    return before.sizeBytes === now.sizeBytes;
  }
  return before.kind === now.kind;
}

/** Reads the label, if there is one. Throws `bad-input` or `io` with one line. */
export function storePlace(path: string): StorePlace {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    return { kind: "absent" };
  }
  const block = found.isBlockDevice();
  if (!block && !found.isFile()) {
    throw new OsdynoError("bad-input", `${path} is neither a file nor a block device`);
  }
  const sizeBytes = bytesOf(path, found);
  const bytes = firstBytes(path, block);
  if (bytes === null) {
    return { kind: "foreign", block, sizeBytes };
  }
  const magic = String.fromCharCode(...bytes.subarray(0, labelMagic.length));
  return magic === labelMagic
    ? { kind: "store", label: decodeLabel(bytes, path), block, sizeBytes }
    : { kind: "foreign", block, sizeBytes };
}

function bytesOf(path: string, found: Stats): number {
  return found.isBlockDevice() ? blockDeviceBytes(path, found) : found.size;
}

/** Null: a device that nobody may open; whether it is in use is for the safety verdict to say. */
function firstBytes(path: string, block: boolean): Uint8Array | null {
  try {
    const file = openSync(path, "r");
    try {
      const bytes = new Uint8Array(labelBytes);
      readSync(file, bytes, 0, labelBytes, 0);
      return bytes;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (
      block &&
      ["EPERM", "EACCES", "EBUSY"].includes((error as NodeJS.ErrnoException).code ?? "")
    ) {
      return null;
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new OsdynoError("io", `${path}: ${reason}`, {}, error);
  }
}

const blockBytes = 65536;
/** What metadata takes of a small store. */
const leastBytes = 64 * 2 ** 20;

/** The volume of a store: three quarters, the rest is for metadata, and for room to write anew. */
export function volumeBytesOf(storeBytes: number): number {
  const bytes = Math.floor(storeBytes * 0.75);
  return bytes - (bytes % blockBytes);
}

/** A store whose volume has so many bytes: a third more. */
export function storeBytesFor(volumeBytes: number): number {
  const bytes = Math.max(leastBytes, Math.ceil((volumeBytes * 4) / 3) + 2 * blockBytes);
  return Math.ceil(bytes / blockBytes) * blockBytes;
}

export const objectBytesOf = (target: StoreTarget): number =>
  target.objectBytes ?? defaultObjectBytes;
