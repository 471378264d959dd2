// The database: opening, writing, reading, counters.
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <map>
#include <mutex>

#include "binding.h"
#include "files.h"
#include "operators.h"

using rocksdb::Slice;
using rocksdb::Status;

struct osdyno_batch {
  rocksdb::WriteBatch batch;
};

struct osdyno_iterator {
  osdyno_db* db;
  size_t family;
  std::string from;
  std::string end;
  Slice bound;
  // None where `broken` says why.
  std::unique_ptr<rocksdb::Iterator> iterator;
  Status broken;
  // First keys of tables up to here were looked at; empty: none.
  std::string checked;
};

namespace {

class Counting : public rocksdb::EventListener {
 public:
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) override {
    flushes += 1;
    flush_bytes += info.table_properties.data_size + info.table_properties.index_size +
                   info.table_properties.filter_size;
  }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& info) override {
    compactions += 1;
    read_bytes += info.stats.total_input_bytes;
    write_bytes += info.stats.total_output_bytes;
  }
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, Status*) override {
    errors += 1;
    log_errors += reason == rocksdb::BackgroundErrorReason::kWriteCallback ? 1 : 0;
  }

  std::atomic<uint64_t> flushes{0}, flush_bytes{0}, compactions{0}, read_bytes{0}, write_bytes{0},
      errors{0};
  // Of these, those of writes to the write-ahead log.
  std::atomic<uint64_t> log_errors{0};
};

std::string text_of(osdyno_bytes bytes) { return std::string(bytes.data, bytes.length); }
Slice slice_of(osdyno_bytes bytes) { return Slice(bytes.data, bytes.length); }

int errno_of(const Status& status) {
  if (status.ok()) return 0;
  if (status.IsNotFound()) return ENOENT;
  if (status.IsNoSpace()) return ENOSPC;
  if (status.IsCorruption()) return EBADMSG;
  if (status.IsInvalidArgument()) return EINVAL;
  return EIO;
}

int told(const Status& status, void* context, osdyno_text failed) {
  if (!status.ok()) {
    std::string text = status.ToString();
    failed(context, text.data(), text.size());
  }
  return errno_of(status);
}

}  // namespace

// First keys of a family's tables on levels that hold one table behind the other, in order.
struct Borders {
  uint64_t version = 0;
  std::vector<std::string> first_keys;
};

struct osdyno_db {
  std::mutex borders_lock;
  std::map<size_t, std::shared_ptr<const Borders>> borders;
  // Destroyed last to first: the database before what it works on.
  std::unique_ptr<rocksdb::Env> env;
  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<Counting> counting;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  // By family: why it cannot be walked through.
  std::vector<Status> broken;

  ~osdyno_db() {
    for (auto* handle : handles) {
      (void)db->DestroyColumnFamilyHandle(handle);
    }
    if (db != nullptr) {
      (void)db->Close();
    }
  }
};

namespace {

Status options_of(const osdyno_open& open, osdyno_db& made, rocksdb::Options* options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = made.cache;
  table.block_size = open.block_bytes;
  table.cache_index_and_filter_blocks = true;
  table.format_version = 5;
  if (open.bloom_bits > 0) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(open.bloom_bits));
  }
  rocksdb::Options base;
  base.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::ConfigOptions config;
  config.env = made.env.get();
  Status status = rocksdb::GetOptionsFromString(config, base, text_of(open.options), options);
  options->env = made.env.get();
  options->info_log = logger_on(open.fs);
  options->create_if_missing = open.create != 0;
  options->error_if_exists = open.create != 0;
  options->create_missing_column_families = open.create != 0;
  options->wal_dir = "db.wal";
  options->listeners = {made.counting};
  // The database has no other threads' handles to files, and no dump of statistics to a log.
  options->stats_dump_period_sec = 0;
  options->stats_persist_period_sec = 0;
  for (size_t index = 0; index < open.path_count; ++index) {
    const osdyno_path& path = open.paths[index];
    options->db_paths.emplace_back(text_of(path.path), path.target_bytes);
  }
  return status;
}

