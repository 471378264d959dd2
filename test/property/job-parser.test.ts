/** The parser against arbitrary text: it answers or refuses, and what it answers survives `--showcmd`. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OsdynoError } from "../../engine/base/error.ts";
import { jobInputs } from "../../workloads/job/arguments.ts";
import { supportedKeys } from "../../workloads/job/keys.ts";
import type { ParsedJobs } from "../../workloads/job/model.ts";
import { readNumber, readTime } from "../../workloads/job/number-value.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { resolvedToJson } from "../../workloads/job/resolved-json.ts";
import { showcmd } from "../../workloads/job/showcmd.ts";
import { environmentWith, parseText } from "../unit/job-support.ts";

const supported = supportedKeys.filter((key) => key.name !== "name");

/** Values that some key likes, mixed freely with keys that do not. */
const values = fc.constantFrom(
  ..."0 1 2 4k 4kib 1.5g 8k,32k 8k,32k, ,8k 4k-8k 8k-4k,1k-2k 10% 0x1000 10s 500ms 1sec".split(" "),
  ..."read randrw write:8k randread:4 psync null io_uring crc32c meta pattern poisson".split(" "),
  ..."4k/50:8k/50 4k/60:8k,16k zipf:1.2 zoned:60/10:40/90 50:99.9 dsync mixed 1000".split(" "),
  ..."a:b\\:c null:?service=1us raw:/dev/x client burst:1s/2s 0xff%o (4k*2)".split(" "),
  ..."bind:0 interleave EIO:5,ENOSPC iops_slope:0.3% wait_before,write:8 mmap:/x 99.9 read,trim".split(
    " ",
  ),
  ..."md5 sha3-512 libaio io offload strided 4k/10/2/0/1:8k/20,4k/5 random:3 'f' 50:100".split(" "),
  'it\'s "quoted" $HOME',
  " 4k",
  "-4k",
  "",
);
const option = fc
  .tuple(fc.constantFrom(...supported), fc.option(values, { nil: null, freq: 8 }))
  .map(([key, value]) => (value === null ? key.name : `${key.name}=${value}`));
const section = fc.constantFrom("[global]", "[a]", "[job 2]", "[c] x");
const jobText = fc
  .array(fc.tuple(section, fc.array(option, { maxLength: 4 })), { minLength: 1, maxLength: 4 })
  .map((sections) => sections.map(([name, lines]) => [name, ...lines].join("\n")).join("\n"));

/** Every key is read, whether the runner acts on it yet or not. */

function tryParse(parse: () => ParsedJobs): ParsedJobs | null {
  try {
    return parse();
  } catch (error) {
    if (error instanceof OsdynoError && error.code === "bad-input") {
      expect(error.line).not.toContain("\n");
      return null;
    }
    throw error;
  }
}

/** The words of a command line as a shell splits them: blanks, single quotes, backslash. */
function shellWords(line: string): string[] {
  const words = line.trimEnd().match(/(?:'[^']*'|\\.|[^\s'\\])+/gs) ?? [];
  return words.map((word) =>
    word.replace(
      /'([^']*)'|\\(.)/gs,
      (_, quoted?: string, escaped?: string) => quoted ?? escaped ?? "",
    ),
  );
}

function withoutPlaces(parsed: ParsedJobs): unknown[] {
  return parsed.jobs.map((job) => ({ ...resolvedToJson(job), place: null }));
}

describe("job parser", () => {
  it("answers or refuses any text", () => {
    const grammar = fc.constantFrom(
      "[a]\n",
      "[global]\n",
      "include f\n",
      "bs=",
      "=",
      ";",
      "#",
      "\n",
      "$",
    );
    const text = fc
      .array(fc.oneof(grammar, option, fc.string(), fc.string({ unit: "binary" })), {
        maxLength: 30,
      })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, text, (file, included) => {
        tryParse(() => parseText(file, { f: included }));
      }),
      { numRuns: 2000 },
    );
  });

  it("answers or refuses any arguments", () => {
    const argument = fc.oneof(
      option.map((text) => `--${text}`),
      fc.string(),
      fc.constant("--name=a"),
    );
    fc.assert(
      fc.property(fc.array(argument, { maxLength: 8 }), (args) => {
        tryParse(() =>
          parseJobs(
            jobInputs(args, (path) => path),
            environmentWith(),
          ),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it("gives the same jobs for what showcmd prints", () => {
    let survived = 0;
    fc.assert(
      fc.property(jobText, (text) => {
        const parsed = tryParse(() => parseText(text, { f: "text" }));
        if (parsed === null) {
          return;
        }
        survived++;
        const [program, ...rest] = shellWords(showcmd(parsed));
        const args = program === "fio" ? rest : rest.slice(1);
        const again = parseJobs([{ kind: "args", args }], environmentWith({ f: "text" }));
        expect(withoutPlaces(again)).toEqual(withoutPlaces(parsed));
      }),
      { numRuns: 3000 },
    );
    expect(survived).toBeGreaterThan(100);
  });
});

describe("numbers", () => {
  const letters = ["", "k", "m", "g", "t"] as const;

  it("are what their suffix says", () => {
    const power = fc.integer({ min: 0, max: letters.length - 1 });
    fc.assert(
      fc.property(fc.nat({ max: 8000 }), power, fc.constantFrom(1000, 1024), (n, p, base) => {
        const plain = { kind: "plain", value: BigInt(n) * BigInt(base) ** BigInt(p) };
        expect(readNumber(`${n}${letters[p]}`, base)).toEqual(plain);
        expect(readNumber(`(${n}${letters[p]}+0)`, base)).toEqual(plain);
      }),
    );
  });

  it("are times in microseconds", () => {
    const unit = fc.constantFrom<[string, number]>(["us", 1], ["ms", 1e3], ["s", 1e6], ["", 1e6]);
    fc.assert(
      fc.property(fc.nat(), unit, (n, [suffix, factor]) => {
        expect(readTime(`${n}${suffix}`, true)).toBe(BigInt(n) * BigInt(factor));
      }),
    );
  });

  it("never take text for a number that does not begin with one", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const read = readNumber(text, 1024);
        if (!/^\s*[-+]?[0-9a-fA-F]/.test(text) && !text.startsWith("(")) {
          expect(read).toBeNull();
        }
      }),
    );
  });
});
