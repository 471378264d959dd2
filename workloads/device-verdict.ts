/** Whether a block device may be written to: what uses it, and what it bears. */
import { holderText } from "../engine/device/holders.ts";
import type { DeviceProbe } from "../engine/device/probe.ts";
import type { Signature } from "../engine/device/signatures-model.ts";

export type Permission =
  /** Nothing that counts can be lost. */
  | "free"
  /** Only with `--destroy`. */
  | "needs-destroy"
  /** Not even with `--destroy`. */
  | "never";

export interface Judgement {
  readonly permission: Permission;
  readonly reason: string;
  readonly advice?: string;
}

export const destroyAdvice = "give --destroy to overwrite it, or name a file in a scratch place";

export function listWords(words: readonly string[]): string {
  return words.length < 2
    ? words.join("")
    : `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;
}

export function signatureText(signature: Signature): string {
  return signature.label === null ? signature.what : `${signature.what} ("${signature.label}")`;
}

/** Who uses the device so that writing would damage what is live. */
function useOf(probe: DeviceProbe): { reason: string; advice: string } | null {
  const own = probe.block?.name ?? "";
  const mount = probe.mounts[0];
  if (mount !== undefined) {
    const who = mount.device === own ? "is mounted" : `is in use: ${mount.device} is mounted`;
    return {
      reason: `${who} at ${mount.mountPoint} (${mount.fsType})`,
      advice: "unmount it first",
    };
  }
  const swap = probe.swaps[0];
  if (swap !== undefined) {
    const reason = swap === own ? "serves as swap" : `is in use: ${swap} serves as swap`;
    return { reason, advice: "swapoff it first" };
  }
  if (probe.holders.length > 0) {
    const reason = `is held by ${listWords(probe.holders.map(holderText))}`;
    return { reason, advice: "take it out of there first" };
  }
  if (probe.exclusive === "taken") {
    const reason = "is held by someone (ZFS, Ceph, a virtual machine, another mount namespace)";
    return { reason, advice: "end that first" };
  }
  return null;
}

export const noOverride = "--destroy does not override this";

/** Judges a probed block device; `isScratch` when it was named as a scratch place itself. */
export function judgeDevice(probe: DeviceProbe, isScratch: boolean): Judgement {
  const use = useOf(probe);
  if (use !== null) {
    return {
      permission: "never",
      reason: use.reason,
      advice: `${use.advice}, ${noOverride}`,
    };
  }
  if (probe.exclusive === "unknown" || probe.signatures === null) {
    const reason = "cannot be opened to see whether it is in use";
    return { permission: "never", reason, advice: `run as a user who may read it, ${noOverride}` };
  }
  if (probe.writers.length > 0) {
    const reason = `is open for writing in ${listWords(probe.writers)}`;
    return { permission: "needs-destroy", reason, advice: destroyAdvice };
  }
  if (probe.signatures.length > 0) {
    const reason = `bears ${listWords(probe.signatures.map(signatureText))}`;
    return { permission: "needs-destroy", reason, advice: destroyAdvice };
  }
  if (isScratch) {
    return { permission: "free", reason: "is a blank device named as a scratch place" };
  }
  const reason = "is a block device, blank as far as can be seen, and no scratch place";
  return { permission: "needs-destroy", reason, advice: destroyAdvice };
}
