/**
 * What a resolved job says beyond its op stream: submission, limits, verification, content, files,
 * replay, logs, host. Every value is resolved: bytes, nanoseconds, percent, defaults filled in. The
 * keys named are fio's; a rule that is off is `null` where that is not a value of its own.
 */

export type PerDirection<T> = readonly [read: T, write: T, trim: T];

/** How operations are gathered, handed over and reaped. */
export interface QueueRules {
  /** `iodepth_batch`: operations gathered before they are handed over, 1 to `iodepth`. */
  readonly submitBatch: number;
  /** `iodepth_batch_complete_min`: completions waited for at a time; 0 = never wait, only look. */
  readonly completeMin: number;
  /** `iodepth_batch_complete_max`: completions taken at most at a time, at least `completeMin`. */
  readonly completeMax: number;
  /** `iodepth_low`: once the queue was full, it drains to this before new operations are sent. */
  readonly low: number;
  /** `serialize_overlap`: an operation waits while one in flight covers some of its bytes. */
  readonly serializeOverlap: boolean;
  /** `io_submit_mode`: by the job's own thread, or by a pool of threads of one operation each. */
  readonly submitMode: "inline" | "offload";
}

/** Options of single engines; `false`, 0 and `null` when the job's engine has no such option. */
export interface EngineOptions {
  /** `fixedbufs` (io_uring): buffers registered with the kernel. */
  readonly fixedBuffers: boolean;
  /** `registerfiles` (io_uring): files registered with the ring. */
  readonly registerFiles: boolean;
  /** `sqthread_poll` (io_uring): a kernel thread takes submissions. */
  readonly sqThreadPoll: boolean;
  /** `sqthread_poll_cpu` (io_uring): where that thread runs; `null` = anywhere. */
  readonly sqThreadCpu: number | null;
  /** `hipri` (io_uring, pvsync2): completions are polled for (IOPOLL, RWF_HIPRI). */
  readonly hipri: boolean;
  /** `hipri_percentage` (pvsync2): share of operations that are, when `hipri`. */
  readonly hipriPercent: number;
  /** `nonvectored` (io_uring): READ and WRITE, as fio does by itself on any recent kernel; else READV and WRITEV. */
  readonly nonvectored: boolean;
  /** `force_async` (io_uring): every so many operations go straight to a worker; 0 = none. */
  readonly forceAsyncEvery: number;
  /** `nowait` (io_uring, libaio, pvsync2): RWF_NOWAIT. */
  readonly nowait: boolean;
  /** `uncached` (io_uring, pvsync2): RWF_DONTCACHE. */
  readonly uncached: boolean;
  /** `userspace_reap` (libaio): completions read from the ring without a system call. */
  readonly userspaceReap: boolean;
  /** `thp` (mmap): transparent huge pages for the mapping. */
  readonly hugePages: boolean;
}

/** Priorities of single operations (`cmdprio*`), for reads and writes. */
export interface CommandPriorityRule {
  /** Share of operations of any size with this class (0 none, 1 real time, 2 best effort, 3 idle) and level. */
  readonly shares: readonly [read: CommandPriority, write: CommandPriority];
  /** `cmdprio_bssplit`: shares by block size instead. Empty: not given. */
  readonly splits: readonly [
    read: readonly CommandPrioritySplit[],
    write: readonly CommandPrioritySplit[],
  ];
}

export interface CommandPriority {
  readonly percent: number;
  readonly class: number;
  readonly level: number;
}

export type CommandPrioritySplit = CommandPriority & { readonly bytes: number };

/** A run that falls below these ends with an error (ETIMEDOUT). 0 = no limit. */
export interface RateFloorRules {
  /** `rate_min`, bytes a second. */
  readonly bytes: PerDirection<number>;
  /** `rate_iops_min`, operations a second. */
  readonly iops: PerDirection<number>;
  /** `rate_cycle`: window that the rate is judged over. */
  readonly cycleNs: number;
}

/** `latency_target`: the largest queue depth that keeps a share of operations below a latency. */
export interface LatencyTargetRule {
  readonly targetNs: number;
  /** `latency_window`: how long a depth is tried. */
  readonly windowNs: number;
  /** `latency_percentile`: share of operations that must keep it, up to 100. */
  readonly percentile: number;
  /** `latency_run`: go on adjusting instead of ending with the answer. */
  readonly keepRunning: boolean;
}

/** `file_service_type`: which file the next operation goes to. */
export type FileServiceRule =
  | {
      readonly kind: "roundrobin" | "sequential" | "random";
      /** Operations before the next file is chosen. `sequential` finishes a file first. */
      readonly opsPerFile: number;
    }
  | { readonly kind: "zipf"; readonly theta: number; readonly center: number | null }
  | { readonly kind: "pareto"; readonly h: number; readonly center: number | null }
  | { readonly kind: "normal"; readonly deviation: number; readonly center: number | null };

