// The shim for spdlog: patterns. Times are local unless a formatter is made for UTC.
//
// Threading: a formatter belongs to one sink, whose mutex guards it.
#ifndef SLUICE_COMPAT_DETAIL_SPDLOG_PATTERN_H_
#define SLUICE_COMPAT_DETAIL_SPDLOG_PATTERN_H_

#include <algorithm>
#include <ctime>
#include <map>
#include <vector>

#include "sluice/compat/detail/spdlog_common.h"

namespace spdlog {
inline namespace sluice_shim {

class formatter {
 public:
  virtual ~formatter() = default;
  virtual void format(const details::log_msg& record, memory_buf_t& to) = 0;
  [[nodiscard]] virtual std::unique_ptr<formatter> clone() const = 0;
};

// A flag of the program's own: pattern_formatter::add_flag<T>('*').
class custom_flag_formatter {
 public:
  virtual ~custom_flag_formatter() = default;
  virtual void format(const details::log_msg& record, const std::tm& time, memory_buf_t& to) = 0;
  [[nodiscard]] virtual std::unique_ptr<custom_flag_formatter> clone() const = 0;
};

class pattern_formatter final : public formatter {
 public:
  using custom_flags = std::map<char, std::unique_ptr<custom_flag_formatter>>;

  explicit pattern_formatter(std::string pattern,
                             pattern_time_type time_type = pattern_time_type::local,
                             std::string eol = "\n", custom_flags flags = {})
      : pattern_(std::move(pattern)),
        time_type_(time_type),
        eol_(std::move(eol)),
        custom_(std::move(flags)) {
    parse();
  }
  explicit pattern_formatter(pattern_time_type time_type = pattern_time_type::local,
                             std::string eol = "\n")
      : pattern_formatter("%+", time_type, std::move(eol)) {}

  template <class T, class... A>
  pattern_formatter& add_flag(char flag, A&&... argument) {
    custom_[flag] = std::make_unique<T>(std::forward<A>(argument)...);
    parse();
    return *this;
  }
  void set_pattern(std::string pattern) {
    pattern_ = std::move(pattern);
    parse();
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override {
    custom_flags flags;
    for (const auto& [flag, custom] : custom_) flags[flag] = custom->clone();
    return std::make_unique<pattern_formatter>(pattern_, time_type_, eol_, std::move(flags));
  }

  void format(const details::log_msg& record, memory_buf_t& to) override {
    update_time(record.time);
    record.color_range_start = record.color_range_end = 0;
    for (const Item& item : items_) {
      details::append(to, item.literal);
      if (item.flag == 0) continue;
      if (item.width == 0) {
        put(item, record, to);
      } else {
        padded_.clear();
        put(item, record, padded_);
        pad(item, {padded_.data(), padded_.size()}, to);
      }
    }
    details::append(to, eol_);
  }

 private:
  struct Item {
    std::string literal;  // stands before the flag
    char flag = 0;        // 0: the end
    char side = '>';      // '>' right, '<' left, '^' centred, as fmt has it
    std::size_t width = 0;
    bool cut = false;
    custom_flag_formatter* custom = nullptr;
  };
  static constexpr std::size_t kWidthMax = 64;

  void parse() {
    items_.clear();
    Item item;
    for (std::size_t at = 0; at < pattern_.size(); ++at) {
      if (pattern_[at] != '%') {
        item.literal += pattern_[at];
        continue;
      }
      const std::size_t behind = parse_width(at + 1, item);
      if (behind == pattern_.size()) break;
      at = behind;
      item.flag = pattern_[at];
      const auto custom = custom_.find(item.flag);
      if (custom != custom_.end()) {
        item.custom = custom->second.get();
      } else if (item.flag == '%') {
        item.flag = 0;
        item.literal += '%';
        continue;
      } else if (kFlags.find(item.flag) == std::string_view::npos) {
        // Shown as it stands: a pattern is no reason to lose records.
        item.literal += {'%', item.flag};
        item.flag = 0;
        continue;
      }
      // These say where the colour is in the whole line, and are not padded.
      if (kColored.find(item.flag) != std::string_view::npos) item.width = 0;
      items_.push_back(std::exchange(item, {}));
    }
    item.flag = 0;
    items_.push_back(std::move(item));
  }

  // "-8", "=8", "8", with "!" behind it; returns where the flag is.
  std::size_t parse_width(std::size_t at, Item& item) const {
    item.side = '>';
    item.width = 0;
    item.cut = false;
    if (at < pattern_.size() && (pattern_[at] == '-' || pattern_[at] == '=')) {
      item.side = pattern_[at++] == '-' ? '<' : '^';
    }
    for (; at < pattern_.size() && pattern_[at] >= '0' && pattern_[at] <= '9'; ++at) {
      const std::size_t digit = static_cast<std::size_t>(pattern_[at] - '0');
      item.width = std::min(item.width * 10 + digit, kWidthMax);
    }
    if (at < pattern_.size() && pattern_[at] == '!' && item.width != 0) {
      item.cut = true;
      ++at;
    }
    return at;
  }

  static void pad(const Item& item, std::string_view text, memory_buf_t& to) {
    if (text.size() >= item.width) {
      return details::append(to, item.cut ? text.substr(0, item.width) : text);
    }
    const std::size_t blanks = item.width - text.size();
    const std::size_t before = item.side == '>' ? blanks : item.side == '<' ? 0 : blanks / 2;
    details::append(to, std::string(before, ' '));
    details::append(to, text);
    details::append(to, std::string(blanks - before, ' '));
  }

  // The parts of the time change once a second.
  void update_time(log_clock::time_point time) {
    const std::time_t second = log_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time));
    if (second == second_) return;
    second_ = second;
    if (time_type_ == pattern_time_type::local) {
      localtime_r(&second, &tm_);
    } else {
      gmtime_r(&second, &tm_);
    }
  }

  template <class... A>
  static void print(memory_buf_t& to, fmt::format_string<A...> text, const A&... argument) {
    fmt::vformat_to(fmt::appender(to), text, fmt::make_format_args(argument...));
  }
  static std::string_view base_name(const char* path) {
    const std::string_view all = path;
    return all.substr(all.rfind('/') + 1);
  }
  template <class Unit>
  static long long fraction(log_clock::time_point time) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(time);
    return std::chrono::floor<Unit>(time - whole).count();
  }
  template <class Unit>
  static void put_since(log_clock::time_point& last, const details::log_msg& record,
                        memory_buf_t& to) {
    const auto since = std::max(record.time - last, log_clock::duration::zero());
    last = record.time;
    print(to, "{}", static_cast<long long>(std::chrono::duration_cast<Unit>(since).count()));
  }

