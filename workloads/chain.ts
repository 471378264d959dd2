/**
 * The layers that may lie between jobs and their target: `chainLayers` lists them in order, and this is
 * the place to add one. A layer is in the chain of a run when one of its options is set.
 */
import { openQosDevice, qosNotes, qosOptionsOf } from "../engine/device/qos-options.ts";
import {
  clientCacheNotes,
  clientCacheTuningOf,
  openClientCacheDevice,
} from "../engine/hot/clientcache/options.ts";
import { openSchedulerDevice, planOf, schedulerNotes } from "../engine/hot/scheduler/options.ts";
import { writeLogKind } from "../engine/hot/writelog/registry.ts";
import type { OptionLayer } from "../engine/options/option.ts";
import type { OptionSet, OptionSetting } from "../engine/options/option-set.ts";
import { findOption } from "../engine/options/registry.ts";
import { parseOptionValue } from "../engine/options/value.ts";
import type { Holds } from "../engine/os/hold.ts";
import type { BlockDevice } from "../engine/port/block-device.ts";
import type { Clock } from "../engine/port/clock.ts";
import type { Random } from "../engine/port/random.ts";
import type { PlannedLog } from "./log-place.ts";
import { openWriteLogDevice } from "./runner/log-device.ts";

export interface LayerContext {
  readonly options: OptionSet;
  readonly clock: Clock;
  readonly random: Random;
  /** Operations of all jobs under way together, which the layer MUST take. */
  readonly depth: number;
  /** The target, as what a write log stands before: how it is opened, and what proves that it is the same. */
  readonly imageUri: string;
  readonly imageId: string;
  /** Of a chain with a write log. */
  readonly log: PlannedLog | null;
  /** Takes files and devices of layers that nobody else may have until the chain is closed. */
  readonly holds: Holds;
}

/** A layer at work: a block device that tells what it did, by name. */
export interface OpenLayer extends BlockDevice {
  counters(): Readonly<Record<string, number>>;
}

export interface ChainLayer {
  readonly layer: OptionLayer;
  /** Whether the settings that were given for it, by name, leave it on. */
  isOn(given: ReadonlyMap<string, string>): boolean;
  /** Operations of its own, each with a slot, that what is below must take beside those of the jobs. */
  spare(depth: number, slotBytes: number): number;
  /** Slots of the layer's own are at least so large: what it reads and writes by itself, bytes. */
  readonly leastSlotBytes: number;
  /** Throws `bad-input` for values that do not go together, before anything is opened. */
  check(options: OptionSet): void;
  /** What was set and acts on nothing, or not as it was set, one line each. */
  notes(options: OptionSet): readonly string[];
  /** Puts the layer over what is below, whose arena it hands on; closing it closes that. */
  open(below: BlockDevice, context: LayerContext): OpenLayer | Promise<OpenLayer>;
}

const always = (): boolean => true;
const none = (): number => 0;
const noNotes = (): readonly string[] => [];

/** So many operations of a layer's own, but not more memory than this for their slots. */
const ownAtMost = (most: number) => (_depth: number, slotBytes: number) =>
  Math.max(2, Math.min(most, Math.floor((64 << 20) / slotBytes)));

/** Outermost first. */
export const chainLayers: readonly ChainLayer[] = [
  {
    layer: "qos",
    isOn: always,
    spare: none,
    leastSlotBytes: 0,
    check: (options) => {
      qosOptionsOf(options);
    },
    notes: qosNotes,
    open: (below, context) => openQosDevice(below, context.options, context),
  },
  {
    layer: "clientcache",
    isOn: (given) => given.get("rbd_cache") !== "false",
    spare: ownAtMost(32),
    leastSlotBytes: 128 << 10,
    check: (options) => {
      clientCacheTuningOf(options);
    },
    notes: clientCacheNotes,
    open: async (below, { options, clock }) => await openClientCacheDevice(below, options, clock),
  },
  {
    layer: "writelog",
    isOn: (given) => given.get("rbd_persistent_cache_mode") !== "disabled",
    spare: ownAtMost(64),
    leastSlotBytes: 0,
    check: (options) => {
      if (options.isSet("rbd_persistent_cache_mode")) {
        writeLogKind(options.text("rbd_persistent_cache_mode"));
      }
    },
    notes: noNotes,
    open: async (below, context) => await openWriteLogDevice(below, context),
  },
  {
    layer: "scheduler",
    isOn: always,
    spare: none,
    leastSlotBytes: 0,
    check: (options) => {
      planOf(options);
    },
    notes: schedulerNotes,
    open: (below, context) => openSchedulerDevice(below, context.options, context),
  },
];

/** The layers that settings name, outermost first, with those that they switch off. */
function namedBy(
  settings: readonly OptionSetting[],
): readonly { on: boolean; layer: ChainLayer }[] {
  const given = new Map<string, string>();
  const layers = new Set<OptionLayer>();
  for (const { name, value } of settings) {
    const option = findOption(name);
    if (option !== undefined && option.obsolete === undefined) {
      given.set(option.name, String(parseOptionValue(option, value)));
      layers.add(option.layer);
    }
  }
  return chainLayers
    .filter(({ layer }) => layers.has(layer))
    .map((layer) => ({ layer, on: layer.isOn(given) }));
}

/** What the layers of a chain were given that acts on nothing. */
export function layerNotes(layers: readonly OptionLayer[], options: OptionSet): readonly string[] {
  const there = chainLayers.filter(({ layer }) => layers.includes(layer));
  return there.flatMap(({ notes }) => notes(options));
}

/** The layers that settings ask for, outermost first. A preset asks for none: it sets those that are there. */
export function layersAsked(settings: readonly OptionSetting[]): readonly ChainLayer[] {
  return namedBy(settings).flatMap(({ layer, on }) => (on ? [layer] : []));
}

/** The layers whose options are accepted: those that are asked for, and those that are switched off. */
export function layersNamed(settings: readonly OptionSetting[]): readonly OptionLayer[] {
  return namedBy(settings).map(({ layer }) => layer.layer);
}

/** Operations that what is below the layers must take beside those of the jobs. */
export function spareOf(layers: readonly OptionLayer[], depth: number, slotBytes: number): number {
  const asked = chainLayers.filter(({ layer }) => layers.includes(layer));
  return asked.reduce((sum, { spare }) => sum + spare(depth, slotBytes), 0);
}

/** Bytes of a slot below the layers, for jobs whose largest operation is `maxBlock`. */
export function slotBytesOf(layers: readonly OptionLayer[], maxBlock: number): number {
  const asked = chainLayers.filter(({ layer }) => layers.includes(layer));
  return Math.max(maxBlock, ...asked.map(({ leastSlotBytes }) => leastSlotBytes));
}