/** fio's own names of checks. `pattern` alone has no header; `null` checks nothing. */
export type VerifyKind =
  | "crc7"
  | "crc16"
  | "crc32"
  | "crc32c"
  | "crc64"
  | "md5"
  | "xxhash"
  | "sha1"
  | "sha256"
  | "sha512"
  | "sha3-224"
  | "sha3-256"
  | "sha3-384"
  | "sha3-512"
  | "pattern"
  | "pattern_hdr"
  | "meta"
  | "null";

export interface VerifyRule {
  readonly kind: VerifyKind;
  readonly pattern: readonly number[];
  readonly patternOffsets: readonly number[];
  readonly fatal: boolean;
  /** `do_verify`: read back after the write phase. */
  readonly readBack: boolean;
  /** `verify_interval` as fio adjusts it: bytes that carry a header of their own; divides every size. */
  readonly intervalBytes: number;
  /** `verify_offset`: where in an interval the header stands. */
  readonly headerOffsetBytes: number;
  /** `verify_backlog`: read back after so many writes; 0 = only at the end. */
  readonly backlog: number;
  /** `verify_backlog_batch`: so many of them at a time, at most `backlog`; `backlog` when not given. */
  readonly backlogBatch: number;
  /** `verify_async`: threads that check; 0 = the job's own. */
  readonly asyncThreads: number;
  /** `verify_async_cpus`: where they run; empty = anywhere. */
  readonly asyncCpus: readonly number[];
  /** `verify_dump`: write the block as read and as expected to files. */
  readonly dump: boolean;
  /** `verify_only`: the write phase is only imagined; what an earlier run wrote is checked. */
  readonly only: boolean;
  /** `experimental_verify`: the operations to check are drawn again instead of remembered. */
  readonly experimental: boolean;
  /** `verify_state_save`: a run that ends early leaves a file with how far it came. */
  readonly saveState: boolean;
  /** `verify_state_load`: check only as far as that file says. */
  readonly loadState: boolean;
  /** `verify_write_sequence`: the number of the write in the header must be the one remembered. */
  readonly checkSequence: boolean;
}

/** `trim_percentage` and friends: written blocks that are trimmed while a verified job goes on. */
export interface TrimRule {
  readonly percent: number;
  /** `trim_verify_zero`: trimmed blocks must read as zeroes. */
  readonly verifyZero: boolean;
  /** `trim_backlog`: trim after so many writes; 0 = at once. */
  readonly backlog: number;
  readonly backlogBatch: number;
}

/** What the buffers of writes hold, beyond zeroes and new content. */
export interface ContentRules {
  /** `buffer_pattern`; empty: random content. */
  readonly pattern: readonly number[];
  /** Places in `pattern` of the 8-byte little-endian offset of the block (`%o`). */
  readonly patternOffsets: readonly number[];
  /** `buffer_compress_chunk`: bytes of which the given share compresses away. */
  readonly compressChunkBytes: number;
  /** `scramble_buffers`: a little of each buffer changes for every write; no effect with new content. */
  readonly scramble: boolean;
  /** `dedupe_percentage`: writes that repeat the content of an earlier one. */
  readonly dedupePercent: number;
  /** `dedupe_mode`: the last content again, or one of a working set. */
  readonly dedupeMode: "repeat" | "working_set";
  /** `dedupe_working_set_percentage`: size of that set, percent of the job's size. */
  readonly dedupeWorkingSetPercent: number;
  /** `dedupe_global`: one working set for all jobs that have this key. */
  readonly dedupeGlobal: boolean;
}

/** Durability beyond `fsync`, `fdatasync`, `end_fsync`. */
export interface SyncRules {
  /** `sync_file_range` after every so many writes. */
  readonly fileRange: {
    readonly every: number;
    readonly waitBefore: boolean;
    readonly write: boolean;
    readonly waitAfter: boolean;
  } | null;
  /** `fsync_on_close`. */
  readonly onClose: boolean;
}