  void put(const Item& item, const details::log_msg& record, memory_buf_t& to) {
    if (item.custom != nullptr) return item.custom->format(record, tm_, to);
    if (kTimeFlags.find(item.flag) != std::string_view::npos) {
      return put_time(item.flag, record, to);
    }
    const source_loc& source = record.source;
    switch (item.flag) {
      case '+':
        return put_default(record, to);
      case 'v':
        return to.append(record.payload.begin(), record.payload.end());
      case 'n':
        return to.append(record.logger_name.begin(), record.logger_name.end());
      case 'l':
        return details::append(to, level::kNames[static_cast<std::size_t>(record.level)]);
      case 'L':
        return details::append(to, level::to_short_c_str(record.level));
      case 't':
        return print(to, "{}", record.thread_id);
      case 'P':
        return print(to, "{}", details::process_id());
      case '^':
        record.color_range_start = to.size();
        return;
      case '$':
        record.color_range_end = to.size();
        return;
      default:
        break;
    }
    if (source.empty()) return;
    switch (item.flag) {
      case '@':
        return print(to, "{}:{}", source.filename, source.line);
      case 's':
        return details::append(to, base_name(source.filename));
      case 'g':
        return details::append(to, source.filename);
      case '#':
        return print(to, "{}", source.line);
      case '!':
        return details::append(to, source.funcname);
      default:
        return;
    }
  }

  void put_default(const details::log_msg& record, memory_buf_t& to) {
    print(to, "[{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}] ", tm_.tm_year + 1900, tm_.tm_mon + 1,
          tm_.tm_mday, tm_.tm_hour, tm_.tm_min, tm_.tm_sec,
          fraction<std::chrono::milliseconds>(record.time));
    if (record.logger_name.size() != 0) print(to, "[{}] ", record.logger_name);
    to.push_back('[');
    record.color_range_start = to.size();
    details::append(to, level::kNames[static_cast<std::size_t>(record.level)]);
    record.color_range_end = to.size();
    details::append(to, "] ");
    if (!record.source.empty()) {
      print(to, "[{}:{}] ", base_name(record.source.filename), record.source.line);
    }
    to.append(record.payload.begin(), record.payload.end());
  }

