#include "record/filter.h"

#include <bit>
#include <charconv>
#include <nlohmann/json.hpp>

#include "record/builtin.h"
#include "record/json_text.h"
#include "record/value_text.h"

namespace sluice {
namespace {

std::optional<double> number_of(const Value& value) {
  switch (value.type) {
    case ArgType::kI32:
    case ArgType::kI64:
      return double(i64(value.word));
    case ArgType::kU32:
    case ArgType::kU64:
      return double(value.word);
    case ArgType::kF32:
      return double(std::bit_cast<float>(u32(value.word)));
    case ArgType::kF64:
      return std::bit_cast<double>(value.word);
    default:
      return std::nullopt;
  }
}

bool same_number(double number, std::string_view text) {
  double wanted = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), wanted);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() && wanted == number;
}

bool has_text(const Value& value, std::string_view wanted) {
  if (value.type == ArgType::kString || value.type == ArgType::kJson) return value.text == wanted;
  TextBuffer out;
  char* const begin = out.begin_record();
  (void)out.end_record(put_value(TextForm::kText, out, begin, value));
  if (out.text() == wanted) return true;
  // "1.50" finds 1.5; integers above 2^53 are found by their digits only.
  const bool is_float = value.type == ArgType::kF32 || value.type == ArgType::kF64;
  const auto number = number_of(value);
  return is_float && number && same_number(*number, wanted);
}

bool json_has_text(const nlohmann::json& value, std::string_view wanted) {
  if (value.is_string()) return value.get_ref<const std::string&>() == wanted;
  if (value.is_number_float()) return same_number(value.get<double>(), wanted);
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) == wanted;
}

// Looks `path` up in JSON, member by member; a member's name may hold dots itself.
bool json_holds(const nlohmann::json& value, std::string_view path, std::string_view wanted) {
  if (path.empty()) return json_has_text(value, wanted);
  if (!value.is_object()) return false;
  for (std::size_t end = path.find('.');; end = path.find('.', end + 1)) {
    const auto member = value.find(std::string(path.substr(0, end)));
    const std::string_view rest =
        end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
    if (member != value.end() && json_holds(*member, rest, wanted)) return true;
    if (end == std::string_view::npos) return false;
  }
}

bool value_matches(std::string_view name, const Value& value, const FieldMatch& match) {
  if (name == match.key && has_text(value, match.value)) return true;
  if (value.type != ArgType::kJson) return false;
  std::string_view path = match.key;
  if (!name.empty()) {
    const bool below =
        path.size() > name.size() && path.starts_with(name) && path[name.size()] == '.';
    if (path != name && !below) return false;
    path.remove_prefix(below ? name.size() + 1 : name.size());
  }
  // is_json() bounds the depth, and with it the parser's stack.
  if (!is_json(value.text)) return false;
  const auto parsed = nlohmann::json::parse(value.text, nullptr, false);
  return !parsed.is_discarded() && json_holds(parsed, path, match.value);
}

bool field_matches(const RecordView& record, const FieldMatch& match) {
  for (u32 i = record.first_visible(); i < record.arguments(); ++i) {
    if (value_matches(record.site().arguments[i].name, shown_value(record, i), match)) return true;
  }
  for (const ContextField& field : record.context()) {
    if (value_matches(field.name, field.value, match)) return true;
  }
  return false;
}

}  // namespace

bool json_field_matches(std::string_view object, const FieldMatch& match) {
  // is_json() bounds the depth, and with it the parser's stack.
  if (!is_json(object)) return false;
  const auto parsed = nlohmann::json::parse(object, nullptr, false);
  return !parsed.is_discarded() && json_holds(parsed, match.key, match.value);
}

bool logger_matches(std::string_view glob, std::string_view name) {
  // The usual two-pointer match: on a mismatch the last star takes one character more.
  std::size_t g = 0, n = 0;
  std::size_t star = std::string_view::npos, star_n = 0;
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      star_n = n;
    } else if (g < glob.size() && glob[g] == name[n]) {
      ++g;
      ++n;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      n = ++star_n;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

bool Filter::matches(const Entry& entry, std::string_view message) const {
  if (level && u8(entry.site.level) < u8(*level)) return false;
  if (since_ns && entry.wall_ns < *since_ns) return false;
  if (until_ns && entry.wall_ns >= *until_ns) return false;
  if (!logger.empty() && !logger_matches(logger, entry.logger)) return false;
  if (!run.empty() && (entry.run == nullptr || !entry.run->run_id.starts_with(run))) return false;
  for (const FieldMatch& match : fields) {
    if (!field_matches(entry.record, match)) return false;
  }
  return grep.empty() || message.find(grep) != std::string_view::npos;
}

}  // namespace sluice
