// A batch of the journal in private memory: its header, its threads, its records with sequences.
//
// Threading: a view; single-owner. The bytes were checked by JournalReader::read(); the records in
// them are still untrusted.
#ifndef SLUICE_SRC_BACK_BATCH_H_
#define SLUICE_SRC_BACK_BATCH_H_

#include <span>

#include "base/bytes.h"
#include "record/format.h"
#include "ring/journal.h"

namespace sluice {

struct BatchRecord {
  u64 sequence = 0;
  ByteView bytes;

  [[nodiscard]] RecordHeader header() const { return load<RecordHeader>(bytes.data()); }
};

class BatchView {
 public:
  explicit BatchView(const char* bytes) : header_(load<BatchHeader>(bytes)), bytes_(bytes) {}

  [[nodiscard]] const BatchHeader& header() const { return header_; }
  [[nodiscard]] u64 first_sequence() const { return header_.first_sequence; }
  [[nodiscard]] u64 next_sequence() const { return header_.first_sequence + header_.records; }
  [[nodiscard]] BatchThread thread(u32 index) const {
    return load<BatchThread>(bytes_ + sizeof(BatchHeader) + index * sizeof(BatchThread));
  }
  // The thread of a record's slot; false when the batch does not name it.
  [[nodiscard]] bool find_thread(u16 slot, BatchThread& out) const {
    for (u32 i = 0; i < header_.threads; ++i) {
      out = thread(i);
      if (out.slot == slot) return true;
    }
    return false;
  }

  // Calls each(BatchRecord) for every record with a sequence of at least `from`, in order, until it
  // returns false. False when it did, or when what follows is no record.
  template <class F>
  bool for_each(u64 from, F&& each) const {
    const char* at = bytes_ + header_.bytes - header_.record_bytes;
    u64 left = header_.record_bytes;
    for (u32 i = 0; i < header_.records; ++i) {
      if (left < kRecordHeaderBytes) return false;
      const u32 size = load<RecordHeader>(at).size();
      if (size < kRecordHeaderBytes || size > left) return false;
      const u64 sequence = header_.first_sequence + i;
      if (sequence >= from &&
          !each(BatchRecord{sequence, {reinterpret_cast<const std::byte*>(at), size}})) {
        return false;
      }
      at += size;
      left -= size;
    }
    return true;
  }

 private:
  BatchHeader header_;
  const char* bytes_;
};

// The slot of records that belong to no thread, or to one that has ended.
inline constexpr u16 kEngineSlot = 0x0fff;

// Whether a caller wrote this record (it counts in the totals), rather than the engine.
[[nodiscard]] inline bool from_caller(u32 site) {
  return site == kSiteUnknown || site >= kSiteFirstCaller;
}

// Batches that follow each other in the journal, at least one.
using Batches = std::span<const BatchView>;

}  // namespace sluice

#endif  // SLUICE_SRC_BACK_BATCH_H_
