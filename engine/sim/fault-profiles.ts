/**
 * Named faults for simulated disks, as data. A profile is drawn anew for every disk from the seed, so
 * that a seed repeats it.
 */
import type { Fault, FaultEffect } from "../device/fault.ts";
import { type OpKind, opKinds } from "../port/block-device.ts";
import type { Random } from "../port/random.ts";
import type { DiskImage } from "./image.ts";

/** Which operations go wrong, how many in a hundred, and how. */
export interface FaultRule {
  readonly kinds: readonly OpKind[];
  readonly percent: number;
  readonly effect: FaultEffect["effect"];
  /** How much later a slow operation starts. */
  readonly delayNs: number;
  /** It may happen to disks that are opened after a crash as well. */
  readonly afterwards: boolean;
}

export interface FaultProfile {
  readonly name: string;
  readonly describe: string;
  /**
   * The disks lie: they report as done what they did not do, or lose what they had. Then acknowledged
   * writes may be gone, but what is returned MUST still be right. Without it everything
   * acknowledged MUST be there.
   */
  readonly lies: boolean;
  /** The disks are nearly full. */
  readonly scarce: boolean;
  readonly rules: readonly FaultRule[];
  /** What happens to a disk while it is without power: bits turned over, blocks that cannot be read. */
  readonly flippedBits: number;
  readonly badBlocks: number;
}

const { read, write, flush } = opKinds;
const rule = { delayNs: 0, afterwards: false };
const quiet = { lies: false, scarce: false, rules: [], flippedBits: 0, badBlocks: 0 };

export const faultProfiles: readonly FaultProfile[] = [
  {
    ...quiet,
    name: "slow",
    describe: "one operation in ten starts 20 ms late, and others overtake it",
    rules: [
      {
        ...rule,
        kinds: [read, write, flush],
        percent: 10,
        effect: "slow",
        delayNs: 20e6,
        afterwards: true,
      },
    ],
  },
  {
    ...quiet,
    name: "stuck",
    describe: "one operation in fifty hangs for a second",
    rules: [
      {
        ...rule,
        kinds: [read, write, flush],
        percent: 2,
        effect: "slow",
        delayNs: 1e9,
        afterwards: true,
      },
    ],
  },
  {
    ...quiet,
    name: "read-error",
    describe: "one read in a hundred fails once; asked again, it succeeds",
    rules: [{ ...rule, kinds: [read], percent: 1, effect: "error", afterwards: true }],
  },
  {
    ...quiet,
    name: "misread",
    describe: "one read in a hundred returns one bit turned over; asked again, it is right",
    rules: [{ ...rule, kinds: [read], percent: 1, effect: "flip", afterwards: true }],
  },
  {
    ...quiet,
    name: "write-error",
    describe: "one write in a hundred fails and says so",
    rules: [{ ...rule, kinds: [write], percent: 1, effect: "error" }],
  },
  {
    ...quiet,
    name: "flush-error",
    describe: "one flush in fifty fails and says so",
    rules: [{ ...rule, kinds: [flush], percent: 2, effect: "error" }],
  },
  { ...quiet, name: "full", describe: "the disk is nearly full from the beginning", scarce: true },
  {
    ...quiet,
    name: "torn",
    describe: "of one write in thirty only the beginning arrives, although it reports success",
    lies: true,
    rules: [{ ...rule, kinds: [write], percent: 3, effect: "torn" }],
  },
  {
    ...quiet,
    name: "lost",
    describe: "one write in thirty reports success and does nothing",
    lies: true,
    rules: [{ ...rule, kinds: [write], percent: 3, effect: "lost" }],
  },
  {
    ...quiet,
    name: "lost-flush",
    describe: "every third flush reports success and does nothing",
    lies: true,
    rules: [{ ...rule, kinds: [flush], percent: 33, effect: "lost" }],
  },
  {
    ...quiet,
    name: "misdirected",
    describe: "one write in thirty goes to another place, and harms what is there",
    lies: true,
    rules: [{ ...rule, kinds: [write], percent: 3, effect: "misdirected" }],
  },
  {
    ...quiet,
    name: "latent",
    describe: "some blocks cannot be read any more after the power failed",
    lies: true,
    rules: [{ ...rule, kinds: [write], percent: 3, effect: "latent" }],
    badBlocks: 3,
  },
  {
    ...quiet,
    name: "rot",
    describe: "some bits turn over where they lie while the power is off",
    lies: true,
    flippedBits: 3,
  },
];

