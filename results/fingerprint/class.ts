/** What a device is by what it does: flags and buses are often wrong, times are not. */

import { formatNs } from "../units.ts";
import type { Profile, ProfileFigure } from "./profile.ts";

/** No arm and no platter is faster in the mean, and nothing without them so slow. */
const turningNs = 2e6;
const turningIops = 2000;

/** The class of a device from its figures, with the reason; `probed`: what its bus says. */
export function classByFigures(
  figures: readonly ProfileFigure[],
  probed: Pick<Profile, "class" | "class_reason">,
): Pick<Profile, "class" | "class_reason"> {
  const one = figures.find(({ id }) => id === "read.random.4096.1");
  if (one === undefined) {
    return probed;
  }
  const ns = one.latency_ns.p50 ?? one.latency_ns.mean.median;
  const most = Math.max(
    ...figures
      .filter(({ group, write_share: share }) => group === "depth" && share === 0)
      .map(({ iops }) => iops.median),
    one.iops.median,
  );
  const seen = `4 KiB reads at random take ${formatNs(ns)} one by one (median)`;
  if (ns > turningNs && most < turningIops) {
    return { class: "hdd", class_reason: `${seen}, as where something turns` };
  }
  if (probed.class === "hdd") {
    return { class: "ssd", class_reason: `${seen}: nothing turns there` };
  }
  return { class: probed.class, class_reason: `${probed.class_reason}; ${seen}` };
}
