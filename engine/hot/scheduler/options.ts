/** The scheduler layer as the options of a target describe it. */
import type { OptionSet } from "../../options/option-set.ts";
import type { BlockDevice } from "../../port/block-device.ts";
import type { Clock } from "../../port/clock.ts";
import type { Random } from "../../port/random.ts";
import { SchedulerDevice } from "./device.ts";
import { DmClockClients } from "./dmclock-clients.ts";
import {
  type ClientQos,
  type MclockProfile,
  mclockProfiles,
  type QosPlan,
  type QosShares,
  qosPlanOf,
} from "./qos.ts";
import { openScheduler } from "./registry.ts";
import { cutOffs } from "./scheduler.ts";

/** Ceph's object size: what stays together on one shard. */
const stripeBytes = 4 * 1024 * 1024;

/** The shares of the profile that is chosen, or those that were set one by one (`custom`). */
export function sharesOf(options: OptionSet): QosShares {
  const profile = options.text("osd_mclock_profile");
  if (profile !== "custom") {
    return mclockProfiles[profile as MclockProfile];
  }
  const of = (name: string): ClientQos => ({
    reservation: options.number(`osd_mclock_scheduler_${name}_res`),
    weight: options.number(`osd_mclock_scheduler_${name}_wgt`),
    limit: options.number(`osd_mclock_scheduler_${name}_lim`),
  });
  return {
    client: of("client"),
    recovery: of("background_recovery"),
    bestEffort: of("background_best_effort"),
  };
}

/** Small random writes and bytes a second that the options say the device can do. */
export function capacityOf(options: OptionSet): {
  readonly iops: number;
  readonly bandwidth: number;
} {
  return {
    iops: Math.max(1, options.number(`osd_mclock_max_capacity_iops_${options.kind}`)),
    bandwidth: Math.max(1, options.number(`osd_mclock_max_sequential_bandwidth_${options.kind}`)),
  };
}

/** Whether classes have their reservations and limits on all shards together, or a part on each. */
function acrossShards(options: OptionSet): boolean {
  return options.flag("osd_mclock_across_shards");
}

/** Reservations, weights and limits of one shard, or of all together. */
export function planOf(options: OptionSet): QosPlan {
  const shards = acrossShards(options) ? 1 : Math.max(1, options.number("osd_op_num_shards"));
  return qosPlanOf(sharesOf(options), { ...capacityOf(options), shards });
}

/** Puts the scheduler over a device. `depth`: operations that its users have under way together. */
export function openSchedulerDevice(
  below: BlockDevice,
  options: OptionSet,
  context: { readonly clock: Clock; readonly random: Random; readonly depth: number },
): SchedulerDevice {
  const { random, clock, depth } = context;
  const cut = options.text("osd_op_queue_cut_off");
  const low = cut === "low" || (cut === "debug_random" && random.below(2) === 0);
  const plan = planOf(options);
  const minBytes = options.number("osd_op_pq_min_cost");
  const maxBytes = options.number("osd_op_pq_max_tokens_per_priority");
  const shared = acrossShards(options) ? { sharedClients: new DmClockClients() } : {};
  const device = new SchedulerDevice(below, clock, {
    queue: () =>
      openScheduler(options.text("osd_op_queue"), {
        random,
        cutOff: low ? cutOffs.low : cutOffs.high,
        plan,
        ...shared,
        wpqCost: { minBytes, maxBytes },
      }),
    shards: Math.max(1, options.number("osd_op_num_shards")),
    slotsPerShard: Math.max(1, options.number("osd_op_num_threads_per_shard")),
    stripeBytes,
    depth,
  });
  for (const name of runtimeOptions(options)) {
    options.observe(name, () => device.reconfigure(planOf(options)));
  }
  return device;
}

function runtimeOptions({ kind }: OptionSet): string[] {
  const classes = ["client", "background_recovery", "background_best_effort"];
  return [
    "osd_mclock_profile",
    `osd_mclock_max_capacity_iops_${kind}`,
    `osd_mclock_max_sequential_bandwidth_${kind}`,
    ...classes.flatMap((name) =>
      ["res", "wgt", "lim"].map((part) => `osd_mclock_scheduler_${name}_${part}`),
    ),
  ];
}
