/** Keys and engines that fio knows and this version does not: they are refused by name, never ignored. */

/** Why keys are refused, with their names. */
interface Refusal {
  readonly topic: string;
  readonly reason: string;
  readonly names: string;
}

const refusals: readonly Refusal[] = [
  {
    topic: "commands run from a job file",
    reason: "a job file that came from elsewhere must not run programs; run them around osdyno",
    names: "exec_prerun exec_postrun",
  },
  {
    topic: "changes of the host or of the user",
    reason: "a job does not change the host's settings or who runs it; set that up before the run",
    names: "ioscheduler cgroup cgroup_nodelete cgroup_weight uid gid",
  },
  {
    topic: "built-in profiles",
    reason: "there are no built-in profiles; the job files of `osdyno list profiles` stand in",
    names: "profile",
  },
  {
    topic: "zoned block devices",
    reason: "zoned block devices are not supported; zonemode=strided is",
    names:
      "zonecapacity read_beyond_wp max_open_zones job_max_open_zones ignore_zone_limits zone_reset_threshold zone_reset_frequency recover_zbd_write_error write_zone_remainder",
  },
  {
    topic: "data placement and streams",
    reason: "data placement (FDP, streams, write hints) is not supported",
    names:
      "fdp dataplacement data_placement plid_select fdp_pli_select plids fdp_pli dp_scheme write_hint",
  },
  {
    topic: "GPUs",
    reason: "there is no engine for memory of GPUs",
    names: "gpu_dev_id gpu_dev_ids cuda_io rocm_io",
  },
  {
    topic: "newer than fio 3.33",
    reason: "newer than the fio 3.33 that osdyno is held against",
    names:
      "num_range sprandom spr_num_regions spr_op spr_cs random_sequence_stride ramp_size priohint cmdprio_hint thinkcycles verify_policy verify_pattern_interval end_syncfs",
  },
  {
    topic: "atomic writes",
    reason: "writes that the device promises not to tear (O_ATOMIC) are not asked for",
    names: "atomic",
  },
  {
    topic: "errors by block",
    reason:
      "for trim-and-verify jobs fio counts how often a block was trimmed before it failed; that is not kept here",
    names: "block_error_percentiles",
  },
  {
    topic: "compressed logs",
    reason:
      "fio compresses samples as they lie in its memory; logs are text here: compress the files afterwards",
    names: "log_store_compressed",
  },
  {
    topic: "io_uring_cmd, sg: commands to NVMe and SCSI",
    reason: "an option of the engines that send raw NVMe and SCSI commands",
    names:
      "apptag apptag_mask cdb_len cmd_type deac md_per_io_size pi_act pi_chk read_mode readfua sg_write_mode stream_id verify_bytchk verify_mode write_mode writefua",
  },
  {
    topic: "net, rdma: sockets and remote memory",
    reason: "an option of the engines that measure networks",
    names:
      "bindname hostname interface listen mss nodelay pingpong port proto protocol ttl verb window_size",
  },
  {
    topic: "http, nbd, nfs, gfapi, libiscsi, dfs, hdfs, rados, rbd: network storage",
    reason: "an option of an engine for network storage that this version does not have",
    names:
      "busy_poll chunck_size chunk_size clientname clustername conf dfs hdfs_use_direct hdfsdirectory http_host http_mode http_object_mode http_pass http_s3_key http_s3_keyid http_s3_region http_s3_security_token http_s3_sse_customer_algorithm http_s3_sse_customer_key http_s3_storage_class http_swift_auth_token http_user http_verbose https initiator namenode nfs_url object_class pool rbd_encryption_format rbd_encryption_passphrase rbdname single-instance single_instance svcl touch_objects uri volume",
  },
  {
    topic: "cpuio, exec, e4defrag, filestat, ...: no block I/O",
    reason: "an option of an engine that does no block I/O",
    names:
      "arguments cpuchunks cpuload cpumode donorname exit_on_io_done grace_time inplace program skip_bad stat_type std_redirect",
  },
  {
    topic: "xnvme, libblkio, librpma, external drivers",
    reason: "an option of an engine over a driver or library that osdyno does not use",
    names:
      "busy_wait_polling direct_write_to_pmem libaio_vectored libblkio_driver libblkio_force_enable_completion_eventfd libblkio_num_entries libblkio_path libblkio_pre_connect_props libblkio_pre_start_props libblkio_queue_size libblkio_vectored libblkio_wait_mode libblkio_write_zeroes_on_trim no_completion_thread serverip xnvme_admin xnvme_async xnvme_be xnvme_dev_nsid xnvme_dev_subnqn xnvme_iovec xnvme_mem xnvme_sync",
  },
];

