/**
 * The layers that may lie between jobs and their target: `chainLayers` lists them in order, and this is
 * the place to add one. A layer is in the chain of a run when one of its options is set.
 */
import { openQosDevice, qosOptionsOf } from "../engine/device/qos-options.ts";
import { openSchedulerDevice, planOf } from "../engine/hot/scheduler/options.ts";
import type { OptionLayer } from "../engine/options/option.ts";
import type { OptionSet, OptionSetting } from "../engine/options/option-set.ts";
import { findOption } from "../engine/options/registry.ts";
import type { BlockDevice } from "../engine/port/block-device.ts";
import type { Clock } from "../engine/port/clock.ts";
import type { Random } from "../engine/port/random.ts";

export interface LayerContext {
  readonly options: OptionSet;
  readonly clock: Clock;
  readonly random: Random;
  /** Operations of all jobs under way together, which the layer MUST take. */
  readonly depth: number;
}

/** A layer at work: a block device that tells what it did, by name. */
export interface OpenLayer extends BlockDevice {
  counters(): Readonly<Record<string, number>>;
}

export interface ChainLayer {
  readonly layer: OptionLayer;
  /** Throws `bad-input` for values that do not go together, before anything is opened. */
  check(options: OptionSet): void;
  /** Puts the layer over what is below, whose arena it hands on; closing it closes that. */
  open(below: BlockDevice, context: LayerContext): OpenLayer;
}

/** Outermost first. */
export const chainLayers: readonly ChainLayer[] = [
  {
    layer: "qos",
    check: (options) => {
      qosOptionsOf(options);
    },
    open: (below, context) => openQosDevice(below, context.options, context),
  },
  {
    layer: "scheduler",
    check: (options) => {
      planOf(options);
    },
    open: (below, context) => openSchedulerDevice(below, context.options, context),
  },
];

/** The layers that settings ask for, outermost first. A preset asks for none: it sets those that are there. */
export function layersAsked(settings: readonly OptionSetting[]): readonly ChainLayer[] {
  const named = new Set(
    settings.map(({ name }) => findOption(name)).filter((option) => option?.obsolete === undefined),
  );
  const layers = new Set([...named].map((option) => option?.layer));
  return chainLayers.filter(({ layer }) => layers.has(layer));
}
