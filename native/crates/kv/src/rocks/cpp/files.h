// RocksDB's file system and log on BlueFS.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <memory>

std::shared_ptr<rocksdb::FileSystem> files_on(const void* fs);
// Keeps warnings and worse.
std::shared_ptr<rocksdb::Logger> logger_on(const void* fs);