export function faultProfile(name: string): FaultProfile | undefined {
  return faultProfiles.find((profile) => profile.name === name);
}

/** Several at once. */
export function joinProfiles(profiles: readonly FaultProfile[]): FaultProfile {
  return {
    name: profiles.map(({ name }) => name).join(","),
    describe: profiles.map(({ describe }) => describe).join("; "),
    lies: profiles.some(({ lies }) => lies),
    scarce: profiles.some(({ scarce }) => scarce),
    rules: profiles.flatMap(({ rules }) => rules),
    flippedBits: Math.max(...profiles.map(({ flippedBits }) => flippedBits)),
    badBlocks: Math.max(...profiles.map(({ badBlocks }) => badBlocks)),
  };
}

const blockBytes = 4096;
const longestBytes = 64 * 1024;
const eio = 5;
/** Operations of a disk that are drawn for; later ones go well. */
const horizon = 20_000;

function drawEffect(of: FaultRule, random: Random, sizeBytes: number): FaultEffect {
  switch (of.effect) {
    case "error":
      return { effect: "error", errno: eio };
    case "slow":
      return { effect: "slow", delayNs: of.delayNs };
    case "flip":
      return { effect: "flip", byte: random.below(blockBytes), mask: 1 << random.below(8) };
    case "torn":
      return { effect: "torn", bytes: blockBytes * random.below(3) };
    case "misdirected": {
      const blocks = Math.floor((sizeBytes - longestBytes) / blockBytes);
      return { effect: "misdirected", offsetBytes: blockBytes * random.below(blocks) };
    }
    case "latent":
      return { effect: "latent" };
    default:
      return { effect: "lost" };
  }
}

/** The faults of one disk; `afterwards`: of one that is opened after a crash. */
export function drawFaults(
  profile: FaultProfile,
  random: Random,
  sizeBytes: number,
  afterwards: boolean,
): readonly Fault[] {
  const faults: Fault[] = [];
  for (const of of profile.rules) {
    if (afterwards && !of.afterwards) {
      continue;
    }
    // Spread out, never two in a row: what is tried again succeeds.
    const meanGap = 100 / of.percent;
    let nth = 0;
    for (;;) {
      nth += Math.max(2, Math.round(meanGap * (0.5 + random.unit())));
      if (nth > horizon || faults.length > 300) {
        break;
      }
      faults.push({ kinds: of.kinds, nth, ...drawEffect(of, random, sizeBytes) });
    }
  }
  return faults;
}

/** What happens to what lies on a disk; returns the reads that fail from now on. */
export function decay(profile: FaultProfile, image: DiskImage, random: Random): readonly Fault[] {
  const pages = image.pages();
  const place = (): number => (pages[random.below(pages.length)] as number) * blockBytes;
  if (pages.length === 0) {
    return [];
  }
  const byte = new Uint8Array(1);
  for (let left = profile.flippedBits; left > 0; left -= 1) {
    const at = place() + random.below(blockBytes);
    image.read(at, byte);
    byte[0] = (byte[0] as number) ^ (1 << random.below(8));
    image.write(at, byte);
  }
  return Array.from({ length: profile.badBlocks }, () => ({
    kinds: [read],
    range: { offsetBytes: place(), lengthBytes: blockBytes },
    times: null,
    effect: "error" as const,
    errno: eio,
  }));
}
