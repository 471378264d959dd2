/**
 * The lines for Linux's io.cost controller. Source: the kernel's documentation of cgroup v2 (io.cost.model,
 * io.cost.qos): the linear model wants bytes a second of large transfers and 4 KiB operations a second, in
 * order and at random, of a device kept busy; latencies are in microseconds.
 */
import type { ProfileFigure } from "./profile.ts";

const keepsBusy = 64;

function best(
  figures: readonly ProfileFigure[],
  wanted: (figure: ProfileFigure) => boolean,
  value: (figure: ProfileFigure) => number,
): number {
  return Math.max(0, ...figures.filter(wanted).map(value));
}

/** The shallowest depth that reaches nine tenths of what any depth reaches. */
export function kneeOf(
  figures: readonly ProfileFigure[],
  writeShare: number,
): ProfileFigure | null {
  const curve = figures
    .filter(
      ({ write_share: share, order, size_bytes: bytes, group }) =>
        share === writeShare && order === "random" && bytes === 4096 && group !== "flush",
    )
    .sort((a, b) => a.depth - b.depth);
  const most = Math.max(0, ...curve.map(({ iops }) => iops.median));
  return curve.find(({ iops }) => iops.median >= 0.9 * most) ?? null;
}

/** `deviceNumber`: `8:16`; of what is no device a place to put one. */
export function ioCostLines(
  figures: readonly ProfileFigure[],
  deviceNumber: string,
): { readonly io_cost_model: string; readonly io_cost_qos: string } | null {
  const values = [0, 1].flatMap((share) => {
    const own = (figure: ProfileFigure) =>
      figure.write_share === share && figure.group !== "flush" && figure.depth <= keepsBusy;
    const small = (order: string) => (figure: ProfileFigure) =>
      own(figure) && figure.order === order && figure.size_bytes === 4096;
    const bps = best(figures, own, (figure) => figure.bytes_per_second.median);
    const sequential = best(figures, small("sequential"), (figure) => figure.iops.median);
    const random = best(figures, small("random"), (figure) => figure.iops.median);
    return [bps, Math.max(sequential, random), random].map(Math.round);
  });
  const read = kneeOf(figures, 0);
  const write = kneeOf(figures, 1);
  if (values.includes(0) || read === null || write === null) {
    return null;
  }
  const [rbps, rseqiops, rrandiops, wbps, wseqiops, wrandiops] = values;
  const latency = ({ latency_ns: { p95, mean } }: ProfileFigure) =>
    Math.max(1, Math.round((p95 ?? mean.median) / 1000));
  return {
    io_cost_model: `${deviceNumber} ctrl=user model=linear rbps=${rbps} rseqiops=${rseqiops} rrandiops=${rrandiops} wbps=${wbps} wseqiops=${wseqiops} wrandiops=${wrandiops}`,
    io_cost_qos: `${deviceNumber} enable=1 ctrl=user rpct=95.00 rlat=${latency(read)} wpct=95.00 wlat=${latency(write)} min=50.00 max=150.00`,
  };
}
