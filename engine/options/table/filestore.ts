/**
 * Options of FileStore, Ceph's object store before BlueStore, and of its journal: known by name, accepted with a
 * note, and without effect. Source of names and defaults: Ceph 16's table of options.
 */
import type { OptionEntry, OptionType, OptionValue } from "../option.ts";

const retired = "FileStore is retired";

function option(
  name: string,
  type: OptionType,
  value: OptionValue,
  summary: string,
  obsolete = retired,
): OptionEntry {
  return { name, type, default: value, change: "startup", layer: "store", obsolete, summary };
}

const mib = 2 ** 20;

export const fileStoreOptions: readonly OptionEntry[] = [
  {
    ...option(
      "osd_journal_size",
      "int",
      5120,
      "size of a FileStore journal, MiB",
      "FileStore is retired; BlueStore has its log in the key-value store",
    ),
    change: "create",
  },
  option("osd_journal", "text", "", "path of a FileStore journal"),
  option("journal_dio", "bool", true, "FileStore journals were written past the page cache"),
  option("journal_aio", "bool", true, "FileStore journals were written asynchronously"),
  option("journal_block_align", "bool", true, "writes to a FileStore journal were whole blocks"),
  option("journal_discard", "bool", false, "a FileStore journal on flash was trimmed"),
  option("journal_max_write_bytes", "size", 10 * mib, "bytes of one write to a FileStore journal"),
  option("journal_max_write_entries", "int", 100, "entries of one write to a FileStore journal"),
  option(
    "filestore_min_sync_interval",
    "seconds",
    0.01,
    "least time between two times that FileStore's files were made durable",
    "FileStore is retired; BlueStore commits in groups as they come, and bluestore_max_defer_interval bounds how long deferred writes wait",
  ),
  option(
    "filestore_max_sync_interval",
    "seconds",
    5,
    "most time between two times that FileStore's files were made durable",
    "FileStore is retired; BlueStore commits in groups as they come, and bluestore_max_defer_interval bounds how long deferred writes wait",
  ),
  option("filestore_op_threads", "int", 2, "threads of FileStore that wrote to its files"),
  option("filestore_queue_max_ops", "int", 50, "transactions that waited for FileStore at most"),
  option("filestore_queue_max_bytes", "size", 100 * mib, "bytes that waited for FileStore at most"),
  option("filestore_merge_threshold", "int", -10, "files below which FileStore joined folders"),
  option("filestore_split_multiple", "int", 2, "files at which FileStore divided a folder"),
  option("filestore_fd_cache_size", "int", 128, "files that FileStore kept open"),
  option(
    "filestore_wbthrottle_enable",
    "bool",
    true,
    "FileStore bounded what was not written back",
  ),
  option("filestore_fiemap", "bool", false, "FileStore asked the file system for holes"),
  option(
    "filestore_fadvise",
    "bool",
    true,
    "FileStore told the kernel what it would not read again",
  ),
  option(
    "filestore_journal_writeahead",
    "bool",
    false,
    "FileStore wrote its journal before its files",
  ),
  option("filestore_journal_parallel", "bool", false, "FileStore wrote journal and files at once"),
];
