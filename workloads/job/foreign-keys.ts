/** Keys and engines that fio knows and this version does not: they are refused by name, never ignored. */

/** Names by what they are about. */
const byTopic: readonly (readonly [topic: string, names: string])[] = [
  [
    "files and how they are laid out",
    "filetype unique_filename lockfile opendir openfiles file_service_type file_append offset_align fill_device fill_fs fallocate fadvise_hint overwrite invalidate pre_read create_serialize create_fsync create_on_open allow_file_create allow_mounted_write fsync_on_close end_syncfs unlink_each_loop write_hint",
  ],
  [
    "queues and submission",
    "iodepth_batch iodepth_batch_submit iodepth_batch_complete_min iodepth_batch_complete iodepth_batch_complete_max iodepth_low serialize_overlap io_submit_mode write_barrier sync_file_range atomic num_range",
  ],
  [
    "order and random numbers",
    "rw_sequencer bs_unaligned blocksize_unaligned bs_is_seq_rand softrandommap sprandom spr_num_regions spr_op spr_cs random_generator random_sequence_stride",
  ],
  [
    "running jobs",
    "wait_for exitall exit_what exitall_on_error continue_on_error ignore_error error_dump exec_prerun exec_postrun profile clocksource job_start_clock_id gtod_reduce gtod_cpu ramp_size stats comm",
  ],
  [
    "rates and latency targets",
    "rate_min ratemin rate_iops_min rate_cycle ratecycle rate_ignore_thinktime thinktime_spin thinkcycles thinktime_blocks_type thinktime_iotime max_latency latency_target latency_window latency_percentile latency_run flow_id flow flow_sleep",
  ],
  [
    "steady state",
    "steadystate ss steadystate_duration ss_dur steadystate_ramp_time ss_ramp steadystate_check_interval ss_interval",
  ],
  [
    "verification",
    "verify_only verify_policy verify_interval verify_offset verify_pattern_interval verify_dump verify_async verify_async_cpus verify_backlog verify_backlog_batch experimental_verify verify_state_load verify_state_save verify_write_sequence verify_header_seed trim_percentage trim_verify_zero trim_backlog trim_backlog_batch",
  ],
  [
    "content of buffers",
    "scramble_buffers buffer_pattern buffer_compress_chunk dedupe_percentage dedupe_global dedupe_mode dedupe_working_set_percentage",
  ],
  [
    "trace replay",
    "write_iolog read_iolog read_iolog_chunked replay_no_stall replay_redirect replay_scale replay_align replay_time_scale replay_skip merge_blktrace_file merge_blktrace_scalars merge_blktrace_iters",
  ],
  [
    "zoned devices and data placement",
    "zonemode zonesize zonecapacity zonerange zoneskip read_beyond_wp max_open_zones job_max_open_zones ignore_zone_limits zone_reset_threshold zone_reset_frequency recover_zbd_write_error write_zone_remainder fdp dataplacement data_placement plid_select fdp_pli_select plids fdp_pli dp_scheme",
  ],
  [
    "memory, CPUs, priorities, groups",
    "mem iomem iomem_align mem_align lockmem hugepage-size nice prio prioclass priohint cpumask cpus_allowed_policy numa_cpu_nodes numa_mem_policy gpu_dev_id ioscheduler cgroup cgroup_nodelete cgroup_weight uid gid",
  ],
  [
    "logs and reporting",
    "per_job_logs write_bw_log write_lat_log write_iops_log write_hist_log log_entries log_avg_msec log_hist_msec log_hist_coarseness log_window_value log_max_value log_offset log_prio log_issue_time log_compression log_compression_cpus log_store_compressed log_alternate_epoch log_unix_epoch log_alternate_epoch_clock_id block_error_percentiles bwavgtime iopsavgtime significant_figures disk_util disable_lat disable_clat disable_slat disable_bw_measurement disable_bw unit_base",
  ],
  [
    "options of single I/O engines",
    "apptag apptag_mask arguments bindname busy_poll busy_wait_polling cdb_len chunck_size chunk_size clientname clustername cmd_type cmdprio cmdprio_bssplit cmdprio_class cmdprio_hint cmdprio_percentage conf cpuchunks cpuload cpumode cuda_io deac device-names dfs direct_write_to_pmem donorname exit_on_io_done fixedbufs force_async gpu_dev_ids grace_time hdfs_use_direct hdfsdirectory hipri hipri_percentage hostname http_host http_mode http_object_mode http_pass http_s3_key http_s3_keyid http_s3_region http_s3_security_token http_s3_sse_customer_algorithm http_s3_sse_customer_key http_s3_storage_class http_swift_auth_token http_user http_verbose https initiator inplace interface libaio_vectored libblkio_driver libblkio_force_enable_completion_eventfd libblkio_num_entries libblkio_path libblkio_pre_connect_props libblkio_pre_start_props libblkio_queue_size libblkio_vectored libblkio_wait_mode libblkio_write_zeroes_on_trim listen md_per_io_size mss namenode nfs_url no_completion_thread nodelay nonvectored nowait object_class pi_act pi_chk pingpong pool port program proto protocol rbd_encryption_format rbd_encryption_passphrase rbdname read_mode readfua registerfiles rocm_io serverip sg_write_mode single-instance single_instance skip_bad sqthread_poll sqthread_poll_cpu stat_type std_redirect stream_id svcl thp touch_objects ttl uncached uri userspace_reap verb verify_bytchk verify_mode volume window_size write_mode writefua xnvme_admin xnvme_async xnvme_be xnvme_dev_nsid xnvme_dev_subnqn xnvme_iovec xnvme_mem xnvme_sync",
  ],
];

/** Every such key with its topic. */
export const foreignKeys: ReadonlyMap<string, string> = new Map(
  byTopic.flatMap(([topic, names]) => names.split(" ").map((name) => [name, topic] as const)),
);

/** fio 3.33 prints that these are deprecated and goes on without them. */
export const ignoredKeys: ReadonlySet<string> = new Set([
  "verifysort",
  "verifysort_nr",
  "flow_watermark",
]);

/** fio 3.33 prints that these are deprecated and refuses the job. */
export const removedKeys: ReadonlySet<string> = new Set(["percentage_sequential", "rwmixcycle"]);

/** Our own key of a later version, so that it is not taken for a typing error. */
export const laterKeys: ReadonlySet<string> = new Set(["object_mix"]);

export const supportedEngines: readonly string[] = ["io_uring", "psync", "null", "memory"];

export const foreignEngines: ReadonlySet<string> = new Set(
  "act bsg cpuio dev-dax dfs dircreate dirdelete dirstat e4defrag exec external falloc filecreate filedelete filestat ftruncate gfapi gfapi_async http ime_aio ime_psync ime_psyncv io_uring_cmd libaio libblkio libcufile libhdfs libhipfile libiscsi libpmem librpma_apm_client librpma_apm_server librpma_gpspm_client librpma_gpspm_server libzbc mmap mtd nbd net netsplice nfs page_fault pmemblk posixaio pvsync pvsync2 rados rbd rdma sg solarisaio splice sync vsync windowsaio xnvme".split(
    " ",
  ),
);
