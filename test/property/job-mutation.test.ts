/**
 * Job files that come with osdyno and those of the tests, damaged at random: the parser answers or
 * refuses in one line, with the one error class, and does not read more than it was given.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OsdynoError } from "../../engine/base/error.ts";
import { supportedKeys } from "../../workloads/job/keys.ts";
import type { ParsedJobs } from "../../workloads/job/model.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { resolvedToJson } from "../../workloads/job/resolved-json.ts";
import { showcmd } from "../../workloads/job/showcmd.ts";
import { environmentWith } from "../unit/job-support.ts";

const folders = ["../../profiles/jobs/", "../golden/job/", "../golden/fio/"];
const texts = folders.flatMap((folder) => {
  const path = fileURLToPath(new URL(folder, import.meta.url));
  return readdirSync(path)
    .filter((name) => name.endsWith(".fio"))
    .map((name) => readFileSync(`${path}${name}`, "utf8"));
});

/** A change of one place of a text; places are fractions, so that they fit any text. */
type Mutation = (text: string) => string;

const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const scrap = fc.oneof(
  fc.constantFrom(
    ..."= : , - % ( ) ; # [ ] \\ $ { } \u0024{x 0x -1 1e99 99999999999999999999 \0 \r \u{1F4BE}".split(
      " ",
    ),
  ),
  fc.constantFrom(...supportedKeys.map((key) => `\n${key.name}=`)),
  fc.constantFrom("\n", "\n[global]\n", "\n[x]\n", "\ninclude self\n", "((((", "k".repeat(300)),
  fc.string({ unit: "binary", maxLength: 12 }),
);

const inserted = fc.tuple(fraction, scrap).map(([at, what]): Mutation => {
  return (text) => {
    const place = Math.floor(at * (text.length + 1));
    return text.slice(0, place) + what + text.slice(place);
  };
});

const cut = fc.tuple(fraction, fc.nat({ max: 40 })).map(([at, length]): Mutation => {
  return (text) => {
    const place = Math.floor(at * text.length);
    return text.slice(0, place) + text.slice(place + length);
  };
});

const doubled = fc.tuple(fraction, fraction).map(([from, to]): Mutation => {
  return (text) => {
    const lines = text.split("\n");
    const line = lines[Math.floor(from * lines.length)] ?? "";
    return lines.toSpliced(Math.floor(to * lines.length), 0, line).join("\n");
  };
});

/** The value of one line put behind the key of another. */
const crossed = fc.tuple(fraction, fraction).map(([from, to]): Mutation => {
  return (text) => {
    const lines = text.split("\n");
    const [place, other] = [from, to].map((at) => Math.floor(at * lines.length));
    const key = lines[place ?? 0]?.split("=")[0] ?? "";
    const value = lines[other ?? 0]?.split("=").slice(1).join("=") ?? "";
    return lines.with(place ?? 0, `${key}=${value}`).join("\n");
  };
});

const damaged = fc
  .tuple(
    fc.constantFrom(...texts),
    fc.array(fc.oneof(inserted, cut, doubled, crossed), { minLength: 1, maxLength: 6 }),
  )
  .map(([text, mutations]) => mutations.reduce((result, mutation) => mutation(result), text));

function readable(parsed: ParsedJobs): void {
  expect(showcmd(parsed)).not.toBe("");
  JSON.parse(JSON.stringify(parsed.jobs.map(resolvedToJson)));
  for (const note of parsed.notes) {
    expect(note.place.line).toBeGreaterThan(0);
  }
}

/** Parses, and counts what is asked of the environment: the work must not grow without the input. */
function parseDamaged(text: string): "answered" | "refused" {
  const environment = environmentWith({ self: text }, { OSDYNO_SCRATCH: "/scratch" });
  let read = 0;
  const counting = {
    ...environment,
    readJobFile: (path: string) => {
      read++;
      return environment.readJobFile(path);
    },
  };
  let outcome: "answered" | "refused" = "answered";
  try {
    const input = { kind: "file", name: "t.fio", text } as const;
    readable(parseJobs([input], counting));
  } catch (error) {
    if (!(error instanceof OsdynoError) || error.code !== "bad-input") {
      throw error;
    }
    expect(error.line).not.toContain("\n");
    expect(error.line.length).toBeLessThan(2000);
    outcome = "refused";
  }
  // An include line reads two candidates at most, and files that include each other are refused.
  expect(read).toBeLessThanOrEqual(4 * text.split("\n").length);
  return outcome;
}

describe("damaged job files", () => {
  it("are answered or refused", () => {
    const outcomes = { answered: 0, refused: 0 };
    fc.assert(
      fc.property(damaged, (text) => {
        outcomes[parseDamaged(text)]++;
      }),
      { numRuns: 3000 },
    );
    expect(outcomes.answered).toBeGreaterThan(300);
    expect(outcomes.refused).toBeGreaterThan(300);
  });

  it.each<readonly [what: string, text: string, message: string]>([
    ["a million brackets", `[a]\nsize=${"(".repeat(1 << 19)}`, "longer than 8191"],
    ["nested parentheses", `[a]\nsize=${"(".repeat(4000)}1${")".repeat(4000)}`, "is no number"],
    ["a long sum", `[a]\nsize=(${"1+".repeat(3000)}1)\nbs=1`, ""],
    ["a file of sections", "[a]\n".repeat(200_000), "more than 10000 sections"],
    ["a section of options", `[a]\n${"bs=4k\n".repeat(20_000)}`, "more than 10000 options"],
    ["clones beyond reason", `[global]\nnumjobs=4096\n${"[a]\n".repeat(9000)}`, "clones together"],
    ["itself", "[a]\ninclude self\n", "goes in a circle"],
    ["numbers beyond 64 bits", `[a]\nsize=${"9".repeat(2000)}`, "is no number"],
    ["many splits", `[a]\nbssplit=${"4k/1:".repeat(1500)}`, "more than 64 entries"],
    ["many zones", `[a]\nrandom_distribution=zoned:${"1/1:".repeat(1500)}`, "more than 256"],
    ["many files", `[a]\nfilename=${"a:".repeat(4000)}`, ""],
  ])("%s", (_what, text, message) => {
    const files = { self: "include self\n" };
    const parse = () => parseJobs([{ kind: "file", name: "t.fio", text }], environmentWith(files));
    if (message === "") {
      expect(parse().jobs).toHaveLength(1);
    } else {
      expect(parse).toThrow(message);
    }
  });
});
