// What Rust and C++ know of each other. Functions of `osdyno_fs_` are written in Rust: the files
// that RocksDB works on. Functions of `osdyno_db_` are written here. No exception and no panic
// crosses.
//
// Results are 0 or a positive errno unless said otherwise. Text is not terminated by a zero.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// Files. `fs` is a mounted BlueFS.
int osdyno_fs_open_read(const void* fs, const char* path, size_t length, void** reader);
// Whether the blocks that describe a table are whole: 0, EBADMSG, or what reading says.
int osdyno_fs_check_table(const void* reader);
// Bytes read, fewer only at the end of the file, or a negative errno.
int64_t osdyno_fs_read(void* reader, uint64_t offset, char* into, size_t length);
void osdyno_fs_close_read(void* reader);
int osdyno_fs_open_write(const void* fs, const char* path, size_t length, int append,
                         void** writer);
int osdyno_fs_append(void* writer, const char* bytes, size_t length);
int osdyno_fs_sync(void* writer);
int osdyno_fs_truncate(void* writer, uint64_t size);
int osdyno_fs_preallocate(void* writer, uint64_t size);
uint64_t osdyno_fs_writer_size(void* writer);
// Also frees the writer.
int osdyno_fs_close_write(void* writer);
int osdyno_fs_stat(const void* fs, const char* path, size_t length, uint64_t* size,
                   uint64_t* mtime_ns, int* directory);
int osdyno_fs_list(const void* fs, const char* path, size_t length, void* context,
                   void (*found)(void* context, const char* name, size_t length));
int osdyno_fs_unlink(const void* fs, const char* path, size_t length);
int osdyno_fs_mkdir(const void* fs, const char* path, size_t length);
int osdyno_fs_rmdir(const void* fs, const char* path, size_t length);
int osdyno_fs_rename(const void* fs, const char* from, size_t from_length, const char* to,
                     size_t to_length);
// Makes all names durable.
int osdyno_fs_sync_names(const void* fs);
int osdyno_fs_lock(const void* fs, const char* path, size_t length);
void osdyno_fs_unlock(const void* fs, const char* path, size_t length);
uint64_t osdyno_fs_free(const void* fs);
// A line for the log; `level` is RocksDB's.
void osdyno_fs_log(const void* fs, int level, const char* text, size_t length);

struct osdyno_db;
struct osdyno_batch;
struct osdyno_iterator;

struct osdyno_bytes {
  const char* data;
  size_t length;
};

// A column family to open. `prefix` is that of all its keys; empty: any.
struct osdyno_family {
  osdyno_bytes name;
  osdyno_bytes options;
  osdyno_bytes prefix;
};

// `kind`: 1 xor, 2 addition of little-endian 64-bit integers.
struct osdyno_operator {
  osdyno_bytes prefix;
  int kind;
};

struct osdyno_path {
  osdyno_bytes path;
  uint64_t target_bytes;
};

struct osdyno_open {
  const void* fs;
  int create;
  int read_only;
  osdyno_bytes options;
  const osdyno_family* families;
  size_t family_count;
  const osdyno_operator* operators;
  size_t operator_count;
  const osdyno_path* paths;
  size_t path_count;
  uint64_t cache_bytes;
  double bloom_bits;
  uint64_t block_bytes;
};

// Takes text; called at most once per failing call.
typedef void (*osdyno_text)(void* context, const char* text, size_t length);
// Takes a value; `index` counts keys.
typedef void (*osdyno_value)(void* context, size_t index, const char* bytes, size_t length);

osdyno_db* osdyno_db_open(const osdyno_open* open, void* context, osdyno_text failed);
void osdyno_db_close(osdyno_db* db);

osdyno_batch* osdyno_db_batch();
void osdyno_db_batch_free(osdyno_batch* batch);
void osdyno_db_batch_clear(osdyno_batch* batch);
size_t osdyno_db_batch_bytes(const osdyno_batch* batch);
int osdyno_db_put(osdyno_db* db, osdyno_batch* batch, size_t family, osdyno_bytes key,
                  osdyno_bytes value);
int osdyno_db_delete(osdyno_db* db, osdyno_batch* batch, size_t family, osdyno_bytes key);
int osdyno_db_delete_range(osdyno_db* db, osdyno_batch* batch, size_t family, osdyno_bytes from,
                           osdyno_bytes to);
int osdyno_db_merge(osdyno_db* db, osdyno_batch* batch, size_t family, osdyno_bytes key,
                    osdyno_bytes value);
int osdyno_db_write(osdyno_db* db, osdyno_batch* batch, int sync, void* context,
                    osdyno_text failed);

// 0 found, ENOENT, or another errno.
int osdyno_db_get(osdyno_db* db, size_t family, osdyno_bytes key, void* context,
                  osdyno_value found, osdyno_text failed);
// Calls `found` for each key that there is, in order of `keys`.
int osdyno_db_multi_get(osdyno_db* db, size_t family, const osdyno_bytes* keys, size_t count,
                        void* context, osdyno_value found, osdyno_text failed);

// From `from` on, up to but without `to` (empty: no end). Positioned at the first entry.
osdyno_iterator* osdyno_db_iterator(osdyno_db* db, size_t family, osdyno_bytes from,
                                    osdyno_bytes to);
// 1 at an entry, 0 at the end.
int osdyno_db_iterator_entry(osdyno_iterator* iterator, osdyno_bytes* key, osdyno_bytes* value);
void osdyno_db_iterator_next(osdyno_iterator* iterator);
int osdyno_db_iterator_status(osdyno_iterator* iterator, void* context, osdyno_text failed);
void osdyno_db_iterator_free(osdyno_iterator* iterator);

/* Memtables become tables; column families that fit into free_bytes beside themselves are written anew. */
int osdyno_db_tidy(osdyno_db* db, uint64_t free_bytes, void* context, osdyno_text failed);
int osdyno_db_flush(osdyno_db* db, void* context, osdyno_text failed);
int osdyno_db_compact(osdyno_db* db, void* context, osdyno_text failed);
void osdyno_db_set_cache(osdyno_db* db, uint64_t bytes);

struct osdyno_counters {
  uint64_t flushes;
  uint64_t flush_bytes;
  uint64_t compactions;
  uint64_t compaction_read_bytes;
  uint64_t compaction_write_bytes;
  uint64_t cache_bytes;
  uint64_t cache_capacity;
  uint64_t memtable_bytes;
  uint64_t table_bytes;
  uint64_t table_reader_bytes;
  uint64_t pending_compaction_bytes;
  uint64_t background_errors;
  uint64_t level_bytes[8];
};
void osdyno_db_counters(osdyno_db* db, osdyno_counters* counters);
}
