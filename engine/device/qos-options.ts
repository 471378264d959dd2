/** The QoS layer as the options of a target (`rbd_qos_*`) describe it. */
import { OsdynoError } from "../base/error.ts";
import { nearestName } from "../base/nearest-name.ts";
import type { OptionSet } from "../options/option-set.ts";
import type { BlockDevice } from "../port/block-device.ts";
import type { Clock } from "../port/clock.ts";
import {
  QosDevice,
  type QosDeviceOptions,
  type QosName,
  type QosOp,
  qosNames,
  qosOps,
} from "./qos.ts";
import type { QosLimit } from "./qos-bucket.ts";

/** Kinds that there are on images and not here: naming them changes nothing. */
const elsewhere = ["write_same", "compare_and_write"];

function excluded(text: string): QosOp[] {
  const names = text.split(/[\s,+]+/).filter((name) => name !== "");
  const known = Object.keys(qosOps) as QosOp[];
  for (const name of names) {
    if (!(name in qosOps) && !elsewhere.includes(name)) {
      const guess = nearestName(name, [...known, ...elsewhere]);
      const hint = guess === null ? "" : `; did you mean ${guess}?`;
      throw new OsdynoError(
        "bad-input",
        `rbd_qos_exclude_ops=${text}: ${name} is no operation (${[...known, ...elsewhere].join(", ")})${hint}`,
      );
    }
  }
  return known.filter((name) => names.includes(name));
}

/** The limits that are set; throws `bad-input` for a burst below its limit. */
export function qosOptionsOf(options: OptionSet): QosDeviceOptions {
  const limits: Partial<Record<QosName, QosLimit>> = {};
  for (const name of qosNames) {
    const limit = options.number(`rbd_qos_${name}_limit`);
    const burst = options.number(`rbd_qos_${name}_burst`);
    if (burst !== 0 && burst < limit) {
      throw new OsdynoError(
        "bad-input",
        `rbd_qos_${name}_burst=${burst}: must not be less than rbd_qos_${name}_limit=${limit}`,
      );
    }
    if (limit > 0) {
      limits[name] = {
        limit,
        burst,
        burstSeconds: options.number(`rbd_qos_${name}_burst_seconds`),
      };
    }
  }
  const exclude = excluded(options.text("rbd_qos_exclude_ops"));
  return { limits, exclude, tickMinMs: options.number("rbd_qos_schedule_tick_min") };
}

/** What was set and acts on nothing, one line each. */
export function qosNotes(options: OptionSet): readonly string[] {
  const limits = qosNames.filter((name) => options.number(`rbd_qos_${name}_limit`) > 0);
  return options.namesSet("qos").flatMap((option) => {
    const name = /^rbd_qos_(.+)_burst(?:_seconds)?$/.exec(option)?.[1];
    if (name !== undefined) {
      return limits.some((limit) => limit === name)
        ? []
        : [`${option} has no effect: rbd_qos_${name}_limit is not set`];
    }
    return limits.length > 0 || option.endsWith("_limit")
      ? []
      : [`${option} has no effect: no rbd_qos_*_limit is set`];
  });
}

/** Puts the throttle over a device. `depth`: operations that its users have under way together. */
export function openQosDevice(
  below: BlockDevice,
  options: OptionSet,
  { clock, depth }: { readonly clock: Clock; readonly depth: number },
): QosDevice {
  const device = new QosDevice(below, clock, { ...qosOptionsOf(options), depth });
  for (const name of qosNames) {
    for (const part of ["limit", "burst", "burst_seconds"]) {
      options.observe(`rbd_qos_${name}_${part}`, () => device.reconfigure(qosOptionsOf(options)));
    }
  }
  return device;
}
