/** What a command says of the stack its jobs run on: options of its layers, the class of its devices. */
import { dirname } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import type { ClassDecision } from "../engine/device/classify.ts";
import { backingOfPath, probeContext, probeDevice } from "../engine/device/probe.ts";
import type { DeviceKind } from "../engine/options/option.ts";
import {
  OptionSet,
  type OptionSetting,
  type RecordedOption,
} from "../engine/options/option-set.ts";
import type { DeviceClass } from "../engine/port/block-device.ts";
import type { CpuChoice } from "./cpu-set.ts";
import { fingerprintedClass } from "./device-profile.ts";
import { lookUp } from "./planned-path.ts";
import type { NamedShape } from "./shape-profile.ts";

/** `--preset`, `--set`, `--device-class`; of a sweep's point as well. */
export interface StackChoice {
  readonly preset: string | null;
  /** Later ones hold. */
  readonly settings: readonly OptionSetting[];
  readonly deviceClass: DeviceClass | null;
  /** `--shape`: what the device below everything behaves like; absent: like itself. */
  readonly shape?: NamedShape;
  /** `--generator-cpus`, `--target-cpus`; absent: threads run where the process may. */
  readonly cpus?: CpuChoice;
}

export const plainStack: StackChoice = Object.freeze({
  preset: null,
  settings: [],
  deviceClass: null,
});

const classes: readonly DeviceClass[] = ["hdd", "ssd", "nvme", "pmem"];

/** Reads `--device-class`; throws `bad-input`. */
export function readDeviceClass(text: string): DeviceClass {
  const found = classes.find((each) => each === text);
  if (found === undefined) {
    throw new OsdynoError("bad-input", `--device-class ${text}: choose ${classes.join(", ")}`);
  }
  return found;
}

/** Reads `NAME=VALUE`; throws `bad-input`. `origin`: where it was written. */
export function readSetting(text: string, origin: string): OptionSetting {
  const equals = text.indexOf("=");
  if (equals < 1) {
    throw new OsdynoError("bad-input", `${origin} ${text}: expected NAME=VALUE`);
  }
  return { name: text.slice(0, equals), value: text.slice(equals + 1), origin };
}

/** The class of the device under a path that is there or will be. */
export function deviceClassOf(path: string, stack: StackChoice): ClassDecision {
  if (stack.deviceClass !== null) {
    return { deviceClass: stack.deviceClass, classReason: "--device-class" };
  }
  if (stack.shape !== undefined) {
    const { text, shape } = stack.shape;
    return { deviceClass: shape.deviceClass, classReason: `the shape ${text}` };
  }
  const context = probeContext();
  if (lookUp(path) !== null) {
    const probe = probeDevice(path, context);
    const { deviceClass, classReason } = fingerprintedClass(probe.block) ?? probe;
    return { deviceClass, classReason };
  }
  const { mount, block } = backingOfPath(dirname(path), context);
  const known = fingerprintedClass(block);
  if (known !== null) {
    return known;
  }
  return {
    deviceClass: block?.deviceClass ?? "ssd",
    classReason:
      block?.classReason ?? `a file on ${mount?.fsType ?? "no file system"} counts as ssd`,
  };
}

/** Options have defaults for disks and for what has no moving parts. */
export function kindOfClass(deviceClass: DeviceClass): DeviceKind {
  return deviceClass === "hdd" ? "hdd" : "ssd";
}

/** Refuses options that act on no layer of a run without one; what is accepted all the same, as notes. */
export function withoutLayers({ preset, settings }: StackChoice): readonly string[] {
  const set = new OptionSet({
    layers: new Set(),
    kind: "ssd",
    settings,
    ...(preset === null ? {} : { preset }),
  });
  return set.notes;
}

/** Options as a run records them: text, by name; of several stores the first, and what others differ in. */
export function recordOptions(
  sets: readonly { readonly text: string; readonly options: OptionSet }[],
): Readonly<Record<string, { readonly value: string; readonly origin: string }>> {
  const plain = ({ value, origin }: RecordedOption) => ({ value: String(value), origin });
  const recorded: Record<string, { readonly value: string; readonly origin: string }> = {};
  for (const { text, options } of sets) {
    for (const [name, option] of Object.entries(options.record())) {
      const own = plain(option);
      const known = recorded[name];
      if (known === undefined) {
        recorded[name] = own;
      } else if (known.value !== own.value) {
        recorded[`${name}@${text}`] = own;
      }
    }
  }
  return recorded;
}
