// Syslog lines, as RFC 5424 and RFC 3164 and the usual files (/var/log/syslog) have them.
#include <array>
#include <charconv>

#include "base/characters.h"
#include "cli/import_line.h"
#include "cli/line_level.h"
#include "record/escape.h"
#include "record/filter.h"
#include "record/time_text.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kNameBytesMax = 255;
constexpr i64 kDayNs = 86'400 * kNsPerSecond;

bool is_number(std::string_view text) {
  if (text.empty() || text.size() > 18 || (text.size() > 1 && text[0] == '0')) return false;
  for (const char c : text) {
    if (!is_digit(c)) return false;
  }
  return true;
}

// Up to the blank, which goes too.
std::string_view take_word(std::string_view& rest) {
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  return word;
}

// <0> to <191>; what is behind it is left.
std::optional<int> take_priority(std::string_view& rest) {
  if (!rest.starts_with('<')) return std::nullopt;
  const std::size_t end = rest.substr(0, 5).find('>');
  if (end == std::string_view::npos) return std::nullopt;
  int number = 0;
  const auto read = std::from_chars(rest.data() + 1, rest.data() + end, number);
  if (read.ec != std::errc() || read.ptr != rest.data() + end || number < 0 || number > 191) {
    return std::nullopt;
  }
  rest.remove_prefix(end + 1);
  return number;
}

// "Nov  2 10:00:00 " without a year: the last such day before a day after `near_ns`, in UTC.
std::optional<i64> take_bsd_time(std::string_view& rest, i64 near_ns) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (rest.size() < 16 || rest[3] != ' ' || rest[6] != ' ' || rest[15] != ' ') return std::nullopt;
  const std::size_t month = kMonths.find(rest.substr(0, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  const auto two = [&](std::size_t at) -> int {
    const char tens = rest[at] == ' ' ? '0' : rest[at];
    if (!is_digit(tens) || !is_digit(rest[at + 1])) return -1;
    return (tens - '0') * 10 + rest[at + 1] - '0';
  };
  const int day = two(4), hour = two(7), minute = two(10), second = two(13);
  if (day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60 || rest[9] != ':' || rest[12] != ':') {
    return std::nullopt;
  }
  const i64 near_day = near_ns / kDayNs;
  i64 year = date_of_days(near_day).year;
  const auto day_of = [&](i64 in) { return days_of_date(in, u32(month / 3 + 1), u32(day)); };
  if (day_of(year) > near_day + 1) --year;
  rest.remove_prefix(16);
  return day_of(year) * kDayNs + (i64{hour} * 3600 + minute * 60 + second) * kNsPerSecond;
}

// "prog[123]: " or "prog: "; false when it is neither.
bool take_tag(std::string_view& rest, bool needs_pid, std::string_view& name,
              std::string_view& pid) {
  const std::size_t end = rest.substr(0, kNameBytesMax).find_first_of("[: ");
  if (end == std::string_view::npos || end == 0 || rest[end] == ' ') return false;
  name = rest.substr(0, end);
  std::string_view after = rest.substr(end);
  if (after[0] == '[') {
    const std::size_t close = after.substr(0, 32).find(']');
    if (close == std::string_view::npos) return false;
    pid = after.substr(1, close - 1);
    after.remove_prefix(close + 1);
  } else if (needs_pid) {
    return false;
  }
  if (!after.starts_with(':')) return false;
  after.remove_prefix(1);
  if (after.starts_with(' ')) after.remove_prefix(1);
  rest = after;
  return true;
}

}  // namespace

bool ImportLines::parse_syslog(std::string_view line, ImportedLog& to) {
  std::string_view rest = line;
  const auto priority = take_priority(rest);
  if (priority) to.row.severity = i64(line_level(line).value_or(Level::info));
  if (priority && rest.starts_with("1 ") && parse_rfc5424(rest.substr(2), to)) return true;
  if (parse_rfc3164(rest, priority.has_value(), to)) return true;
  to = {};
  return false;
}

