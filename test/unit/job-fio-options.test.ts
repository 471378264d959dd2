/** Every option of fio is either supported or refused by name: none is taken for a typing error. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { idleKeys } from "../../workloads/job/idle-keys.ts";
import { findKey, jobKeys } from "../../workloads/job/key-lookup.ts";
import { parseText, refusal } from "./job-support.ts";

const rows = readFileSync(new URL("../golden/harness/fio_options.tsv", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .slice(1)
  .map((line) => line.split("\t"));
const names = new Set(rows.flatMap((row) => row.slice(0, 2)).filter((name) => name !== ""));

/** Options of single engines, which `--cmdhelp` leaves out: `fio --enghelp=ENGINE`, `uncached` from 3.40's manual. */
const engineOptions = new Set(
  `fixedbufs registerfiles sqthread_poll sqthread_poll_cpu nonvectored force_async hipri
  hipri_percentage uncached nowait userspace_reap thp cmdprio_percentage cmdprio_class cmdprio
  cmdprio_bssplit`.split(/\s+/),
);

/** Options behind the last one of the list. */
const laterOptions = new Set(
  "steadystate_duration steadystate_ramp_time steadystate_check_interval".split(" "),
);

/** The keys that this version promises. */
const promised = `rw rwmixread rwmixwrite bs bsrange bssplit blockalign size io_size filesize offset
  offset_increment filename filename_format directory nrfiles numjobs thread ioengine iodepth direct
  buffered sync fsync fdatasync end_fsync runtime time_based ramp_time startdelay stonewall loops
  number_ios rate rate_iops rate_process thinktime random_distribution percentage_random norandommap
  randrepeat randseed allrandrepeat verify verify_pattern verify_fatal do_verify zero_buffers
  refill_buffers buffer_compress_percentage group_reporting new_group percentile_list clat_percentiles
  slat_percentiles lat_percentiles cpus_allowed description unlink create_only kb_base
  unified_rw_reporting target op_class client_id io_unit object_mix arrival backlog_cap`.split(
  /\s+/,
);

describe("fio's options", () => {
  it("were read", () => {
    expect(names.size).toBeGreaterThan(250);
  });

  it.each([...names])("knows %s", (name = "") => {
    if (findKey(name) !== null) {
      return;
    }
    const text = `[a]\n${name}=1\n`;
    expect(refusal(() => parseText(text))).toMatch(/known to fio, not supported|is deprecated/);
  });

  it("calls every supported key as fio does", () => {
    const profileKeys = new Set(idleKeys.map((key) => key.name));
    const ofFio = jobKeys.filter((key) => key.supported && !key.own && !profileKeys.has(key.name));
    const known = new Set([...names, ...engineOptions, ...laterOptions]);
    for (const key of ofFio) {
      expect(known.has(key.name), key.name).toBe(true);
    }
  });

  it.each(promised)("supports %s", (name) => {
    expect(findKey(name)).not.toBeNull();
  });
});
