// Makes records out of lines: JSON objects (our JSON Lines, or anybody's) and plain text.
//
// JSON: the keys of record/json_lines.h become what they were; time, timestamp, @timestamp,
// message, severity and lvl are understood too; all other keys become fields. Text: the leading
// time (RFC 3339, or with a blank and a comma), level and [thread id] are understood where they
// stand; the logger is not, since nothing tells it from the message.
//
// Threading: single-owner. Memory: one made-up call site for each shape of line, at most
// kShapesMax; what is beyond has its fields in one JSON value. Lines are untrusted; none can fail.
#ifndef SLUICE_SRC_CLI_LINE_RECORD_H_
#define SLUICE_SRC_CLI_LINE_RECORD_H_

#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/entry.h"

namespace sluice::cli {

class LineRecord {
 public:
  static constexpr std::size_t kShapesMax = 8192;
  // A text longer than this is cut in the record made from a JSON line.
  static constexpr std::size_t kTextBytesMax = 192 * 1024;

  // `wall_ns`: of lines before the first that says its time.
  explicit LineRecord(i64 wall_ns) : last_wall_ns_(wall_ns) {}

  // Valid until the next call. nullptr: the line is no JSON object.
  [[nodiscard]] const Entry* from_json(std::string_view line);
  [[nodiscard]] const Entry& from_text(std::string_view line);

 private:
  struct Argument {
    ArgType type = ArgType::kString;
    u64 word = 0;
    std::string_view text;
    std::string_view name;
  };
  // What a line says besides its fields.
  struct Head {
    RecordKind kind = RecordKind::kLog;
    Level level = Level::info;
    MetricKind metric = MetricKind::kNone;
    std::string unit;
    std::string source;  // "a.cc:42"
    std::string logger;
    std::string message;
    std::string name;
    std::string thread;
    u32 tid = 0;
    u64 sequence = 0;
    u16 flags = 0;  // RecordFlag
  };

  void read_head(const nlohmann::ordered_json& object, Head& head);
  void add_arguments(const nlohmann::ordered_json& object, const Head& head);
  void add_fields(const nlohmann::ordered_json& object);
  void add_value(std::string_view name, const nlohmann::ordered_json& value);
  [[nodiscard]] std::string_view keep(std::string text);
  [[nodiscard]] bool has_summary() const;
  [[nodiscard]] const Site& site_of(const Head& head);
  [[nodiscard]] bool encode(const Site& site, const Head& head);
  void pack_fields();
  const Entry& finish(const Site& site, const Head& head, i64 wall_ns);

  i64 last_wall_ns_;
  std::map<std::string, std::unique_ptr<Site>, std::less<>> shapes_;
  std::vector<Argument> arguments_;
  std::size_t first_field_ = 0;   // in arguments_
  std::deque<std::string> kept_;  // texts of the current record; addresses stay
  std::vector<std::byte> bytes_;
  std::vector<std::byte> context_;
  std::size_t context_bytes_ = 0;
  std::string logger_;
  std::string thread_;
  RunInfo run_;
  RecordView view_;
  std::optional<Entry> entry_;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_LINE_RECORD_H_
