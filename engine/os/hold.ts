/** Files and devices against everybody else: for one process alone, or shared with those who share them. */
import { type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { OsdynoError } from "../base/error.ts";
import { native } from "../base/native.ts";

interface NativeHold {
  held(): boolean;
  close(): void;
}

/** Held until it is let go or the process ends, however it ends. */
export interface Hold {
  close(): void;
}

/** `alone`: nobody else has it; `shared`: nobody has it alone. */
export type HoldKind = "alone" | "shared";

/** Whoever only looks whether a file is held has it for an instant: so it is asked again after these, ms. */
const askAgainMs = [2, 10, 30, 100];
const never = new Int32Array(new SharedArrayBuffer(4));

/** A file that a command of this process keeps for its parts, which hold it one after the other. */
interface Claim {
  readonly hold: Hold;
  /** Commands that keep it: one may be a part of another. */
  keepers: number;
  /** A part of the command has it. */
  lent: boolean;
}

const claims = new Map<string, Claim>();

/** Names are links to it: one file is one claim. */
function identityOf(path: string): string | null {
  const found: Stats | undefined = statSync(path, { throwIfNoEntry: false });
  return found === undefined
    ? null
    : found.isBlockDevice()
      ? `device ${found.rdev}`
      : `${found.dev} ${found.ino}`;
}

function claimOf(path: string): Claim | undefined {
  const identity = claims.size === 0 ? null : identityOf(path);
  return identity === null ? undefined : claims.get(identity);
}

/** `null`: somebody else holds it. Throws what the addon does when it cannot be opened. */
function take(path: string, kind: HoldKind): NativeHold | null {
  const Side = native()["NativeHold"] as new (path: string, shared: boolean) => NativeHold;
  for (const ms of [0, ...askAgainMs]) {
    Atomics.wait(never, 0, 0, ms);
    const hold = new Side(path, kind === "shared");
    if (hold.held()) {
      return hold;
    }
  }
  return null;
}

/**
 * Whether somebody holds a file or device so that it cannot be had in this way, here or in another process;
 * one that cannot be read is not.
 */
export function isHeld(path: string, kind: HoldKind = "alone"): boolean {
  try {
    const claim = claimOf(path);
    if (claim !== undefined) {
      return claim.lent;
    }
    const hold = take(path, kind);
    hold?.close();
    return hold === null;
  } catch {
    return false;
  }
}

function inUse(path: string): OsdynoError {
  return new OsdynoError("unsafe", `${path}: is in use by another osdyno; end that first`);
}

/** Throws `unsafe` when somebody else holds it, here or in another process, `io` when it is not there. */
export function holdFile(path: string, kind: HoldKind = "alone"): Hold {
  const claim = claimOf(path);
  if (claim !== undefined) {
    if (claim.lent) {
      throw inUse(path);
    }
    claim.lent = true;
    return {
      close: () => {
        claim.lent = false;
      },
    };
  }
  let hold: NativeHold | null;
  try {
    hold = take(path, kind);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OsdynoError("io", reason, {}, error);
  }
  if (hold === null) {
    throw inUse(path);
  }
  return hold;
}

/**
 * Keeps a file for a command of this process, whose parts may hold it one after the other. To be let go when
 * none of them does. Throws as `holdFile`.
 */
export function claimFile(path: string): Hold {
  const known = claimOf(path);
  if (known?.lent === true) {
    throw inUse(path);
  }
  const claim = known ?? { hold: holdFile(path), keepers: 0, lent: false };
  const identity = identityOf(path) ?? path;
  claims.set(identity, claim);
  claim.keepers += 1;
  return {
    close: () => {
      claim.keepers -= 1;
      if (claim.keepers === 0) {
        claims.delete(identity);
        claim.hold.close();
      }
    },
  };
}

/** Files that are held one after the other and let go at once. */
export class Holds {
  readonly #held = new Map<string, Hold>();

  /** Nothing happens when it is among them. Throws as `holdFile`. */
  take(path: string, kind: HoldKind = "alone"): void {
    const key = resolve(path);
    if (!this.#held.has(key)) {
      this.#held.set(key, holdFile(path, kind));
    }
  }

  /** As `take`, for the parts of a command. */
  claim(path: string): void {
    const key = resolve(path);
    if (!this.#held.has(key)) {
      this.#held.set(key, claimFile(path));
    }
  }

  has(path: string): boolean {
    return this.#held.has(resolve(path));
  }

  /** Lets go of one. */
  drop(path: string): void {
    this.#held.get(resolve(path))?.close();
    this.#held.delete(resolve(path));
  }

  close(): void {
    for (const hold of this.#held.values()) {
      hold.close();
    }
    this.#held.clear();
  }
}
