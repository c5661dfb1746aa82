// Reading a record that nobody vouches for.
//
// parse() checks a record against its site once; after that every accessor is a load. A RecordView
// points into the bytes it was given and into the site; both must outlive it. No allocation.
//
// Threading: values over memory that must not change meanwhile (a sink copies a batch first).
// Invariant: nothing outside the first header().size() bytes is ever read, whatever they hold.
// Failure: parse() says false; the out parameter is then not to be used.
// Layout: record/format.h and docs/formats/record.md.
#ifndef SLUICE_SRC_RECORD_DECODE_H_
#define SLUICE_SRC_RECORD_DECODE_H_

#include <string_view>

#include "base/bytes.h"
#include "record/field_block.h"
#include "record/format.h"
#include "record/site.h"
#include "record/value.h"

namespace sluice {

class RecordView {
 public:
  // Takes the first record of `untrusted`; bytes behind it are ignored.
  [[nodiscard]] static bool parse(ByteView untrusted, const Site& site, RecordView& out);

  [[nodiscard]] RecordHeader header() const { return load<RecordHeader>(at_); }
  [[nodiscard]] ByteView bytes() const { return {at_, header().size()}; }
  [[nodiscard]] const Site& site() const { return *site_; }

  // Arguments, hidden ones included. The ones to show are [first_visible(), arguments()).
  [[nodiscard]] u32 arguments() const { return arguments_; }
  [[nodiscard]] u32 first_visible() const { return first_visible_; }
  [[nodiscard]] ArgType type(u32 argument) const { return site_->arguments[argument].type; }
  [[nodiscard]] u64 word(u32 argument) const {
    return load<u64>(at_ + kRecordHeaderBytes + std::size_t{argument} * 8);
  }
  // Only for an argument whose type has_tail().
  [[nodiscard]] std::string_view text(u32 argument) const {
    return {reinterpret_cast<const char*>(at_) + tail_at_[argument], std::size_t(word(argument))};
  }
  [[nodiscard]] Value value(u32 argument) const {
    const ArgType kind = type(argument);
    return {kind, word(argument), has_tail(kind) ? text(argument) : std::string_view{}};
  }

  // The hidden arguments. logger_id() is 0 (the root) when the site's logger is fixed.
  [[nodiscard]] u32 logger_id() const {
    return (site_->flags & SiteFlag::kLoggerIsFirstArg) ? u32(word(0)) : 0;
  }
  // The name of an event or metric: the hidden argument, otherwise the site's format.
  [[nodiscard]] std::string_view name() const {
    if (site_->flags & SiteFlag::kNameIsFirstArg) {
      return text((site_->flags & SiteFlag::kLoggerIsFirstArg) ? 1 : 0);
    }
    return site_->format;
  }
  // The unit of a metric: the hidden argument, otherwise the site's; empty: none.
  [[nodiscard]] std::string_view unit() const {
    if (site_->flags & SiteFlag::kUnitIsNextArg) return text(first_visible_ - 1);
    return site_->unit;
  }

  // Scoped context; empty when the record carries none.
  [[nodiscard]] FieldBlock context() const { return context_; }

 private:
  const std::byte* at_ = nullptr;
  const Site* site_ = nullptr;
  u32 arguments_ = 0;
  u32 first_visible_ = 0;
  FieldBlock context_;
  u32 tail_at_[detail::kSiteArgumentsMax];  // set for arguments with a tail only
};

// Splits bytes that should be whole records one after the other.
class RecordRun {
 public:
  explicit RecordRun(ByteView untrusted) : rest_(untrusted) {}

  // False at the end, at padding (site 0), and at bytes that are no record: then broken() is true.
  [[nodiscard]] bool next(ByteView& record);
  [[nodiscard]] bool broken() const { return broken_; }
  // What has not been handed out.
  [[nodiscard]] ByteView rest() const { return rest_; }

 private:
  ByteView rest_;
  bool broken_ = false;
};

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_DECODE_H_
