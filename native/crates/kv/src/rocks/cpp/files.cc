// RocksDB's file system on BlueFS.
#include "files.h"

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "binding.h"

namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus status_of(int error, const std::string& what) {
  switch (error) {
    case 0:
      return IOStatus::OK();
    case ENOENT:
      return IOStatus::NotFound(what);
    case ENOSPC:
      return IOStatus::NoSpace(what);
    case EBADMSG:
      return IOStatus::Corruption(what);
    default:
      return IOStatus::IOError(what, std::strerror(error));
  }
}

// Of a read. RocksDB asserts that an identity file that cannot be read failed with an I/O error.
IOStatus read_status(int error, const std::string& path) {
  constexpr std::string_view identity = "/IDENTITY";
  bool names_database = path.size() >= identity.size() &&
                        path.compare(path.size() - identity.size(), identity.size(), identity) == 0;
  return status_of(names_database && error == EBADMSG ? EIO : error, path);
}

class Reader {
 public:
  Reader(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  Reader(const Reader&) = delete;
  ~Reader() { osdyno_fs_close_read(handle_); }

  IOStatus read(uint64_t offset, size_t length, Slice* result, char* into) const {
    int64_t count = osdyno_fs_read(handle_, offset, into, length);
    *result = Slice(into, count < 0 ? 0 : static_cast<size_t>(count));
    return count < 0 ? read_status(static_cast<int>(-count), path_) : IOStatus::OK();
  }

 private:
  void* handle_;
  std::string path_;
};

class Sequential : public rocksdb::FSSequentialFile {
 public:
  Sequential(void* handle, const std::string& path) : reader_(handle, path) {}

  IOStatus Read(size_t length, const IOOptions&, Slice* result, char* into,
                IODebugContext*) override {
    IOStatus status = reader_.read(at_, length, result, into);
    at_ += result->size();
    return status;
  }

  IOStatus Skip(uint64_t length) override {
    at_ += length;
    return IOStatus::OK();
  }

 private:
  Reader reader_;
  uint64_t at_ = 0;
};

class RandomAccess : public rocksdb::FSRandomAccessFile {
 public:
  RandomAccess(void* handle, const std::string& path) : reader_(handle, path) {}

  IOStatus Read(uint64_t offset, size_t length, const IOOptions&, Slice* result, char* into,
                IODebugContext*) const override {
    return reader_.read(offset, length, result, into);
  }

  // Makes RocksDB read ahead by itself.
  IOStatus Prefetch(uint64_t, size_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::NotSupported("prefetch");
  }

 private:
  Reader reader_;
};

class Writable : public rocksdb::FSWritableFile {
 public:
  Writable(void* handle, std::string path, const FileOptions& options)
      : rocksdb::FSWritableFile(options), handle_(handle), path_(std::move(path)) {}
  ~Writable() override { (void)close(); }

  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    return status_of(osdyno_fs_append(handle_, data.data(), data.size()), path_);
  }
  // Small pieces wait for the next sync: without one nothing is promised.
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    return status_of(osdyno_fs_sync(handle_), path_);
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    // RocksDB also asks for this before it closes a file, to cut off padding that is not there.
    if (size == osdyno_fs_writer_size(handle_)) {
      return IOStatus::OK();
    }
    return status_of(osdyno_fs_truncate(handle_, size), path_);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return close(); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    return osdyno_fs_writer_size(handle_);
  }
  // Space in advance is a kindness: a device that is nearly full must not fail for want of it.
  IOStatus Allocate(uint64_t offset, uint64_t length, const IOOptions&,
                    IODebugContext*) override {
    int error = osdyno_fs_preallocate(handle_, offset + length);
    return status_of(error == ENOSPC ? 0 : error, path_);
  }

 private:
  IOStatus close() {
    if (handle_ == nullptr) {
      return IOStatus::OK();
    }
    return status_of(osdyno_fs_close_write(std::exchange(handle_, nullptr)), path_);
  }

  void* handle_;
  std::string path_;
};

class Directory : public rocksdb::FSDirectory {
 public:
  explicit Directory(const void* fs) : fs_(fs) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return status_of(osdyno_fs_sync_names(fs_), "directory");
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  const void* fs_;
};

class Lock : public rocksdb::FileLock {
 public:
  explicit Lock(std::string path) : path(std::move(path)) {}
  const std::string path;
};

class Files : public rocksdb::FileSystem {
 public:
  explicit Files(const void* fs) : fs_(fs) {}
  const char* Name() const override { return "bluefs"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* file,
                             IODebugContext*) override {
    void* handle = nullptr;
    int error = osdyno_fs_open_read(fs_, path.data(), path.size(), &handle);
    if (error == 0) {
      *file = std::make_unique<Sequential>(handle, path);
    }
    return read_status(error, path);
  }

