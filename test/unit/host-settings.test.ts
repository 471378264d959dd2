/** Knobs of the host on a kernel of files in memory: turned, refused, put back, journalled. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OsdynoError } from "../../engine/base/error.ts";
import { Holds, holdFile } from "../../engine/os/hold.ts";
import { HostJournal, replayJournals } from "../../engine/os/host-journal.ts";
import { currentOf, hostKnobs, writesOf } from "../../engine/os/host-knobs.ts";
import { HostSettings } from "../../engine/os/host-settings.ts";
import type { HostFiles } from "../../engine/port/host-files.ts";

const queue = "/sys/block/sda/queue";
const cpu = "/sys/devices/system/cpu";

/** Parameters of each scheduler, at their defaults. */
const schedulers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  none: {},
  "mq-deadline": { read_expire: "500", write_expire: "5000" },
  bfq: { slice_idle: "8" },
};
const depths: Readonly<Record<string, string>> = { none: "128", "mq-deadline": "256", bfq: "256" };

/** Does what a kernel does: a scheduler brings its parameters and a depth of its own. */
class FakeKernel implements HostFiles {
  readonly mayWrite: boolean;
  readonly files = new Map<string, string>();
  writes = 0;

  constructor(mayWrite = true) {
    this.mayWrite = mayWrite;
    for (const [name, text] of Object.entries({
      nr_requests: "256",
      read_ahead_kb: "128",
      rq_affinity: "1",
      wbt_lat_usec: "75000",
      io_poll: "0",
    })) {
      this.files.set(`${queue}/${name}`, text);
    }
    this.files.set("/sys/block/sda/dev", "8:0");
    this.files.set("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
    for (const core of ["cpu0", "cpu1"]) {
      this.files.set(`${cpu}/${core}/cpufreq/scaling_governor`, "powersave");
      this.files.set(`${cpu}/${core}/cpufreq/scaling_available_governors`, "performance powersave");
      for (const [state, latency] of ["0", "2", "50", "900"].entries()) {
        this.files.set(`${cpu}/${core}/cpuidle/state${state}/latency`, latency);
        this.files.set(`${cpu}/${core}/cpuidle/state${state}/disable`, "0");
      }
    }
    this.files.set("/proc/self/cgroup", "0::/test.scope");
    this.files.set("/sys/fs/cgroup/cgroup.controllers", "io");
    this.files.set("/sys/fs/cgroup/test.scope/io.max", "");
    this.#schedule("mq-deadline");
  }

  #schedule(name: string): void {
    for (const path of [...this.files.keys()].filter((each) => each.includes("/iosched/"))) {
      this.files.delete(path);
    }
    for (const [key, value] of Object.entries(schedulers[name] ?? {})) {
      this.files.set(`${queue}/iosched/${key}`, value);
    }
    this.files.set(`${queue}/nr_requests`, depths[name] ?? "");
    const all = Object.keys(schedulers).map((each) => (each === name ? `[${each}]` : each));
    this.files.set(`${queue}/scheduler`, all.join(" "));
  }

  read(path: string): string | null {
    return this.files.get(path) ?? null;
  }

  write(path: string, text: string): void {
    this.writes += 1;
    const before = this.files.get(path);
    if (before === undefined) {
      throw new OsdynoError("io", `${path}: ENOENT`);
    }
    if (path.endsWith("/scheduler")) {
      this.#schedule(text);
    } else if (path.endsWith("/nr_requests")) {
      if (Number(text) > 128 && currentOf(this.files.get(`${queue}/scheduler`) ?? "") === "none") {
        throw new OsdynoError("io", `${path}: EINVAL`);
      }
      // A queue has an end, and the kernel does not say so.
      this.files.set(path, String(Math.min(1024, Number(text))));
    } else if (path.endsWith("/io.max")) {
      const number = text.split(" ")[0] ?? "";
      const others = before
        .split("\n")
        .filter((line) => line !== "" && !line.startsWith(`${number} `));
      const none = text.endsWith("rbps=max wbps=max riops=max wiops=max");
      this.files.set(path, [...others, ...(none ? [] : [text])].join("\n"));
    } else if (before.includes("[")) {
      const words = before.replace(/[[\]]/g, "").split(" ");
      this.files.set(path, words.map((word) => (word === text ? `[${word}]` : word)).join(" "));
    } else {
      this.files.set(path, text);
    }
  }