Status families_of(const osdyno_open& open, const rocksdb::Options& options,
                   std::vector<rocksdb::ColumnFamilyDescriptor>* families) {
  std::map<std::string, Combine> kinds;
  for (size_t index = 0; index < open.operator_count; ++index) {
    kinds[text_of(open.operators[index].prefix)] =
        static_cast<Combine>(open.operators[index].kind);
  }
  rocksdb::ConfigOptions config;
  config.env = options.env;
  for (size_t index = 0; index < open.family_count; ++index) {
    const osdyno_family& family = open.families[index];
    rocksdb::ColumnFamilyOptions own;
    Status status = rocksdb::GetColumnFamilyOptionsFromString(
        config, rocksdb::ColumnFamilyOptions(options), text_of(family.options), &own);
    if (!status.ok()) {
      return status;
    }
    own.merge_operator = operator_for(kinds, text_of(family.prefix));
    families->emplace_back(text_of(family.name), own);
  }
  return Status::OK();
}

// The first table of level 0 that cannot be opened. An iterator of RocksDB 7.8.3 over a level 0 with such a
// table takes the removed ranges of the table before it for those of this one, too, and frees them twice. It
// could read nothing in any case: what is in that table may lie anywhere.
Status unopened_of(osdyno_db& made, rocksdb::ColumnFamilyHandle* handle) {
  rocksdb::ColumnFamilyMetaData facts;
  made.db->GetColumnFamilyMetaData(handle, &facts);
  for (const auto& level : facts.levels) {
    for (const auto& table : level.files) {
      if (level.level > 0) break;
      std::string path = table.directory + "/" + table.relative_filename;
      Status status = rocksdb::SstFileReader(made.db->GetOptions(handle)).Open(path);
      if (!status.ok()) {
        return Status::Corruption("table " + path + " cannot be opened", status.ToString());
      }
    }
  }
  return Status::OK();
}

Status open_database(const osdyno_open& open, osdyno_db& made) {
  made.env = rocksdb::NewCompositeEnv(files_on(open.fs));
  made.cache = rocksdb::NewLRUCache(open.cache_bytes);
  made.counting = std::make_shared<Counting>();
  rocksdb::Options options;
  Status status = options_of(open, made, &options);
  if (!status.ok()) {
    return Status::InvalidArgument("bluestore_rocksdb_options", status.ToString());
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  status = families_of(open, options, &families);
  if (!status.ok()) {
    return Status::InvalidArgument("bluestore_rocksdb_cfs", status.ToString());
  }
  rocksdb::DB* db = nullptr;
  if (open.read_only != 0) {
    status = rocksdb::DB::OpenForReadOnly(rocksdb::DBOptions(options), "db", families,
                                          &made.handles, &db);
  } else {
    status =
        rocksdb::DB::Open(rocksdb::DBOptions(options), "db", families, &made.handles, &db);
  }
  made.db.reset(db);
  // Otherwise a table that cannot be opened has ended the opening.
  if (status.ok() && !options.paranoid_checks) {
    for (auto* handle : made.handles) {
      made.broken.push_back(unopened_of(made, handle));
    }
  }
  return status;
}

// Exceptions (memory, mostly) become a status.
template <typename Action>
Status guarded(Action action) {
  try {
    return action();
  } catch (const std::exception& error) {
    return Status::Aborted(error.what());
  } catch (...) {
    return Status::Aborted("unknown exception");
  }
}

// Times that a write is tried again where RocksDB had stopped for want of space.
constexpr int space_tries = 3;

// Goes on after a flush or compaction that had no space. RocksDB does it by itself only where all tables
// have one path, and once it has forgotten the error nothing begins the flushes that waited: this does.
Status resumed(osdyno_db* db) {
  Status status = db->db->Resume();
  rocksdb::FlushOptions options;
  options.allow_write_stall = true;
  return status.ok() ? db->db->Flush(options, db->handles) : status;
}

// Writes a batch; one that was turned away for an earlier want of space is tried again, since there may be
// some by now. What failed in the write-ahead log is not: nobody knows how much of it is there.
Status write_or_resume(osdyno_db* db, const rocksdb::WriteOptions& options,
                       rocksdb::WriteBatch* batch) {
  uint64_t log_errors = db->counting->log_errors;
  Status status = db->db->Write(options, batch);
  for (int tried = 0; tried < space_tries && (status.IsIncomplete() || status.IsNoSpace()) &&
                      db->counting->log_errors == log_errors;
       ++tried) {
    if (!resumed(db).ok()) {
      break;
    }
    status = db->db->Write(options, batch);
  }
  return status.IsIncomplete() ? Status::NoSpace(status.ToString()) : status;
}

uint64_t sum_of(osdyno_db* db, const std::string& property) {
  uint64_t sum = 0;
  for (auto* handle : db->handles) {
    uint64_t value = 0;
    if (db->db->GetIntProperty(handle, property, &value)) {
      sum += value;
    }
  }
  return sum;
}

}  // namespace

