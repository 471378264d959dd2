/** Keys that fio takes and does nothing with; the same here, and a note says so. */
import type { SupportedKey } from "./key.ts";

function idleKey(name: string, noEffect: string): SupportedKey {
  return {
    name,
    type: name === "prep" ? "word" : "text",
    default: "",
    summary: "Nothing, as in fio.",
    noEffect,
    apply: (_draft, value) => {
      if (name !== "prep") {
        value.text();
      }
    },
  };
}

/** fio 3.33 prints that these are deprecated and goes on without them. */
const deprecated = ["verifysort", "verifysort_nr", "flow_watermark"];

/** Options of fio's built-in profiles, which it takes in any job, with what was probably meant. */
const ofProfiles: readonly (readonly [profile: string, name: string, meant: string | null])[] = [
  ["tiobench", "block", "bs"],
  ["tiobench", "numruns", "loops"],
  ["tiobench", "dir", "directory"],
  ["tiobench", "threads", "numjobs or thread"],
  ["act", "device-names", "filename"],
  ["act", "load", null],
  ["act", "test-duration", "runtime"],
  ["act", "threads-per-queue", "numjobs"],
  ["act", "read-req-num-512-blocks", null],
  ["act", "large-block-op-kbytes", null],
  ["act", "prep", null],
];

export const idleKeys: readonly SupportedKey[] = [
  ...deprecated.map((name) => idleKey(name, "it is deprecated; fio ignores it too")),
  ...ofProfiles.map(([profile, name, meant]) => {
    const hint = meant === null ? "" : `; ${meant} was probably meant`;
    return idleKey(name, `it belongs to fio's profile ${profile}, and fio ignores it too${hint}`);
  }),
];