  list(path: string): readonly string[] {
    const inside = [...this.files.keys()].filter((each) => each.startsWith(`${path}/`));
    const names = inside.map((each) => each.slice(path.length + 1).split("/")[0] ?? "");
    return [...new Set(names)].sort();
  }

  /** Everything, for comparing. */
  state(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.files].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

let folder: string;
let holds: Holds;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "osdyno-host-"));
  holds = new Holds();
});
afterEach(() => {
  holds.close();
  rmSync(folder, { recursive: true, force: true });
});

const journals = () => readdirSync(folder).filter((name) => name.endsWith(".json"));

function made(kernel = new FakeKernel()) {
  const settings = new HostSettings(kernel, new HostJournal(folder, holds));
  return { kernel, settings };
}

const devices = ["sda"];

describe("turning", () => {
  test("the scheduler, its parameters after it, and all as it was after", () => {
    const { kernel, settings } = made();
    kernel.write(`${queue}/iosched/read_expire`, "333");
    kernel.write(`${queue}/nr_requests`, "77");
    const before = kernel.state();
    settings.apply({ "iosched.slice_idle": "0", scheduler: "bfq", nr_requests: "64" }, devices);
    expect(kernel.read(`${queue}/iosched/slice_idle`)).toBe("0");
    expect(kernel.read(`${queue}/nr_requests`)).toBe("64");
    expect(currentOf(kernel.read(`${queue}/scheduler`) ?? "")).toBe("bfq");
    settings.restore();
    // What the scheduler had set anew is back, too.
    expect(kernel.state()).toEqual(before);
    expect(journals()).toEqual([]);
  });

  test("schedulers one after the other, each with the depth that it brings", () => {
    const { kernel, settings } = made();
    const before = kernel.state();
    for (const name of ["none", "bfq", "none", "mq-deadline", "none"]) {
      settings.apply({ scheduler: name }, devices);
      expect(kernel.read(`${queue}/nr_requests`)).toBe(depths[name]);
    }
    settings.restore();
    expect(kernel.state()).toEqual(before);
  });

  test("what a later point does not name is put back before it runs", () => {
    const { kernel, settings } = made();
    settings.apply({ read_ahead_kb: "4096", rq_affinity: "2" }, devices);
    settings.apply({ rq_affinity: "0" }, devices);
    expect(kernel.read(`${queue}/read_ahead_kb`)).toBe("128");
    expect(kernel.read(`${queue}/rq_affinity`)).toBe("0");
    settings.apply({}, devices);
    expect(kernel.read(`${queue}/rq_affinity`)).toBe("1");
  });

  test("every CPU, idle states by how long they take to leave, huge pages, limits of the group", () => {
    const { kernel, settings } = made();
    const before = kernel.state();
    settings.apply(
      {
        cpu_governor: "performance",
        cpu_idle_max_us: "10",
        transparent_hugepage: "never",
        cgroup_io_max: "wiops=500",
      },
      devices,
    );
    for (const core of ["cpu0", "cpu1"]) {
      expect(kernel.read(`${cpu}/${core}/cpufreq/scaling_governor`)).toBe("performance");
      const off = [0, 1, 2, 3].map((n) => kernel.read(`${cpu}/${core}/cpuidle/state${n}/disable`));
      expect(off).toEqual(["0", "0", "1", "1"]);
    }
    expect(kernel.read("/sys/kernel/mm/transparent_hugepage/enabled")).toBe(
      "always madvise [never]",
    );
    expect(kernel.read("/sys/fs/cgroup/test.scope/io.max")).toBe("8:0 wiops=500");
    settings.restore();
    expect(kernel.state()).toEqual(before);
  });

  test("limits of two disks in one file: the line of each is put back", () => {
    const { kernel, settings } = made();
    kernel.files.set("/sys/block/sdb/dev", "8:16");
    const both = ["sda", "sdb"];
    settings.apply({ cgroup_io_max: "wiops=500" }, both);
    settings.apply({ cgroup_io_max: "wiops=900" }, both);
    const limits = () => kernel.read("/sys/fs/cgroup/test.scope/io.max");
    expect(limits()).toBe("8:0 wiops=900\n8:16 wiops=900");
    settings.apply({ cgroup_io_max: "wiops=700" }, ["sdb"]);
    expect(limits()).toBe("8:16 wiops=700");
    settings.restore();
    expect(limits()).toBe("");
  });

  test("whatever was turned in whatever order, restoring gives what was there", () => {
    const values = fc.record(
      {
        scheduler: fc.constantFrom("none", "mq-deadline", "bfq"),
        nr_requests: fc.constantFrom("32", "64", "128"),
        read_ahead_kb: fc.constantFrom("0", "128", "512"),
        wbt_lat_usec: fc.constantFrom("0", "2000"),
        transparent_hugepage: fc.constantFrom("always", "never"),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(values, { maxLength: 6 }), (steps) => {
        const { kernel, settings } = made();
        kernel.write(`${queue}/iosched/write_expire`, "4444");
        kernel.write(`${queue}/nr_requests`, "77");
        const before = kernel.state();
        for (const step of steps) {
          const wanted = Object.fromEntries(
            Object.entries(step).filter(([, value]) => value !== undefined),
          ) as Record<string, string>;
          settings.apply(wanted, devices);
          for (const [name, value] of Object.entries(wanted)) {
            const path = writesOf(name, value, { files: kernel, devices })[0]?.path ?? "";
            expect(currentOf(kernel.read(path) ?? "")).toBe(value);
          }
        }
        settings.restore();
        expect(kernel.state()).toEqual(before);
      }),
    );
  });
});