extern "C" {

osdyno_db* osdyno_db_open(const osdyno_open* open, void* context, osdyno_text failed) {
  auto made = std::make_unique<osdyno_db>();
  Status status = guarded([&] { return open_database(*open, *made); });
  return told(status, context, failed) == 0 ? made.release() : nullptr;
}

void osdyno_db_close(osdyno_db* db) { delete db; }

osdyno_batch* osdyno_db_batch() { return new osdyno_batch; }
void osdyno_db_batch_free(osdyno_batch* batch) { delete batch; }
void osdyno_db_batch_clear(osdyno_batch* batch) { batch->batch.Clear(); }
size_t osdyno_db_batch_bytes(const osdyno_batch* batch) { return batch->batch.GetDataSize(); }

int osdyno_db_put(osdyno_db* db, osdyno_batch* batch, size_t family, osdyno_bytes key,
                  osdyno_bytes value) {
  return errno_of(guarded([&] {
    return batch->batch.Put(db->handles[family], slice_of(key), slice_of(value));
  }));
}

int osdyno_db_delete(osdyno_db* db, osdyno_batch* batch, size_t family, osdyno_bytes key) {
  return errno_of(
      guarded([&] { return batch->batch.Delete(db->handles[family], slice_of(key)); }));
}

int osdyno_db_delete_range(osdyno_db* db, osdyno_batch* batch, size_t family, osdyno_bytes from,
                           osdyno_bytes to) {
  return errno_of(guarded([&] {
    return batch->batch.DeleteRange(db->handles[family], slice_of(from), slice_of(to));
  }));
}

int osdyno_db_merge(osdyno_db* db, osdyno_batch* batch, size_t family, osdyno_bytes key,
                    osdyno_bytes value) {
  return errno_of(guarded([&] {
    return batch->batch.Merge(db->handles[family], slice_of(key), slice_of(value));
  }));
}

int osdyno_db_write(osdyno_db* db, osdyno_batch* batch, int sync, void* context,
                    osdyno_text failed) {
  rocksdb::WriteOptions options;
  options.sync = sync != 0;
  return told(guarded([&] { return write_or_resume(db, options, &batch->batch); }), context, failed);
}

int osdyno_db_get(osdyno_db* db, size_t family, osdyno_bytes key, void* context,
                  osdyno_value found, osdyno_text failed) {
  rocksdb::PinnableSlice value;
  Status status = guarded([&] {
    return db->db->Get(rocksdb::ReadOptions(), db->handles[family], slice_of(key), &value);
  });
  if (status.ok()) {
    found(context, 0, value.data(), value.size());
    return 0;
  }
  return status.IsNotFound() ? ENOENT : told(status, context, failed);
}

int osdyno_db_multi_get(osdyno_db* db, size_t family, const osdyno_bytes* keys, size_t count,
                        void* context, osdyno_value found, osdyno_text failed) {
  return told(guarded([&] {
                std::vector<Slice> slices;
                for (size_t index = 0; index < count; ++index) {
                  slices.push_back(slice_of(keys[index]));
                }
                std::vector<rocksdb::PinnableSlice> values(count);
                std::vector<Status> statuses(count);
                db->db->MultiGet(rocksdb::ReadOptions(), db->handles[family], count,
                                 slices.data(), values.data(), statuses.data());
                for (size_t index = 0; index < count; ++index) {
                  if (statuses[index].ok()) {
                    found(context, index, values[index].data(), values[index].size());
                  } else if (!statuses[index].IsNotFound()) {
                    return statuses[index];
                  }
                }
                return Status::OK();
              }),
              context, failed);
}

static std::shared_ptr<const Borders> borders_of(osdyno_db* db, size_t family) {
  rocksdb::ColumnFamilyHandle* handle = db->handles[family];
  uint64_t version = 0;
  db->db->GetIntProperty(handle, rocksdb::DB::Properties::kCurrentSuperVersionNumber, &version);
  std::lock_guard<std::mutex> guard(db->borders_lock);
  std::shared_ptr<const Borders>& kept = db->borders[family];
  if (kept == nullptr || kept->version != version) {
    auto made = std::make_shared<Borders>();
    made->version = version;
    rocksdb::ColumnFamilyMetaData facts;
    db->db->GetColumnFamilyMetaData(handle, &facts);
    for (const auto& level : facts.levels) {
      for (const auto& table : level.files) {
        if (level.level > 0) made->first_keys.push_back(table.smallestkey);
      }
    }
    std::sort(made->first_keys.begin(), made->first_keys.end());
    kept = made;
  }
  return kept;
}

static rocksdb::ReadOptions bounded(const osdyno_iterator& iterator) {
  rocksdb::ReadOptions options;
  if (!iterator.end.empty()) {
    options.iterate_upper_bound = &iterator.bound;
  }
  return options;
}

// An iterator of RocksDB 7.8.3 that walks from one table of a level to the next loses the error when the
// first block of that cannot be read, and goes on behind the level's tables. One that is sent to that
// block tells it: so every table that was walked over is gone to once, by every walk: a device may begin to
// fail at any time. Side by side with this left out, 200,000 keys of 420 bytes in tables of 64 MiB, 1 MiB and
// 64 KiB: walks of all take 1 to 3% more, scans of 10 and 100 keys 0 to 6%, by medians of ten rounds whose
// ratios lie on both sides of 1.
static Status walked_over(osdyno_iterator* iterator) {
  auto borders = borders_of(iterator->db, iterator->family);
  const std::vector<std::string>& keys = borders->first_keys;
  const std::string& behind = iterator->checked.empty() ? iterator->from : iterator->checked;
  auto next = std::upper_bound(keys.begin(), keys.end(), behind);
  std::unique_ptr<rocksdb::Iterator> other;
  for (; next != keys.end(); ++next) {
    bool inside = iterator->iterator->Valid()
                      ? Slice(*next).compare(iterator->iterator->key()) <= 0
                      : iterator->end.empty() || *next < iterator->end;
    if (!inside) {
      break;
    }
    if (other == nullptr) {
      rocksdb::ReadOptions options = bounded(*iterator);
      other.reset(iterator->db->db->NewIterator(options, iterator->db->handles[iterator->family]));
    }
    other->Seek(*next);
    if (!other->status().ok()) {
      return other->status();
    }
    iterator->checked = *next;
  }
  return Status::OK();
}

osdyno_iterator* osdyno_db_iterator(osdyno_db* db, size_t family, osdyno_bytes from,
                                    osdyno_bytes to) {
  auto made = std::make_unique<osdyno_iterator>();
  made->db = db;
  made->family = family;
  made->from = text_of(from);
  if (to.length > 0) {
    made->end = text_of(to);
    made->bound = Slice(made->end);
  }
  if (!db->broken.empty()) {
    made->broken = db->broken[family];
  }
  if (made->broken.ok()) {
    rocksdb::ReadOptions options = bounded(*made);
    made->iterator.reset(db->db->NewIterator(options, db->handles[family]));
    made->iterator->Seek(slice_of(from));
  }
  return made.release();
}

int osdyno_db_iterator_entry(osdyno_iterator* iterator, osdyno_bytes* key, osdyno_bytes* value) {
  if (iterator->iterator == nullptr || !iterator->iterator->Valid()) {
    return 0;
  }
  Slice found = iterator->iterator->key();
  *key = {found.data(), found.size()};
  found = iterator->iterator->value();
  *value = {found.data(), found.size()};
  return 1;
}

void osdyno_db_iterator_next(osdyno_iterator* iterator) {
  if (iterator->iterator != nullptr) iterator->iterator->Next();
}

int osdyno_db_iterator_status(osdyno_iterator* iterator, void* context, osdyno_text failed) {
  if (!iterator->broken.ok()) {
    return told(iterator->broken, context, failed);
  }
  Status status = iterator->iterator->status();
  return told(status.ok() ? walked_over(iterator) : status, context, failed);
}

void osdyno_db_iterator_free(osdyno_iterator* iterator) { delete iterator; }

int osdyno_db_flush(osdyno_db* db, void* context, osdyno_text failed) {
  rocksdb::FlushOptions options;
  options.allow_write_stall = true;
  return told(guarded([&] { return db->db->Flush(options, db->handles); }), context, failed);
}

int osdyno_db_compact(osdyno_db* db, void* context, osdyno_text failed) {
  return told(guarded([&] {
                for (auto* handle : db->handles) {
                  Status status = db->db->CompactRange(rocksdb::CompactRangeOptions(), handle,
                                                       nullptr, nullptr);
                  if (!status.ok()) {
                    return status;
                  }
                }
                return Status::OK();
              }),
              context, failed);
}

int osdyno_db_tidy(osdyno_db* db, uint64_t free_bytes, void* context, osdyno_text failed) {
  return told(guarded([&] {
                rocksdb::FlushOptions options;
                options.allow_write_stall = true;
                Status status = db->db->Flush(options, db->handles);
                for (auto* handle : db->handles) {
                  uint64_t bytes = 0;
                  bool known = db->db->GetIntProperty(
                      handle, rocksdb::DB::Properties::kTotalSstFilesSize, &bytes);
                  if (status.ok() && known && bytes > 0 && bytes <= free_bytes) {
                    status = db->db->CompactRange(rocksdb::CompactRangeOptions(), handle, nullptr,
                                                  nullptr);
                  }
                }
                return status;
              }),
              context, failed);
}

void osdyno_db_set_cache(osdyno_db* db, uint64_t bytes) { db->cache->SetCapacity(bytes); }

void osdyno_db_counters(osdyno_db* db, osdyno_counters* out) {
  *out = osdyno_counters{};
  out->flushes = db->counting->flushes;
  out->flush_bytes = db->counting->flush_bytes;
  out->compactions = db->counting->compactions;
  out->compaction_read_bytes = db->counting->read_bytes;
  out->compaction_write_bytes = db->counting->write_bytes;
  out->background_errors = db->counting->errors;
  out->cache_bytes = db->cache->GetUsage();
  out->cache_capacity = db->cache->GetCapacity();
  out->memtable_bytes = sum_of(db, rocksdb::DB::Properties::kCurSizeAllMemTables);
  out->table_bytes = sum_of(db, rocksdb::DB::Properties::kTotalSstFilesSize);
  out->table_reader_bytes = sum_of(db, rocksdb::DB::Properties::kEstimateTableReadersMem);
  out->pending_compaction_bytes =
      sum_of(db, rocksdb::DB::Properties::kEstimatePendingCompactionBytes);
  for (auto* handle : db->handles) {
    rocksdb::ColumnFamilyMetaData data;
    db->db->GetColumnFamilyMetaData(handle, &data);
    for (const auto& level : data.levels) {
      if (level.level < 8) {
        out->level_bytes[level.level] += level.size;
      }
    }
  }
}
}
