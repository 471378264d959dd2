/** The options of one target: what was set, where it came from, and what holds otherwise. */
import { OsdynoError } from "../base/error.ts";
import {
  type DeviceKind,
  type OptionDefinition,
  type OptionLayer,
  type OptionValue,
  optionLayers,
} from "./option.ts";
import { optionNamed, optionTable, presetNamed } from "./registry.ts";
import { parseOptionValue } from "./value.ts";

/** One `NAME=VALUE`, and where it was written (`--set`, a sweep, the target's URI). */
export interface OptionSetting {
  readonly name: string;
  readonly value: string;
  readonly origin: string;
}

export interface OptionSetRequest {
  /** Layers that the target has; options of others are refused. */
  readonly layers: ReadonlySet<OptionLayer>;
  readonly kind: DeviceKind;
  /** Applied before the settings; what acts on other layers is left out with a note. */
  readonly preset?: string;
  readonly settings: readonly OptionSetting[];
}

/** A value and where it came from, as a run records it. */
export interface RecordedOption {
  readonly value: OptionValue;
  readonly origin: string;
}

/** Options of a target, resolved. Reading never fails for a name of the registry. */
export class OptionSet {
  readonly kind: DeviceKind;
  /** What was accepted without effect, for people. */
  readonly notes: readonly string[];
  readonly #layers: ReadonlySet<OptionLayer>;
  readonly #values = new Map<string, RecordedOption>();
  readonly #observers = new Map<string, Array<() => void>>();

  constructor(request: OptionSetRequest) {
    this.kind = request.kind;
    this.#layers = request.layers;
    const notes: string[] = [];
    if (request.preset !== undefined) {
      this.#applyPreset(request.preset, notes);
    }
    for (const setting of request.settings) {
      this.#applySetting(setting, notes);
    }
    this.notes = notes;
  }

  #applyPreset(name: string, notes: string[]): void {
    const left: string[] = [];
    for (const [key, entry] of Object.entries(presetNamed(name).values)) {
      const option = optionNamed(key);
      if (option.obsolete !== undefined || !this.#layers.has(option.layer)) {
        left.push(option.name);
        continue;
      }
      const text = typeof entry === "string" ? entry : entry[this.kind];
      this.#values.set(option.name, {
        value: parseOptionValue(option, text),
        origin: `preset ${name}`,
      });
    }
    if (left.length > 0) {
      notes.push(`preset ${name}: nothing here is acted on by ${left.join(", ")}`);
    }
  }

  #applySetting({ name, value, origin }: OptionSetting, notes: string[]): void {
    const option = optionNamed(name);
    const parsed = parseOptionValue(option, value);
    if (option.obsolete !== undefined) {
      notes.push(`${name}=${value} has no effect: ${option.obsolete}`);
      return;
    }
    if (!this.#layers.has(option.layer)) {
      throw new OsdynoError(
        "bad-input",
        `${name}=${value}: acts on ${optionLayers[option.layer]}, which this target does not have`,
      );
    }
    this.#values.set(option.name, { value: parsed, origin });
  }

  /**
   * The value that holds: as set, else the default. A 0 of an option that has defaults by kind of
   * device stands for the one of this kind.
   */
  get(name: string): OptionValue {
    const option = optionNamed(name);
    const value = this.#values.get(option.name)?.value ?? option.default;
    return option.byKind !== undefined && value === 0 ? this.get(`${name}_${this.kind}`) : value;
  }

  number(name: string): number {
    return this.#typed(name, "number");
  }

  flag(name: string): boolean {
    return this.#typed(name, "boolean");
  }

  text(name: string): string {
    return this.#typed(name, "string");
  }

  #typed<T extends OptionValue>(name: string, type: "number" | "boolean" | "string"): T {
    const value = this.get(name);
    if (typeof value !== type) {
      throw new TypeError(`option ${name} is not a ${type}`);
    }
    return value as T;
  }

  /** Whether somebody set it, rather than its default. */
  isSet(name: string): boolean {
    return this.#values.has(optionNamed(name).name);
  }

  /** Names of the options of a layer that were set one by one, not by a preset. */
  namesSet(layer: OptionLayer): readonly string[] {
    return [...this.#values].flatMap(([name, { origin }]) =>
      optionNamed(name).layer === layer && !origin.startsWith("preset ") ? [name] : [],
    );
  }

  /** Calls back after each change of the option at run time. */
  observe(name: string, callback: () => void): void {
    const key = optionNamed(name).name;
    this.#observers.set(key, [...(this.#observers.get(key) ?? []), callback]);
  }

  /** Changes an option at run time; throws `bad-input` when it needs a new start or a new store. */
  change({ name, value, origin }: OptionSetting): void {
    const option = optionNamed(name);
    if (option.change !== "runtime") {
      const when = option.change === "startup" ? "at the next start" : "when it is made anew";
      throw new OsdynoError("bad-input", `${name}=${value}: takes effect ${when} only`);
    }
    this.#applySetting({ name, value, origin }, []);
    for (const key of [option.name, option.kindOf?.name]) {
      for (const callback of key === undefined ? [] : (this.#observers.get(key) ?? [])) {
        callback();
      }
    }
  }

  /** Every option of the target's layers with the value that holds and its origin. */
  record(): Readonly<Record<string, RecordedOption>> {
    const acts = (option: OptionDefinition) =>
      option.obsolete === undefined && this.#layers.has(option.layer);
    return Object.fromEntries(
      optionTable.filter(acts).map((option) => {
        const set = this.#values.get(option.name);
        const origin = set?.origin ?? "default";
        return [option.name, { value: this.get(option.name), origin }];
      }),
    );
  }
}
