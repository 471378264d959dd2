/** What is done to objects, and how often of each. */

export const objectOps = ["get", "put", "overwrite", "delete", "omap"] as const;
export type ObjectOp = (typeof objectOps)[number];

/** Percent of the operations; their sum is 100. */
export type ObjectMix = Readonly<Record<ObjectOp, number>>;

export const noMix: ObjectMix = Object.freeze({ get: 0, put: 0, overwrite: 0, delete: 0, omap: 0 });

/** Shares as reads, writes and trims: gets; puts, overwrites and omap; deletes. */
export function mixByDirection(mix: ObjectMix): readonly [number, number, number] {
  return [mix.get, mix.put + mix.overwrite + mix.omap, mix.delete];
}

/** Nothing is done to objects but to their omap: they come to be by that. */
export function omapAlone(mix: ObjectMix): boolean {
  return mix.omap > 0 && mix.get + mix.put + mix.overwrite + mix.delete === 0;
}

/** Some operation of the mix works on objects that are there already. */
export function needsObjects(mix: ObjectMix): boolean {
  return mix.get + mix.overwrite + mix.delete > 0;
}
