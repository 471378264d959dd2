/** Of the loads of the composite workload the three whose response times are looked at closely. */
import { mostMeanNs } from "./procedures.ts";
import type { CellFigures } from "./record.ts";

export interface ChosenLoad {
  readonly name: "max" | "mid" | "min";
  readonly threads: number;
  readonly depth: number;
}

interface Load {
  readonly threads: number;
  readonly depth: number;
  readonly iops: number;
}

/**
 * Min is one thread with one operation; max the load of most IOPS whose mean response is below 5 ms; mid
 * the one whose IOPS are nearest to the mean of those two. Where no load is below 5 ms, there is min only.
 */
export function chosenLoads(cells: readonly CellFigures[]): readonly ChosenLoad[] {
  const loads = cells.flatMap((cell): (Load & { readonly quick: boolean })[] => {
    const match = /^t(\d+)-q(\d+)$/.exec(cell.cell);
    const quick = cell.latency_mean_ns < mostMeanNs && cell.ios > 0;
    return match === null
      ? []
      : [{ threads: Number(match[1]), depth: Number(match[2]), iops: cell.iops, quick }];
  });
  const min = loads.find(({ threads, depth }) => threads === 1 && depth === 1);
  const quick = loads.filter((load) => load.quick);
  const max = quick.reduce<Load | null>(
    (best, load) => (best === null || load.iops > best.iops ? load : best),
    null,
  );
  const wanted = ((max?.iops ?? 0) + (min?.iops ?? 0)) / 2;
  const mid = quick
    .filter((load) => load !== max && load !== min)
    .reduce<Load | null>((best, load) => {
      const nearer = best === null || Math.abs(load.iops - wanted) < Math.abs(best.iops - wanted);
      return nearer ? load : best;
    }, null);
  const named = (name: ChosenLoad["name"], load: Load | null | undefined): ChosenLoad[] =>
    load === null || load === undefined ? [] : [{ name, threads: load.threads, depth: load.depth }];
  return [...named("max", max), ...named("mid", mid), ...(max === min ? [] : named("min", min))];
}
