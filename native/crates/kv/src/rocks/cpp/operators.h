// Merge operators by the prefix of the key.
#pragma once

#include <rocksdb/merge_operator.h>

#include <map>
#include <memory>
#include <string>

enum class Combine { xor_bytes = 1, add_int64 = 2 };

// The operator of a family: keys bear their prefix and a zero byte in front. `own`: the prefix of
// all its keys; empty: any. `null`: none of its keys is ever merged.
std::shared_ptr<rocksdb::MergeOperator> operator_for(const std::map<std::string, Combine>& kinds,
                                                     const std::string& own);
