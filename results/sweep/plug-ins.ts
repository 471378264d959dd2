/** Plug-ins that a sweep was given join the axis of the option that selects their hot path. */
import type { LoadedPlugIn } from "../plug-ins.ts";
import type { AxisValue, SweepAxis } from "./axes.ts";
import type { SweepSpec } from "./spec.ts";

/** The options of which a plug-in's name is a value. */
const selectedBy: Readonly<Record<LoadedPlugIn["hot_path"], readonly string[]>> = {
  allocator: ["bluestore_allocator"],
  cache: ["bluestore_cache_type", "rbd_cache_eviction"],
  checksum: ["bluestore_csum_type"],
  clientcache: ["rbd_cache_policy"],
  compressor: ["bluestore_compression_algorithm"],
  ioengine: ["bdev_ioengine"],
  kv: ["bluestore_kvbackend"],
  scheduler: ["osd_op_queue"],
  writelog: ["rbd_persistent_cache_mode"],
};

/** Settings beside the file that may name a plug-in, from the command line. */
export interface GivenSetting {
  readonly name: string;
  readonly value: string;
}

/** Whether an axis lists values of the option and sets nothing else. */
function lists({ names, values }: SweepAxis, option: string): boolean {
  const alone = names.length === 1 && names[0] === option;
  return alone && values.every(({ settings }) => Object.keys(settings).every((n) => n === option));
}

/** As the axis's other values: one that only stands for itself in a text sets nothing. */
function valueLike(like: AxisValue | undefined, option: string, name: string): AxisValue {
  const sets = like !== undefined && option in like.settings;
  return { parameters: { [option]: name }, settings: sets ? { [option]: name } : {} };
}

function isUsed(
  { axes, set, targets }: SweepSpec,
  options: readonly string[],
  name: string,
  given: readonly GivenSetting[],
): boolean {
  const among = (settings: Readonly<Record<string, string>>) =>
    options.some((option) => settings[option] === name);
  return (
    among(set) ||
    given.some((each) => options.includes(each.name) && each.value === name) ||
    targets.some((text) =>
      options.some((option) => text.split(/[?&]/).includes(`${option}=${name}`)),
    ) ||
    axes.some(({ values }) =>
      values.some(({ parameters, settings }) => among(settings) || among(parameters)),
    )
  );
}

/** What parts of a sweep are called. */
export interface PlugInWords {
  readonly nobody: string;
  readonly noAxis: string;
  readonly axis: string;
}

const ofSweep: PlugInWords = {
  nobody: "no point",
  noAxis: "the sweep has no axis that",
  axis: "the axis",
};

/**
 * The sweep with every plug-in in it: one that is named nowhere becomes the last value of its option's
 * axis, and a line says so; where there is no such axis, a line says that no point uses it.
 */
export function withPlugIns(
  spec: SweepSpec,
  plugIns: readonly LoadedPlugIn[],
  given: readonly GivenSetting[],
  words: PlugInWords = ofSweep,
): SweepSpec {
  let { axes } = spec;
  const notes = [...spec.notes];
  for (const { hot_path: hotPath, name } of plugIns) {
    const options = selectedBy[hotPath];
    if (isUsed({ ...spec, axes }, options, name, given)) {
      continue;
    }
    const option = options.find((each) => axes.some((axis) => lists(axis, each)));
    if (option === undefined) {
      const [usual = ""] = options;
      notes.push(
        `${words.nobody} uses plug-in ${name} (${hotPath}): ${words.noAxis} lists values of ${usual}; add ${usual}=${name} with --set or in the file`,
      );
      continue;
    }
    axes = axes.map((axis) =>
      lists(axis, option)
        ? { ...axis, values: [...axis.values, valueLike(axis.values[0], option, name)] }
        : axis,
    );
    notes.push(`plug-in ${name} takes part: it joined ${words.axis} ${option} as a value`);
  }
  return { ...spec, axes, notes };
}