bool ImportLines::parse_rfc5424(std::string_view rest, ImportedLog& to) {
  const std::string_view time = take_word(rest), host = take_word(rest), app = take_word(rest),
                         pid = take_word(rest), id = take_word(rest);
  if (app.empty() || id.empty()) return false;
  std::optional<i64> wall_ns;
  if (time != "-") {
    const Result<i64> read = parse_time(time, 0);
    if (!read.ok() || time.find('T') == std::string_view::npos) return false;
    wall_ns = read.value();
  }
  std::string attributes;
  if (host != "-") add_attribute(attributes, "host", stored_json(host));
  if (pid != "-")
    add_attribute(attributes, "pid", is_number(pid) ? std::string(pid) : stored_json(pid));
  if (id != "-") add_attribute(attributes, "msgid", stored_json(id));
  if (rest.starts_with('-')) {
    rest.remove_prefix(1);
  } else {
    // [id name="value" ...]: \" \\ and \] are escaped in values.
    while (rest.starts_with('[')) {
      std::size_t at = rest.find_first_of(" ]");
      if (at == std::string_view::npos) return false;
      const std::string name(rest.substr(1, at - 1));
      std::string fields;
      while (at < rest.size() && rest[at] == ' ') {
        const std::size_t equals = rest.find("=\"", at);
        if (equals == std::string_view::npos) return false;
        const std::string_view key = rest.substr(at + 1, equals - at - 1);
        std::string value;
        for (at = equals + 2; at < rest.size() && rest[at] != '"'; ++at) {
          if (rest[at] == '\\' && at + 1 < rest.size() &&
              std::string_view("\"\\]").find(rest[at + 1]) != std::string_view::npos) {
            ++at;
          }
          value += rest[at];
        }
        if (at >= rest.size()) return false;
        ++at;
        add_attribute(fields, escaped(TextForm::kJson, stored_text(key)), stored_json(value));
      }
      if (at >= rest.size() || rest[at] != ']') return false;
      add_attribute(attributes, escaped(TextForm::kJson, stored_text(name)),
                    fields.empty() ? "{}" : fields + "}");
      rest.remove_prefix(at + 1);
    }
  }
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
  set_time(wall_ns, to.row.time_ns);
  to.row.logger = app == "-" ? std::string() : stored_text(app);
  to.row.body = stored_text(rest);
  if (!attributes.empty()) to.row.attributes = attributes + "}";
  return true;
}

// Also with the RFC 3339 time of today's files; then only with a pid: other logs look much the
// same.
bool ImportLines::parse_rfc3164(std::string_view rest, bool has_priority, ImportedLog& to) {
  std::optional<i64> wall_ns = take_bsd_time(rest, file_ns_);
  const bool bsd = wall_ns.has_value();
  if (!bsd && rest.size() > 20 && is_digit(rest[0]) && rest[4] == '-' && rest[10] == 'T') {
    const Result<i64> read = parse_time(take_word(rest), 0);
    if (!read.ok()) return false;
    wall_ns = read.value();
  }
  if (!wall_ns && !has_priority) return false;
  std::string_view host, name, pid;
  if (wall_ns) host = take_word(rest);
  const bool has_tag = take_tag(rest, !bsd && !has_priority, name, pid);
  if (!has_tag && !has_priority && !bsd) return false;
  if (wall_ns && host.empty()) return false;
  set_time(wall_ns, to.row.time_ns);
  std::string attributes;
  if (!host.empty()) add_attribute(attributes, "host", stored_json(host));
  if (!pid.empty())
    add_attribute(attributes, "pid", is_number(pid) ? std::string(pid) : stored_json(pid));
  to.row.logger = stored_text(name);
  to.row.body = stored_text(rest);
  if (!has_priority) to.row.severity = i64(line_level(rest).value_or(Level::info));
  if (!attributes.empty()) to.row.attributes = attributes + "}";
  return true;
}

}  // namespace sluice::cli
