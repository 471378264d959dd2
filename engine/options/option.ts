/** What an option is: its name in Ceph, type, default, range, and the layer that it acts on. */

/** `size` is bytes, `seconds` may have fractions, `choice` is one of `choices`. */
export type OptionType = "size" | "int" | "float" | "bool" | "seconds" | "choice" | "text";

export type OptionValue = number | boolean | string;

/** Parts of a stack that options act on; a target has some of them. */
export const optionLayers = Object.freeze({
  store: "the object store (target store:)",
  scheduler: "the op scheduler",
  qos: "the QoS throttle",
  clientcache: "the client cache",
  writelog: "the persistent write log",
  osd: "OSDs",
  messenger: "the messenger",
  mon: "monitors",
  mds: "metadata servers",
  rados: "the RADOS client",
  rbd: "RBD images",
  log: "debug logs of daemons",
});
export type OptionLayer = keyof typeof optionLayers;

/** When a change takes effect: at once, at the next start, or only where something is created anew. */
export type OptionChange = "runtime" | "startup" | "create";

export type DeviceKind = "hdd" | "ssd";

/** One parameter, as written in the tables. */
export interface OptionEntry {
  readonly name: string;
  readonly type: OptionType;
  readonly default: OptionValue;
  /**
   * Defaults by kind of device, which hold while the option itself is 0. The options `NAME_hdd` and
   * `NAME_ssd` come from this.
   */
  readonly byKind?: Readonly<Record<DeviceKind, number>>;
  readonly min?: number;
  readonly max?: number;
  /** Only multiples of this, or only powers of two. */
  readonly step?: number | "power of two";
  readonly choices?: readonly string[];
  /** Other spellings of choices. */
  readonly choiceAliases?: Readonly<Record<string, string>>;
  /** Names under which the source documents or older versions know it. */
  readonly aliases?: readonly string[];
  readonly change: OptionChange;
  readonly layer: OptionLayer;
  /** Why it has no effect any more; it is accepted with a warning. */
  readonly obsolete?: string;
  /** What it decides, in one line. */
  readonly summary: string;
  /** The sweep that shows its effect: workload, values, metric. */
  readonly sweep?: string;
}

/** One parameter of the registry. */
export interface OptionDefinition extends OptionEntry {
  /** The option that this one is the default of, on one kind of device. */
  readonly kindOf?: { readonly name: string; readonly kind: DeviceKind };
}