/** How files are laid out, opened, locked and left. */
export interface FileRules {
  /** `fallocate`: how space is set aside at layout. */
  readonly fallocate: "none" | "native" | "posix" | "keep" | "truncate";
  /** `fadvise_hint`; `pattern` advises what the job does (random or sequential). */
  readonly advise: "none" | "pattern" | "random" | "sequential" | "noreuse";
  /** `overwrite`: files of a job that only writes are filled first as well. */
  readonly overwrite: boolean;
  /** `pre_read`: read each file once before the job; switches `invalidate` off. */
  readonly preRead: boolean;
  /** `invalidate`: drop the file's pages from the cache before the job. */
  readonly invalidate: boolean;
  /** `create_serialize`: jobs lay out one after the other. */
  readonly createSerialize: boolean;
  /** `create_fsync`: fsync after layout. */
  readonly createFsync: boolean;
  /** `create_on_open`: no layout; a file is made when the job opens it. */
  readonly createOnOpen: boolean;
  /** `file_append`: the region begins where the file ends. */
  readonly append: boolean;
  /** `allow_file_create`: false refuses a file that is not there. */
  readonly allowCreate: boolean;
  /** `lockfile`: a lock around every operation. */
  readonly lock: "none" | "exclusive" | "readwrite";
  /** `unlink_each_loop`. */
  readonly unlinkEachLoop: boolean;
  /** `openfiles`: files open at a time, 1 to `nrfiles`. */
  readonly openFiles: number;
  readonly service: FileServiceRule;
  /** `fill_device`: write until the device or file system is full; ENOSPC is the end, no error. */
  readonly fillDevice: boolean;
  /** `opendir`: every file below this directory. */
  readonly openDirectory: string | null;
  /** `filetype`: what a file must be; `none` = whatever it is. */
  readonly type: "none" | "file" | "block" | "char";
}

/** Order of operations beside `rw`, sizes and distributions. */
export interface OrderRules {
  /** `rw_sequencer`: what the step of `rw=randread:N` means: new offset each N, or the same one N times. */
  readonly sequencer: "sequential" | "identical";
  /** `bs_is_seq_rand`: the two sizes of `bs` are for sequential and random operations. */
  readonly sizesAreSequentialRandom: boolean;
  /** `bs_unaligned`: any size of a range, not multiples of the smallest. */
  readonly unalignedSizes: boolean;
  /** `offset_align`: the first byte is rounded up to a multiple; 0 = the smallest block. */
  readonly offsetAlignBytes: number;
  /** `random_generator`. `lfsr` draws each block once without a map. */
  readonly generator: "tausworthe" | "tausworthe64" | "lfsr";
  /** `softrandommap`: go on without a map if there is no memory for it. */
  readonly softRandomMap: boolean;
}

/** `zonemode=strided`: `sizeBytes` of each `rangeBytes` are used, then `skipBytes` are passed over. */
export interface StridedZoneRule {
  readonly sizeBytes: number;
  readonly rangeBytes: number;
  readonly skipBytes: number;
}

/** `flow`: jobs of one id keep their operations in the ratio of their weights. */
export interface FlowRule {
  readonly id: number;
  readonly weight: number;
  /** `flow_sleep`: how long a job that is ahead waits; 0 = look again at once. */
  readonly sleepNs: number;
}

/** When a job ends besides size and runtime, and what its end or its errors mean for others. */
export interface EndRules {
  /** `exitall`: when this job ends, those of `exitWhat` end. */
  readonly exitAll: boolean;
  /** `exitall_on_error`: the same, only after an error. */
  readonly exitAllOnError: boolean;
  /** `exit_what`: the jobs of its group, those running now (the next stonewall still begins), or all. */
  readonly exitWhat: "group" | "stonewall" | "all";
  /** `wait_for`: begins when every clone of the job of this name, further up, has ended. */
  readonly waitFor: string | null;
  /** `max_latency`: an operation above it ends the job with ETIME; 0 = no limit. */
  readonly maxLatencyNs: PerDirection<number>;
  /** `continue_on_error`: errors of these kinds are counted instead. */
  readonly continueOn: {
    readonly read: boolean;
    readonly write: boolean;
    readonly verify: boolean;
  };
  /** `ignore_error`: errno values that are no errors, by kind. */
  readonly ignore: {
    readonly read: readonly number[];
    readonly write: readonly number[];
    readonly verify: readonly number[];
  };
  /** `error_dump`: name each error that is ignored. */
  readonly dumpErrors: boolean;
}

/** `steadystate`: the job ends when a figure has settled. */
export interface SteadyStateRule {
  readonly metric: "iops" | "bw" | "lat";
  /** Of the fitted line instead of the largest deviation from the mean. */
  readonly slope: boolean;
  /** In percent of the mean when `percent`, else in the metric's unit (bytes/s, 1/s, ns). */
  readonly limit: number;
  readonly percent: boolean;
  /** `ss_dur`: the window that must have settled. */
  readonly durationNs: number;
  /** `ss_ramp`: nothing is judged before. */
  readonly rampNs: number;
  /** `ss_interval`: distance of the samples. */
  readonly intervalNs: number;
}

