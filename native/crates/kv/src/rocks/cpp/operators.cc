#include "operators.h"

namespace {

void combine(Combine kind, const rocksdb::Slice& operand, std::string* value) {
  if (value->size() < operand.size()) {
    value->resize(operand.size());
  }
  // A shorter one counts as followed by zeroes. Sums are made byte by byte, so that neither
  // alignment nor the byte order of the machine matters; the carry ends with each integer.
  unsigned carry = 0;
  for (size_t at = 0; at < value->size(); ++at) {
    unsigned own = static_cast<unsigned char>((*value)[at]);
    unsigned other = at < operand.size() ? static_cast<unsigned char>(operand[at]) : 0;
    if (kind == Combine::xor_bytes) {
      (*value)[at] = static_cast<char>(own ^ other);
      continue;
    }
    carry = at % 8 == 0 ? 0 : carry;
    unsigned sum = own + other + carry;
    (*value)[at] = static_cast<char>(sum);
    carry = sum >> 8;
  }
}

class ByPrefix : public rocksdb::AssociativeMergeOperator {
 public:
  explicit ByPrefix(const std::map<std::string, Combine>& kinds) : kinds_(kinds) {}

  bool Merge(const rocksdb::Slice& key, const rocksdb::Slice* existing,
             const rocksdb::Slice& operand, std::string* value,
             rocksdb::Logger*) const override {
    auto found = kinds_.find(prefix_of(key));
    if (found == kinds_.end()) {
      return false;
    }
    value->clear();
    if (existing != nullptr) {
      value->assign(existing->data(), existing->size());
      combine(found->second, operand, value);
    } else {
      value->assign(operand.data(), operand.size());
    }
    return true;
  }

  // RocksDB remembers the name and refuses another.
  const char* Name() const override { return "osdyno.by-prefix"; }

 private:
  static std::string prefix_of(const rocksdb::Slice& key) {
    std::string text = key.ToString();
    return text.substr(0, text.find('\0'));
  }

  const std::map<std::string, Combine> kinds_;
};

}  // namespace

std::shared_ptr<rocksdb::MergeOperator> operator_for(const std::map<std::string, Combine>& kinds,
                                                     const std::string& own) {
  if (!own.empty() && kinds.find(own) == kinds.end()) {
    return nullptr;
  }
  return std::make_shared<ByPrefix>(kinds);
}