/** A key that is refused: what it is about and why. */
export interface RefusedKey {
  readonly name: string;
  readonly topic: string;
  readonly reason: string;
}

/** Every key of fio that is refused by name, topic after topic. */
export const refusedKeys: readonly RefusedKey[] = refusals.flatMap(({ topic, reason, names }) =>
  names.split(" ").map((name) => ({ name, topic, reason })),
);

export const foreignKeys: ReadonlyMap<string, RefusedKey> = new Map(
  refusedKeys.map((key) => [key.name, key]),
);

/** fio 3.33 prints that these are deprecated and refuses the job. */
export const removedKeys: ReadonlySet<string> = new Set(["percentage_sequential", "rwmixcycle"]);

/** Engines that jobs can name. */
export const supportedEngines: readonly string[] = [
  "io_uring",
  "libaio",
  "psync",
  "sync",
  "pvsync",
  "pvsync2",
  "mmap",
  "libpmem",
  "pmem",
  "null",
  "memory",
];

/** Engines that do one operation at a time, whatever `iodepth` says. */
export const synchronousEngines: ReadonlySet<string> = new Set(
  supportedEngines.filter((name) => !["io_uring", "libaio", "null"].includes(name)),
);

const engineRefusals: readonly { readonly reason: string; readonly names: string }[] = [
  {
    reason:
      "the C library runs POSIX AIO in threads that call pread and pwrite; use io_uring, libaio, or psync with numjobs",
    names: "posixaio",
  },
  {
    reason:
      "data goes through a pipe and never into a buffer, so nothing can be filled or verified; use psync",
    names: "splice",
  },
  {
    reason:
      "it joins neighbouring blocks to one readv or writev, so the device sees other sizes than bs; use pvsync",
    names: "vsync",
  },
  {
    reason: "it belongs to another operating system",
    names: "solarisaio windowsaio",
  },
  {
    reason: "it needs libpmemblk, which its authors have given up; use pmem",
    names: "pmemblk",
  },
  {
    reason:
      "a DAX character device has no file system and no blocks; use pmem on a file or on /dev/pmemN",
    names: "dev-dax",
  },
  {
    reason:
      "it sends raw commands to NVMe, SCSI, zoned or flash devices past the block layer; use io_uring on the block device",
    names: "io_uring_cmd sg bsg libzbc mtd",
  },
  {
    reason:
      "it works over a driver or library that osdyno does not use; use io_uring on the block device",
    names: "xnvme libblkio external",
  },
  { reason: "it copies to memory of GPUs", names: "libcufile libhipfile" },
  {
    reason: "it is a client of storage in the network that is not here yet",
    names:
      "rados rbd http nbd nfs gfapi gfapi_async libiscsi libhdfs dfs ime_aio ime_psync ime_psyncv",
  },
  {
    reason: "it measures networks, not storage",
    names:
      "net netsplice rdma librpma_apm_client librpma_apm_server librpma_gpspm_client librpma_gpspm_server",
  },
  {
    reason: "it does no block I/O",
    names:
      "cpuio exec page_fault falloc ftruncate e4defrag filecreate filedelete filestat dircreate dirdelete dirstat",
  },
  { reason: "it is a profile of fio, not an engine", names: "act" },
];

/** Engines of fio that are refused, with why; in the order of the page that tells them. */
export const foreignEngines: ReadonlyMap<string, string> = new Map(
  engineRefusals.flatMap(({ reason, names }) => names.split(" ").map((name) => [name, reason])),
);