describe("refuses", () => {
  const refused = (values: Readonly<Record<string, string>>, on: readonly string[] = devices) => {
    const { kernel, settings } = made();
    const { writes } = kernel;
    let message = "";
    try {
      settings.check(values, on);
    } catch (error) {
      message = error instanceof OsdynoError ? error.message : `no OsdynoError: ${error}`;
    }
    expect(kernel.writes).toBe(writes);
    return message;
  };

  test.each([
    [{ scheduler: "kyber" }, /scheduler has no kyber; it has none, mq-deadline, bfq$/],
    [{ nr_requests: "many" }, /nr_requests: many is no whole number/],
    [{ io_poll_delay: "0" }, /^host: io_poll_delay: sda does not have it$/],
    [{ "iosched.slice_idle": "0" }, /sda does not have it \(its I\/O scheduler is mq-deadline\)$/],
    [{ cpu_governor: "fast" }, /cpu0 has no fast; it has performance, powersave$/],
    [{ cpu_boost: "0" }, /this host does not have it \(there is no .*boost\)$/],
    [{ cpu_idle_max_us: "soon" }, /soon is neither a number of us nor all$/],
    [{ cgroup_io_weight: "200" }, /there is no .*test\.scope\/io\.weight; start osdyno in a group/],
  ])("%j", (values, line) => {
    expect(refused(values)).toMatch(line);
  });

  test("a knob of a disk where no disk is under the target", () => {
    expect(refused({ scheduler: "none" }, [])).toMatch(/no disk is under the target; name one/);
  });

  test("everything, without root", () => {
    const kernel = new FakeKernel(false);
    const settings = new HostSettings(kernel, new HostJournal(folder, holds));
    expect(() => settings.check({ scheduler: "none" }, devices)).toThrow(
      "host: settings of the host are root's to change",
    );
  });

  test("a value that the kernel changes without a word", () => {
    const { settings, kernel } = made();
    expect(() => settings.apply({ nr_requests: "5000" }, devices)).toThrow(
      /nr_requests was set to 5000, and is 1024$/,
    );
    settings.restore();
    expect(kernel.read(`${queue}/nr_requests`)).toBe("256");
  });

  test("every knob that is listed is one", () => {
    const kernel = new FakeKernel();
    for (const { name } of hostKnobs.filter((knob) => !knob.name.startsWith("iosched."))) {
      let message = "";
      try {
        writesOf(name, "1", { files: kernel, devices });
      } catch (error) {
        message = String(error);
      }
      expect(message).not.toContain("there is no knob");
    }
  });
});

