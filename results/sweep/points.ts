/** The points of a sweep: every combination of the axes, without the excluded ones. */
import { OsdynoError } from "../../engine/base/error.ts";
import type { SweepSpec } from "./spec.ts";

/** One combination. */
export interface Point {
  readonly id: string;
  /** Axis by axis the name of the value, targets included when there are several. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Job keys to set, templates replaced. */
  readonly settings: Readonly<Record<string, string>>;
  readonly target: string | null;
}

const maxPoints = 100_000;

/** Replaces `${name}` where the name is known; leaves others to the job file's own expansion. */
export function fillIn(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? (values[name] ?? whole) : whole,
  );
}

function idOf(parameters: Readonly<Record<string, string>>, taken: Set<string>): string {
  const plain =
    Object.values(parameters)
      .map((value) => value.replace(/[^A-Za-z0-9.]+/g, "_").replace(/^_+|_+$/g, ""))
      .join("-")
      .slice(0, 100) || "point";
  let id = plain;
  for (let count = 2; taken.has(id); count += 1) {
    id = `${plain}-${count}`;
  }
  taken.add(id);
  return id;
}

/** Lists the points in the order of the file. `variables` are values for `${...}`, e.g. SCRATCH. */
export function pointsOf(spec: SweepSpec, variables: Readonly<Record<string, string>>): Point[] {
  const total = spec.axes.reduce((product, axis) => product * axis.values.length, 1);
  if (total * Math.max(1, spec.targets.length) > maxPoints) {
    throw new OsdynoError("bad-input", `the matrix has ${total} points; at most ${maxPoints}`, {
      file: spec.file,
    });
  }
  type Partial = { parameters: Record<string, string>; settings: Record<string, string> };
  let combined: Partial[] = [{ parameters: {}, settings: {} }];
  for (const axis of spec.axes) {
    combined = combined.flatMap((so) =>
      axis.values.map((value) => ({
        parameters: { ...so.parameters, [axis.name]: value.name },
        settings: { ...so.settings, ...value.settings },
      })),
    );
  }
  const kept = combined.filter(
    (so) =>
      !spec.exclude.some((rule) =>
        Object.entries(rule).every(([key, value]) => so.parameters[key] === value),
      ),
  );
  if (kept.length === 0) {
    throw new OsdynoError("bad-input", "exclude: leaves no point of the matrix", {
      file: spec.file,
    });
  }
  const taken = new Set<string>();
  const targets = spec.targets.length === 0 ? [null] : spec.targets;
  return targets.flatMap((target) =>
    kept.map(({ parameters, settings }) => {
      const all = {
        ...(target !== null && targets.length > 1 ? { target } : {}),
        ...parameters,
      };
      const values = { ...variables, ...parameters };
      return {
        id: idOf(all, taken),
        parameters: all,
        settings: Object.fromEntries(
          Object.entries(settings).map(([key, value]) => [key, fillIn(value, values)]),
        ),
        target: target === null ? null : fillIn(target, values),
      };
    }),
  );
}

/** `order[r]` lists the places of the points in block r: each block holds all, shuffled by the seed. */
export function blocksOf(count: number, repeat: number, unit: () => number): number[][] {
  return Array.from({ length: repeat }, () => {
    const order = Array.from({ length: count }, (_, place) => place);
    for (let last = count - 1; last > 0; last -= 1) {
      const other = Math.floor(unit() * (last + 1));
      [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
    }
    return order;
  });
}
