/** Bad input: one clear line that says where, exit 2, nothing created. */
import { chmodSync, mkdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

/** The command says `line` and nothing else, creates nothing, and exits with `code`. */
function refuses(args: readonly string[], line: string | RegExp, code = 2): void {
  const before = place.files();
  const { code: found, out, err } = place.run(args);
  expect(err).toMatch(/^osdyno: [^\n]+\n$/);
  expect(err.slice("osdyno: ".length, -1)).toMatch(line);
  expect({ code: found, out }).toEqual({ code, out: "" });
  expect(place.files()).toEqual(before);
}

describe("job files", () => {
  test.each([
    ["empty", "", /^job\.fio:1: the job file is empty: a job begins with \[name\]$/],
    ["blank", "\n \n", /^job\.fio:1: the job file is empty/],
    ["binary", new Uint8Array([91, 97, 93, 10, 0xff, 0xfe, 1]), /^job\.fio: not a text file/],
    ["of zero bytes", "[a]\nbs=\0", /^job\.fio:2: not a text file \(holds a zero byte\)$/],
    ["huge", `[a]\n${"#".repeat(1 << 20)}`, /^job\.fio: larger than 1 MiB: not a job file$/],
    ["a line too long", `[a]\nbs=${"4".repeat(9000)}`, /^job\.fio:2: the line is longer than/],
    ["without a section", "bs=4k\n", /^job\.fio:1: option bs=4k stands before the first section/],
    ["only [global]", "[global]\nbs=4k\n", /^job\.fio:1: only \[global\] sections/],
    ["a key mistyped", "[a]\nrw=read\nblocksze=4k\n", /^job\.fio:3: .*did you mean blocksize\?$/],
    ["a key of fio's alone", "[a]\nuid=1\n", /^job\.fio:2: uid is known to fio, not supported/],
    ["an engine of fio's alone", "[a]\nsize=1m\nioengine=rdma\n", /^job\.fio:3: .*known to fio/],
    ["bs=0", "[a]\n\nbs=0\n", /^job\.fio:3: bs=0: must be at least 1$/],
    [
      "a billion clones",
      "[a]\nnumjobs=1\nnumjobs=1000000000\n",
      /^job\.fio:3: numjobs=1000000000: /,
    ],
    ["an exponent", "[a]\nnumjobs=1e9\n", /^job\.fio:2: numjobs=1e9: fio knows no exponents/],
    [
      "direct=1 in no whole blocks",
      "[a]\nsize=1m\nrw=write\ndirect=1\nbs=1000\n",
      /^job\.fio:1: job a: direct=1 needs multiples of \d+ bytes.*block size is 1000 bytes$/,
    ],
    [
      "a file larger than its file system",
      "[b]\nsize=1m\n[a]\nsize=7p\nrw=write\n",
      /^job\.fio:3: cannot lay out .*whole file system has/,
    ],
    ["an unknown target", "[a]\nsize=1m\ntarget=nulll:\n", /^job\.fio:3: .*did you mean null:\?/],
    ["a bad target", "[a]\ntarget=null:?servce=1us\n", /^job\.fio:2: .*did you mean service\?/],
  ])("%s", (_what, content, line) => {
    place.write("job.fio", content);
    refuses(["run", "job.fio"], line);
  });

  test("missing, or a directory", () => {
    refuses(["run", "none.fio"], /^none\.fio: no such job file$/);
    mkdirSync(place.path("folder.fio"));
    refuses(["run", "folder.fio"], /^folder\.fio: this is a directory, not a job file$/);
  });

  test("unreadable", (context) => {
    if (process.getuid?.() === 0) {
      context.skip("root may read everything");
    }
    place.write("secret.fio", "[a]\n");
    chmodSync(place.path("secret.fio"), 0);
    refuses(["run", "secret.fio"], /^secret\.fio: cannot be read: EACCES/);
  });

  test("one that never ends", () => {
    refuses(["run", "/dev/zero"], /^\/dev\/zero: larger than 1 MiB: not a job file$/);
  });

  test("includes that go in a circle", () => {
    place.write("a.fio", "[a]\ninclude b.inc\n");
    place.write("b.inc", "bs=4k\ninclude c.inc\n");
    place.write("c.inc", "include b.inc\n");
    refuses(["run", "a.fio"], /^c\.inc:1: include b\.inc goes in a circle/);
  });

  test("a section that is not there", () => {
    place.write("a.fio", "[a]\nsize=1m\n");
    refuses(["run", "a.fio", "--section", "b"], /^--section=b: there is no such section$/);
  });
});

describe("values that cannot be", () => {
  test.each([
    ["bs=0", /^command line: bs=0: must be at least 1$/],
    ["numjobs=1000000000", /^command line: numjobs=1000000000: must be at most 4096$/],
    ["iodepth=0", /^command line: iodepth=0: must be at least 1$/],
    ["size=-5", /^command line: size=-5: must not be negative$/],
    ["random_distribution=zipf:1", /theta of zipf must be above 0 and not 1/],
    ["rwmixread=101", /^command line: rwmixread=101: must be at most 100$/],
    ["runtime=-1", /is not between 0 and 104 days$/],
    ["size=100t", /would be 109951162777600 bytes long, the whole file system has/],
    ["target=memory:", /no such kind of target|did you mean/],
  ])("--%s", (option, line) => {
    refuses(["run", "--name=a", "--rw=randread", "--size=1m", `--${option}`], line);
  });

  test("a region that is not there", () => {
    place.write("data", new Uint8Array(1 << 20));
    const job = ["run", "--name=a", "--filename=data"];
    refuses([...job, "--offset=2m"], /offset 2097152 leaves nothing of .*data \(1048576 bytes\)$/);
    refuses(["run", "--name=a", "--filename=new"], /new does not exist yet and no size is given/);
    refuses(["run", "--name=a", "--filename=.", "--size=1m"], /is a directory; name a file/);
    refuses(
      ["run", "--name=a", "--filename=/dev/random", "--size=1m"],
      /is neither a file nor a block/,
    );
    const synthetic = ["run", "--name=a", "--target=null:?service=1us&size=1m"];
    refuses([...synthetic, "--size=2m"], /has 1048576 bytes, the job wants 2097152$/);
  });

  test("buffers that no machine holds", () => {
    const job = ["--name=a", "--filename=x", "--rw=randwrite", "--size=2g", "--ioengine=io_uring"];
    refuses(
      ["run", ...job, "--bs=1g", "--iodepth=65536"],
      /the buffers of its phase would take \d+ bytes/,
    );
  });
});

describe("flags", () => {
  const job = ["run", "--name=a", "--target=null:", "--size=1m"];

  test.each([
    [["--thresold", "iops > 1"], /^unknown option --thresold; did you mean --threshold\?/],
    [["--blocksze=4k"], /^unknown option --blocksze; did you mean --blocksize\?/],
    [["--server"], /^--server is known to fio, not supported here: .*osdyno results merge/],
    [["--trigger=reboot"], /^--trigger is known to fio, not supported here: /],
    [["--debug=io"], /^--debug is known to fio, .*--parse-only --json/],
    [["--enghelp=rbd"], /^--enghelp rbd: this engine is known to fio, not supported here/],
    [["--cmdhelp=blocksze"], /^there is no key blocksze; did you mean blocksize\?/],
    [["--threshold"], /^--threshold needs a value$/],
    [
      ["--threshold", "iosp > 1"],
      /^threshold 'iosp > 1': no metric 'iosp', did you mean 'iops'\?$/,
    ],
    [["--threshold", "iops > 2ms"], /^threshold 'iops > 2ms': '2ms' is no value of iops/],
    [["--threshold", "iops"], /is not METRIC OP VALUE/],
    [
      ["--threshold", "iops@aa < 1"],
      /^threshold 'iops@aa < 1': this run has no iops@aa: no job and no class is called 'aa', did you mean 'a'\?; there are a, client$/,
    ],
    [["--junit", "t.xml"], /^--junit t\.xml: there is no --threshold to write down$/],
    [["--junit", "no/t.xml", "--threshold", "iops > 1"], /^--junit no\/t\.xml: there is no folder/],
    [["--threshold", "write.iops > 1"], /this run has no write\.iops: no job writes$/],
    [
      ["--load-curve", "--threshold", "response.p97 < 1s"],
      /no response\.p97: percentile 97 is not/,
    ],
    [
      ["--dry-run", "--threshold", "fragmentation < 1"],
      /no fragmentation: there is no object store/,
    ],
    [["--repeat", "0"], /^--repeat 0: give a whole number of 1 or more$/],
    [["--repeat", "x"], /^--repeat x: give a whole number/],
    [["--seed", "-1"], /^--seed -1: give a whole number of 0 or more$/],
    [["--path", "both"], /^--path both: choose native, engine$/],
    [["--interval", "1"], /^--interval 1: give a whole number of 10 or more$/],
    [
      ["--output-format", "yaml"],
      /^--output-format yaml: no format "yaml"; choose of normal, json, json\+/,
    ],
    [["--destroy=yes"], /^--destroy takes no value$/],
    [["--set", "osd_max_backfills=2"], /^osd_max_backfills=2: acts on OSDs, /],
    [["--bs"], /^command line: --bs needs a value/],
    [["--live", "-", "--output-format", "json"], /would both go to stdout; give --output FILE/],
    [["--live", "-", "--json"], /would both go to stdout/],
    [["--live", "x", "--output", "x"], /^--live and --output both name x; name two files$/],
    [
      ["--live", "no/such/folder"],
      /^--live no\/such\/folder: there is no folder .*; create it first$/,
    ],
    [["--output", "no/such/folder"], /^--output no\/such\/folder: there is no folder/],
    [["--output", "."], /^--output \.: it is a directory; name a file$/],
  ])("%j", (flags, line) => {
    refuses([...job, ...flags], line);
  });

  test("a target that is none", () => {
    const none = ["run", "--name=a", "--target", "nulll:", "--size=1m"];
    refuses(none, /^target nulll:: did you mean null:\?/);
  });

  test("no job at all", () => {
    refuses(["run"], /^no job: name a job file/);
  });

  test("--out of somebody else", () => {
    mkdirSync(place.path("theirs"));
    place.write("theirs/letter.txt", "dear");
    refuses(
      [...job, "--out", "theirs"],
      /^--out theirs: the directory is not empty and holds no osdyno run/,
    );
    const repeats = /^--out theirs: the directory is not empty and holds no osdyno repeat/;
    refuses([...job, "--out", "theirs", "--repeat", "2"], repeats);
    refuses([...job, "--out", "theirs/letter.txt"], /it is a file, not a directory$/);
  });

  test("results over what the job uses", () => {
    place.write("data", new Uint8Array(1 << 20));
    place.write("job.fio", "[a]\nfilename=data\n");
    refuses(
      ["run", "job.fio", "--live", "data"],
      /^--live data: the job uses .*data; name another/,
      4,
    );
    refuses(["run", "job.fio", "--output", "./job.fio"], /the job uses job\.fio; name another/, 4);
  });
});

describe("commands", () => {
  test.each([
    [["resuls"], /^unknown command 'resuls' \(Did you mean results\?\)$/],
    [["nonsense"], /^unknown command 'nonsense'$/],
    [["devices", "--jsn"], /^unknown option '--jsn' \(Did you mean --json\?\)$/],
    [["results", "frob"], /^unknown command 'frob'$/],
    [["results", "show"], /^missing required argument 'run'$/],
    [["report"], /^name a directory that run or sweep made$/],
    [["report", "/etc"], /^\/etc: holds no run\.json/],
    [
      ["report", "--format", "pdf", "x"],
      /'pdf' is invalid. Allowed choices are html, md, json, csv, svg, png/,
    ],
    [["list", "nonsense"], /^nothing to list under nonsense/],
    [["list", "targts", "--json"], /^nothing to list under targts; did you mean targets\?/],
    [["sweep"], /^name the sweep file first/],
    [["calibrate", "--repeat", "x"], /--repeat x: give a whole number|which is not here/],
  ])("%j", (args, line) => {
    refuses(args, line);
  });

  test("osdyno alone shows its commands on stderr", () => {
    const { code, out, err } = place.run([]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^Usage: osdyno /);
    expect(err).toMatch(/calibrate/);
  });
});