describe("another process", () => {
  /** What a process has that turns knobs there. */
  const elsewhere = (part: string) => {
    const lock = join(folder, `${part}.lock`);
    writeFileSync(lock, "4711");
    return holdFile(lock);
  };

  test.each([
    ["disk-sda", { read_ahead_kb: "4096" }, "sda"],
    ["disk-sda", { scheduler: "none" }, "sda"],
    ["disk-sda", { cgroup_io_max: "wiops=500" }, "sda"],
    ["cpu", { cpu_governor: "performance" }, "the CPUs"],
    ["hugepages", { transparent_hugepage: "never" }, "huge pages"],
  ])("that turns what %s has keeps its own: %j is refused", (part, values, name) => {
    const { kernel, settings } = made();
    const before = kernel.state();
    const other = elsewhere(part);
    const line = `host: settings of ${name} are being turned by another osdyno, process 4711; wait until`;
    for (const turn of [settings.claim.bind(settings), settings.apply.bind(settings)]) {
      expect(() => turn(values, devices)).toThrow(line);
      expect(kernel.state()).toEqual(before);
    }
    expect(journals()).toEqual([]);
    other.close();
    settings.apply(values, devices);
    expect(kernel.state()).not.toEqual(before);
  });

  test("that left what cannot be put back: it is tried again, and nobody takes it for what was there", () => {
    const { kernel, settings } = made();
    const path = `${queue}/read_ahead_kb`;
    kernel.files.set(path, "64");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const entries = [{ path, text: "2560" }];
    const left = { schema: "osdyno-host-1", pid: process.pid, started: "1", boot, entries };
    writeFileSync(join(folder, "disk-sda.json"), JSON.stringify(left));
    const write = kernel.write.bind(kernel);
    kernel.write = () => {
      throw new OsdynoError("io", "EIO");
    };
    for (const _ of [1, 2]) {
      expect(replayJournals(folder, kernel)).toMatchObject([{ restored: [], failed: entries }]);
    }
    expect(() => settings.apply({ read_ahead_kb: "256" }, devices)).toThrow(
      `settings of sda changed that cannot be put back: ${path} (was 2560); set them by hand`,
    );
    kernel.write = write;
    expect(replayJournals(folder, kernel)).toMatchObject([{ restored: entries, failed: [] }]);
    expect(kernel.read(path)).toBe("2560");
    expect(journals()).toEqual([]);
  });

  test("that turns what another disk has is in nobody's way", () => {
    const { kernel, settings } = made();
    elsewhere("disk-sdb");
    settings.apply({ read_ahead_kb: "4096" }, devices);
    expect(kernel.read(`${queue}/read_ahead_kb`)).toBe("4096");
  });

  test("that was killed since this one began: what it found is there before, not what it left", () => {
    const { kernel, settings } = made();
    kernel.files.set(`${queue}/read_ahead_kb`, "64");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const entries = [{ path: `${queue}/read_ahead_kb`, text: "2560" }];
    const left = { schema: "osdyno-host-1", pid: process.pid, started: "1", boot, entries };
    writeFileSync(join(folder, "disk-sda.json"), JSON.stringify(left));
    settings.apply({ read_ahead_kb: "256" }, devices);
    expect(settings.before).toEqual({ [`${queue}/read_ahead_kb`]: "2560" });
    settings.restore();
    expect(kernel.read(`${queue}/read_ahead_kb`)).toBe("2560");
  });

  test("that was killed and whose part somebody has by now: it is that one's to put back", () => {
    const kernel = new FakeKernel();
    const left = {
      schema: "osdyno-host-1",
      pid: process.pid,
      started: "1",
      boot: "?",
      entries: [],
    };
    writeFileSync(join(folder, "disk-sda.json"), JSON.stringify(left));
    const other = elsewhere("disk-sda");
    expect(replayJournals(folder, kernel)).toEqual([]);
    expect(journals()).toHaveLength(1);
    other.close();
    replayJournals(folder, kernel);
    expect(journals()).toEqual([]);
  });
});

