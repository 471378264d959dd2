/** The scheduler layer as the options of a target describe it. */
import { OsdynoError } from "../../base/error.ts";
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

/** Operations that run at once in all shards. */
export function placesOf(options: OptionSet): number {
  const each = (name: string) => Math.max(1, options.number(name));
  return each("osd_op_num_shards") * each("osd_op_num_threads_per_shard");
}

/** The option that states the small random writes a second of a device of this kind. */
export function capacityOption({ kind }: OptionSet): string {
  return `osd_mclock_max_capacity_iops_${kind}`;
}

/** Small random writes and bytes a second that the options say the device can do; throws `bad-input` for 0. */
export function capacityOf(options: OptionSet): {
  readonly iops: number;
  readonly bandwidth: number;
} {
  const above = (name: string): number => {
    const value = options.number(name);
    if (value <= 0) {
      throw new OsdynoError(
        "bad-input",
        `${name}=${value}: a device without capacity has nothing to share out; state more than 0, or leave it out`,
      );
    }
    return value;
  };
  return {
    iops: above(capacityOption(options)),
    bandwidth: above(`osd_mclock_max_sequential_bandwidth_${options.kind}`),
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

const mclock = "mclock_scheduler";

/** What was set and acts on nothing, one line each. */
export function schedulerNotes(options: OptionSet): readonly string[] {
  const queue = options.text("osd_op_queue");
  const other = options.kind === "hdd" ? "ssd" : "hdd";
  const rules: readonly (readonly [names: RegExp, acts: boolean, why: string])[] = [
    [
      new RegExp(`^osd_mclock_max_(capacity_iops|sequential_bandwidth)_${other}$`),
      false,
      `the device counts as ${options.kind}`,
    ],
    // What capacity is stated is also what shares are parts of, whichever scheduler rules.
    [
      /^osd_mclock_(?!max_capacity_iops|max_sequential_bandwidth)/,
      queue === mclock,
      `osd_op_queue is ${queue}`,
    ],
    [
      /^osd_mclock_override_recovery_settings$/,
      false,
      "no limit of recovery (osd_max_backfills, osd_recovery_max_active) acts here; a job's iodepth is one",
    ],
    [
      /^osd_mclock_scheduler_/,
      options.text("osd_mclock_profile") === "custom",
      `osd_mclock_profile is ${options.text("osd_mclock_profile")}, not custom`,
    ],
    [/^osd_op_pq_/, queue === "wpq", `osd_op_queue is ${queue}`],
    [
      /^osd_mclock_force_run_benchmark_on_init$/,
      !options.flag("osd_mclock_skip_benchmark"),
      "osd_mclock_skip_benchmark is true",
    ],
  ];
  return options.namesSet("scheduler").flatMap((name) => {
    const rule = rules.find(([names, acts]) => !acts && names.test(name));
    return rule === undefined ? [] : [`${name} has no effect: ${rule[2]}`];
  });
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
    costPerIo: plan.costPerIo,
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