  // Only tables are read in places.
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                               IODebugContext*) override {
    void* handle = nullptr;
    int error = osdyno_fs_open_read(fs_, path.data(), path.size(), &handle);
    if (error != 0) {
      return status_of(error, path);
    }
    auto opened = std::make_unique<RandomAccess>(handle, path);
    error = osdyno_fs_check_table(handle);
    if (error == 0) {
      *file = std::move(opened);
    }
    return status_of(error, error == EBADMSG ? "what describes table " + path + " is damaged" : path);
  }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext*) override {
    return open(path, options, false, file);
  }

  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              IODebugContext*) override {
    return open(path, options, true, file);
  }

  // BlueFS hands the space of removed write-ahead logs on by itself.
  IOStatus ReuseWritableFile(const std::string& path, const std::string& old,
                             const FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext*) override {
    int error = osdyno_fs_unlink(fs_, old.data(), old.size());
    return error == 0 ? open(path, options, false, file) : status_of(error, old);
  }

  IOStatus NewDirectory(const std::string&, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* directory,
                        IODebugContext*) override {
    *directory = std::make_unique<Directory>(fs_);
    return IOStatus::OK();
  }

  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    return stat(path, nullptr, nullptr, nullptr);
  }

  IOStatus GetChildren(const std::string& path, const IOOptions&,
                       std::vector<std::string>* names, IODebugContext*) override {
    names->clear();
    auto found = [](void* context, const char* name, size_t length) {
      static_cast<std::vector<std::string>*>(context)->emplace_back(name, length);
    };
    return status_of(osdyno_fs_list(fs_, path.data(), path.size(), names, found), path);
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return status_of(osdyno_fs_unlink(fs_, path.data(), path.size()), path);
  }

  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return status_of(osdyno_fs_mkdir(fs_, path.data(), path.size()), path);
  }

  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&,
                              IODebugContext*) override {
    int directory = 0;
    if (stat(path, nullptr, nullptr, &directory).ok() && directory != 0) {
      return IOStatus::OK();
    }
    return status_of(osdyno_fs_mkdir(fs_, path.data(), path.size()), path);
  }

  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return status_of(osdyno_fs_rmdir(fs_, path.data(), path.size()), path);
  }

  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* size,
                       IODebugContext*) override {
    return stat(path, size, nullptr, nullptr);
  }

  IOStatus GetFileModificationTime(const std::string& path, const IOOptions&, uint64_t* seconds,
                                   IODebugContext*) override {
    uint64_t nanoseconds = 0;
    IOStatus status = stat(path, nullptr, &nanoseconds, nullptr);
    *seconds = nanoseconds / 1000000000;
    return status;
  }

  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    int error = osdyno_fs_rename(fs_, from.data(), from.size(), to.data(), to.size());
    return status_of(error, from);
  }

  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock,
                    IODebugContext*) override {
    int error = osdyno_fs_lock(fs_, path.data(), path.size());
    *lock = error == 0 ? new Lock(path) : nullptr;
    return status_of(error, path);
  }

  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    auto held = std::unique_ptr<Lock>(static_cast<Lock*>(lock));
    osdyno_fs_unlock(fs_, held->path.data(), held->path.size());
    return IOStatus::OK();
  }

  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    *path = "test";
    return IOStatus::OK();
  }

  IOStatus NewLogger(const std::string&, const IOOptions&,
                     std::shared_ptr<rocksdb::Logger>* logger, IODebugContext*) override {
    *logger = logger_on(fs_);
    return IOStatus::OK();
  }

  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* absolute,
                           IODebugContext*) override {
    *absolute = path;
    return IOStatus::OK();
  }

  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is,
                       IODebugContext*) override {
    int directory = 0;
    IOStatus status = stat(path, nullptr, nullptr, &directory);
    *is = directory != 0;
    return status;
  }

  IOStatus GetFreeSpace(const std::string&, const IOOptions&, uint64_t* bytes,
                        IODebugContext*) override {
    *bytes = osdyno_fs_free(fs_);
    return IOStatus::OK();
  }

 private:
  IOStatus stat(const std::string& path, uint64_t* size, uint64_t* mtime_ns, int* directory) {
    uint64_t found_size = 0;
    uint64_t found_mtime = 0;
    int found_directory = 0;
    int error = osdyno_fs_stat(fs_, path.data(), path.size(), &found_size, &found_mtime,
                               &found_directory);
    if (size != nullptr) *size = found_size;
    if (mtime_ns != nullptr) *mtime_ns = found_mtime;
    if (directory != nullptr) *directory = found_directory;
    return status_of(error, path);
  }

  IOStatus open(const std::string& path, const FileOptions& options, bool append,
                std::unique_ptr<rocksdb::FSWritableFile>* file) {
    void* handle = nullptr;
    int error = osdyno_fs_open_write(fs_, path.data(), path.size(), append ? 1 : 0, &handle);
    if (error == 0) {
      *file = std::make_unique<Writable>(handle, path, options);
    }
    return status_of(error, path);
  }

  const void* fs_;
};

class Lines : public rocksdb::Logger {
 public:
  explicit Lines(const void* fs) : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL), fs_(fs) {}
  using rocksdb::Logger::Logv;
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level < GetInfoLogLevel()) {
      return;
    }
    char text[1024];
    int length = vsnprintf(text, sizeof text, format, arguments);
    if (length > 0) {
      size_t kept = std::min(static_cast<size_t>(length), sizeof text - 1);
      osdyno_fs_log(fs_, static_cast<int>(level), text, kept);
    }
  }
  void Logv(const char*, va_list) override {}

 private:
  const void* fs_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> files_on(const void* fs) {
  return std::make_shared<Files>(fs);
}

std::shared_ptr<rocksdb::Logger> logger_on(const void* fs) { return std::make_shared<Lines>(fs); }