describe("the journal", () => {
  const journal = (over: Readonly<Record<string, unknown>> = {}) => {
    const { settings } = made();
    settings.apply({ read_ahead_kb: "4096" }, devices);
    const name = journals()[0] ?? "";
    const text = JSON.parse(readFileSync(join(folder, name), "utf8")) as object;
    // A process that is gone: the number is this one's, the time is not.
    writeFileSync(join(folder, name), JSON.stringify({ ...text, started: "1", ...over }));
  };

  test("is there before the first write, and holds what was there", () => {
    const kernel = new FakeKernel();
    let seen: readonly string[] = [];
    const write = kernel.write.bind(kernel);
    kernel.write = (path, text) => {
      seen = journals().map((name) => readFileSync(join(folder, name), "utf8"));
      write(path, text);
    };
    new HostSettings(kernel, new HostJournal(folder, holds)).apply(
      { read_ahead_kb: "4096" },
      devices,
    );
    expect(seen).toHaveLength(1);
    const entries = [{ path: `${queue}/read_ahead_kb`, text: "128" }];
    expect(JSON.parse(seen[0] ?? "")).toMatchObject({ pid: process.pid, entries });
  });

  test("of a process that is gone is put back once", () => {
    journal();
    const kernel = new FakeKernel();
    kernel.files.set(`${queue}/read_ahead_kb`, "4096");
    const [replayed] = replayJournals(folder, kernel);
    expect(replayed?.restored).toEqual([{ path: `${queue}/read_ahead_kb`, text: "128" }]);
    expect(kernel.read(`${queue}/read_ahead_kb`)).toBe("128");
    expect(replayJournals(folder, kernel)).toEqual([]);
  });

  test("of a process that runs is left alone", () => {
    const { kernel, settings } = made();
    settings.apply({ read_ahead_kb: "4096" }, devices);
    expect(replayJournals(folder, kernel)).toEqual([]);
    expect(kernel.read(`${queue}/read_ahead_kb`)).toBe("4096");
    expect(journals()).toHaveLength(1);
  });

  test("of another boot, damaged, or of files elsewhere changes nothing", () => {
    for (const over of [
      { boot: "another" },
      { schema: "?" },
      { entries: [{ path: "/etc/passwd", text: "x" }] },
    ]) {
      journal(over);
      const kernel = new FakeKernel();
      const before = kernel.state();
      expect(replayJournals(folder, kernel)).toEqual([]);
      expect(kernel.state()).toEqual(before);
      expect(journals()).toEqual([]);
    }
  });

  test("in a directory that others may write to is not believed", () => {
    journal();
    chmodSync(folder, 0o777);
    const kernel = new FakeKernel();
    kernel.files.set(`${queue}/read_ahead_kb`, "4096");
    expect(replayJournals(folder, kernel)).toEqual([]);
    expect(kernel.read(`${queue}/read_ahead_kb`)).toBe("4096");
    expect(journals()).toHaveLength(1);
  });
});
