// A call site's definition in decoded form, and the dictionary that holds many of them.
//
// Threading: values; a Dictionary is thread-compatible. decode_site() takes untrusted bytes and
// accepts only what encode_site() could have written. Layout: sluice/detail/site_format.h.
#ifndef SLUICE_SRC_RECORD_SITE_H_
#define SLUICE_SRC_RECORD_SITE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "record/format.h"
#include "sluice/level.h"

namespace sluice {

struct Argument {
  ArgType type = ArgType::kU64;
  std::string name;  // empty = positional
};

struct Site {
  u32 id = 0;
  u32 line = 0;
  RecordKind kind = RecordKind::kLog;
  Level level = Level::info;
  u8 flags = 0;  // SiteFlag
  MetricKind metric = MetricKind::kNone;
  std::string logger;  // dotted name; empty is the root logger
  std::string file;
  std::string function;
  std::string format;               // log: fmt-syntax text; event, metric: the name
  std::string unit;                 // metric
  std::vector<Argument> arguments;  // hidden ones (SiteFlag) first

  // How many leading arguments are hidden from the message and the fields.
  [[nodiscard]] u32 hidden_arguments() const { return detail::hidden_arguments(flags); }
};

// Names as they stand in output: "event", "gauge".
[[nodiscard]] std::string_view kind_name(RecordKind kind);
[[nodiscard]] std::string_view metric_name(MetricKind kind);

[[nodiscard]] Result<Site> decode_site(ByteView untrusted);
[[nodiscard]] std::vector<std::byte> encode_site(const Site& site);

// Sites by id. Addresses of sites stay valid until clear() or destruction.
class Dictionary {
 public:
  // Replaces an earlier definition of the same id only when it differs.
  const Site& add(Site site);
  // nullptr when the id is not defined.
  [[nodiscard]] const Site* find(u32 id) const {
    return id < by_id_.size() ? by_id_[id].get() : nullptr;
  }
  [[nodiscard]] std::size_t size() const { return count_; }
  void clear();

 private:
  std::vector<std::unique_ptr<Site>> by_id_;
  std::vector<std::unique_ptr<Site>> replaced_;  // kept: a reader may hold their address
  std::size_t count_ = 0;
};

// Ids come from untrusted bytes: a definition above this is refused.
inline constexpr u32 kSiteIdMax = 1u << 20;

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_SITE_H_