/** `read_iolog`: operations come from a trace. */
export interface ReplayRule {
  /** One, or one for each clone, taken in turn. `-` is standard input. */
  readonly paths: readonly string[];
  /** `read_iolog_chunked`. Traces are always streamed here; recorded only. */
  readonly chunked: boolean;
  /** `replay_no_stall`: as fast as the queue takes them, in order. */
  readonly noStall: boolean;
  /** `replay_time_scale`, percent: 200 makes gaps half as long. */
  readonly timeScalePercent: number;
  /** `replay_redirect`: everything goes to this device instead of those of the trace. */
  readonly redirect: string | null;
  /** `replay_scale`: offsets are divided by it. */
  readonly scaleDivisor: number;
  /** `replay_align`: offsets are rounded down to a multiple; 0 = not. */
  readonly alignBytes: number;
  /** `replay_skip`. */
  readonly skip: {
    readonly read: boolean;
    readonly write: boolean;
    readonly trim: boolean;
    readonly sync: boolean;
  };
  /** `replay_event`, our own key: which event of a block trace counts. */
  readonly event: "queue" | "issue";
  /** `merge_blktrace_file`: the traces of `paths` become one, written there. */
  readonly merge: {
    readonly path: string;
    /** `merge_blktrace_scalars`, percent of each trace's time; 100 when not given. */
    readonly scalarsPercent: readonly number[];
    /** `merge_blktrace_iters`, how often each trace is played; 1 when not given. */
    readonly iterations: readonly number[];
  } | null;
}

/** fio's log files. A prefix is what stands before `_bw.1.log` and the like; `null`: no such log. */
export interface LogRules {
  readonly bwPrefix: string | null;
  /** Of `_lat`, `_slat` and `_clat` alike. */
  readonly latPrefix: string | null;
  readonly iopsPrefix: string | null;
  readonly histPrefix: string | null;
  /** `log_avg_msec`: one line per window; 0 = one for each operation. */
  readonly averageNs: number;
  /** `log_window_value` (`log_max_value`): what the line of a window holds. */
  readonly windowValue: "avg" | "max" | "both";
  readonly offset: boolean;
  readonly prio: boolean;
  /** `log_issue_time`: a last column with the time of sending, ns. */
  readonly issueTime: boolean;
  /** `log_hist_msec`: distance of the histogram lines; 0 = at the end only. */
  readonly histNs: number;
  /** `log_hist_coarseness`, 0 to 6: 2^c buckets become one. */
  readonly histCoarseness: number;
  /** `log_unix_epoch`: times count from 1970 instead of from the start. */
  readonly unixEpoch: boolean;
  /** `per_job_logs`: the job's number is in the name; else all jobs share a file. */
  readonly perJob: boolean;
  /** `write_iolog`: the operations as sent, as a trace of version 2 or 3. */
  readonly iologPath: string | null;
}

/** What is measured, and over which windows. */
export interface MeasureRules {
  /** `bwavgtime`: window of a sample of `bw_min`, `bw_mean`, ... */
  readonly bwWindowNs: number;
  /** `iopsavgtime`. */
  readonly iopsWindowNs: number;
  /** `disable_lat`, `disable_clat`, `disable_slat`, `disable_bw_measurement` are left out of fio's outputs. */
  readonly lat: boolean;
  readonly clat: boolean;
  readonly slat: boolean;
  readonly bw: boolean;
  /** `unit_base`: bandwidth shown in bytes (8) or bits (1). */
  readonly unitBase: 8 | 1;
  /** `significant_figures` of the normal output. */
  readonly significantFigures: number;
  /** `stats`: false leaves the job out of the results. */
  readonly stats: boolean;
}

/** Where a job's thread and its memory live. */
export interface HostRules {
  /** `nice`, -20 to 19, of the job's thread. */
  readonly nice: number;
  /** `prioclass` and `prio` of its I/O; `null` = unchanged. */
  readonly ioPriority: {
    readonly class: number;
    readonly level: number;
  } | null;
  /** `cpus_allowed_policy`: all clones on all CPUs, or one CPU for each in turn. */
  readonly cpusPolicy: "shared" | "split";
  /** `numa_cpu_nodes`: only CPUs of these nodes; empty = all. */
  readonly cpuNodes: readonly number[];
  /** `numa_mem_policy` of the buffers. */
  readonly memoryPolicy: {
    readonly mode: "default" | "prefer" | "bind" | "interleave" | "local";
    readonly nodes: readonly number[];
  } | null;
  /** `mem`: what the buffers are made of; `file` only with the `mmap` kinds. */
  readonly memory: {
    readonly kind: "malloc" | "shm" | "shmhuge" | "mmap" | "mmapshared" | "mmaphuge";
    readonly file: string | null;
  };
  /** `hugepage-size`. */
  readonly hugePageBytes: number;
  /** `iomem_align`: alignment of the buffers beyond what direct I/O needs; 0 = none. */
  readonly memoryAlignBytes: number;
  /** `lockmem`: bytes that each job pins, to leave less memory. */
  readonly lockedBytes: number;
}
