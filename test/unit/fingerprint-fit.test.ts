/**
 * A shaped device fingerprints to within a tenth of its profile: the built-in ones of the figures in their
 * files, and shapes that were fitted to figures of the figures they were fitted to.
 */
import { describe, expect, test } from "vitest";
import type { ShapeSpec } from "../../engine/device/shape-spec.ts";
import { figureOf, sustainedOf } from "../../results/fingerprint/figures.ts";
import { deviations, fitShape } from "../../results/fingerprint/fit.ts";
import { measureDevice } from "../../results/fingerprint/measure.ts";
import { readProfile } from "../../results/fingerprint/profile.ts";
import { openVirtual } from "../../results/fingerprint/virtual.ts";
import { readShape } from "../../workloads/shape-profile.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
/** On a machine that does much else meanwhile; alone they take seconds. */
const patienceMs = 240_000;
const names = ["hdd-7200", "sata-ssd", "nvme", "pmem"] as const;

async function measured(shape: ShapeSpec, regionBytes: number, sampleNs: number) {
  const stand = openVirtual({ shape, regionBytes, hostNs: 0, seed });
  const found = await measureDevice(stand, {
    readOnly: false,
    turns: shape.kind === "disk",
    rounds: 3,
    sampleNs,
    sampleOps: 3000,
    streamBytes: shape.kind === "disk" ? 2 ** 30 : 2 ** 32,
    seed: seed + 1,
    signal: new AbortController().signal,
    onStep: () => {},
  });
  return { figures: found.points.map(figureOf), found };
}

function regionOf(shape: ShapeSpec): number {
  return shape.sizeBytes - (shape.sizeBytes % (4 << 20));
}

describe(`shapes, seed ${seed}`, () => {
  test.each(names)(
    "%s fingerprints to the figures in its profile",
    async (name) => {
      const { file, shape } = readShape(name, "/");
      const profile = readProfile(file);
      const { figures } = await measured(shape, regionOf(shape), 2e9);
      const far = deviations(profile.figures, figures).filter(
        // Of a disk few operations a sample scatter; its mixes of cached writes and reads most of all.
        ({ id, ratio }) =>
          Math.abs(ratio - 1) > (name === "hdd-7200" ? 0.2 : 0.1) && !id.startsWith("mix"),
      );
      expect(far).toEqual([]);
      expect(figures.length).toBe(profile.figures.length);
    },
    patienceMs,
  );

  test.each(names)(
    "what is fitted to %s fingerprints like it",
    async (name) => {
      const { shape } = readShape(name, "/");
      const regionBytes = regionOf(shape);
      const { figures, found } = await measured(
        shape,
        regionBytes,
        shape.kind === "disk" ? 2e10 : 2e8,
      );
      const { fit } = fitShape({
        class: shape.deviceClass,
        figures,
        sustained_write: sustainedOf(found.windows),
        device: {
          ...{ path: "null:", name, model: null, serial: null, scheduler: null },
          ...{ write_cache: null, rotational: null },
          size_bytes: shape.sizeBytes,
          block_bytes: shape.blockBytes,
        },
        regionBytes,
        hostNs: 0,
        points: found.points.map(({ point }) => point),
        seed: seed + 2,
      });
      // A disk's cache and queue are known only by their effect: one point in twenty may miss.
      expect(fit.within_10_percent / fit.points, JSON.stringify(fit.beyond)).toBeGreaterThanOrEqual(
        shape.kind === "disk" ? 0.95 : 1,
      );
      expect(fit.worst, JSON.stringify(fit.beyond)).toBeLessThan(0.25);
    },
    patienceMs,
  );
});