  void put_time(char flag, const details::log_msg& record, memory_buf_t& to) {
    static constexpr std::array<std::string_view, 7> kDays{
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    static constexpr std::array<std::string_view, 12> kMonths{
        "January", "February", "March",     "April",   "May",      "June",
        "July",    "August",   "September", "October", "November", "December"};
    const std::string_view day = kDays[static_cast<std::size_t>(tm_.tm_wday)];
    const std::string_view month = kMonths[static_cast<std::size_t>(tm_.tm_mon)];
    const int hour12 = (tm_.tm_hour + 11) % 12 + 1;
    const std::string_view half = tm_.tm_hour < 12 ? "AM" : "PM";
    switch (flag) {
      case 'a':
        return details::append(to, day.substr(0, 3));
      case 'A':
        return details::append(to, day);
      case 'b':
      case 'h':
        return details::append(to, month.substr(0, 3));
      case 'B':
        return details::append(to, month);
      case 'c':
        return print(to, "{} {} {} {:02}:{:02}:{:02} {}", day.substr(0, 3), month.substr(0, 3),
                     tm_.tm_mday, tm_.tm_hour, tm_.tm_min, tm_.tm_sec, tm_.tm_year + 1900);
      case 'C':
        return print(to, "{:02}", tm_.tm_year % 100);
      case 'Y':
        return print(to, "{}", tm_.tm_year + 1900);
      case 'D':
      case 'x':
        return print(to, "{:02}/{:02}/{:02}", tm_.tm_mon + 1, tm_.tm_mday, tm_.tm_year % 100);
      case 'm':
        return print(to, "{:02}", tm_.tm_mon + 1);
      case 'd':
        return print(to, "{:02}", tm_.tm_mday);
      case 'H':
        return print(to, "{:02}", tm_.tm_hour);
      case 'I':
        return print(to, "{:02}", hour12);
      case 'M':
        return print(to, "{:02}", tm_.tm_min);
      case 'S':
        return print(to, "{:02}", tm_.tm_sec);
      case 'e':
        return print(to, "{:03}", fraction<std::chrono::milliseconds>(record.time));
      case 'f':
        return print(to, "{:06}", fraction<std::chrono::microseconds>(record.time));
      case 'F':
        return print(to, "{:09}", fraction<std::chrono::nanoseconds>(record.time));
      case 'E':
        return print(to, "{}", static_cast<long long>(second_));
      case 'p':
        return details::append(to, half);
      case 'r':
        return print(to, "{:02}:{:02}:{:02} {}", hour12, tm_.tm_min, tm_.tm_sec, half);
      case 'R':
        return print(to, "{:02}:{:02}", tm_.tm_hour, tm_.tm_min);
      case 'T':
      case 'X':
        return print(to, "{:02}:{:02}:{:02}", tm_.tm_hour, tm_.tm_min, tm_.tm_sec);
      case 'z': {
        const long minutes = std::labs(tm_.tm_gmtoff) / 60;
        return print(to, "{}{:02}:{:02}", tm_.tm_gmtoff < 0 ? '-' : '+', minutes / 60,
                     minutes % 60);
      }
      case 'O':
        return put_since<std::chrono::seconds>(last_[0], record, to);
      case 'o':
        return put_since<std::chrono::milliseconds>(last_[1], record, to);
      case 'i':
        return put_since<std::chrono::microseconds>(last_[2], record, to);
      default:
        return put_since<std::chrono::nanoseconds>(last_[3], record, to);
    }
  }

  static constexpr std::string_view kColored = "+^$";
  static constexpr std::string_view kTimeFlags = "aAbhBcCYDxmdHIMSefFEprRTXzOoiu";
  static constexpr std::string_view kFlags = "aAbhBcCYDxmdHIMSefFEprRTXzOoiu+vnlLtP^$@sg#!";

  std::string pattern_;
  pattern_time_type time_type_;
  std::string eol_;
  custom_flags custom_;
  std::vector<Item> items_;
  memory_buf_t padded_;
  std::time_t second_ = -1;
  std::tm tm_{};
  std::array<log_clock::time_point, 4> last_{log_clock::now(), log_clock::now(), log_clock::now(),
                                             log_clock::now()};
};

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_DETAIL_SPDLOG_PATTERN_H_
