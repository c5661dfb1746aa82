#include "store/field_condition.h"

#include <charconv>

#include "store/schema.h"

namespace sluice::storage {
namespace {

constexpr i64 kExactMax = i64{1} << 53;  // up to here a real that is equal is the same number

template <class T>
bool reads_as(std::string_view text, T& out) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  return !text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size();
}

// How SQLite's JSON functions give the values that this text stands for: texts as they are,
// numbers, true and false as 1 and 0.
std::vector<Bound> values_of(const std::string& text, bool& exact) {
  std::vector<Bound> values{text};
  exact = true;
  i64 integer = 0;
  double real = 0;
  if (text == "true" || text == "false") {
    values.emplace_back(i64(text == "true"));
    exact = false;
  } else if (reads_as(text, integer) && std::to_string(integer) == text) {
    values.emplace_back(integer);
    exact = integer != 0 && integer != 1 && integer < kExactMax && integer > -kExactMax;
  } else if (reads_as(text, real)) {
    values.emplace_back(real);
    exact = false;
  }
  return values;
}

bool may_be_json(const std::string& value) {
  return value == "null" || value.starts_with('{') || value.starts_with('[');
}

}  // namespace

std::vector<std::string> fields_looked_at(const FieldMatch& match) {
  if (match.key.starts_with('.') || may_be_json(match.value)) return {};
  if (!has_field_expression(match.key)) return {};
  std::vector<std::string> fields;
  for (auto dot = match.key.find('.'); dot != std::string::npos;
       dot = match.key.find('.', dot + 1)) {
    fields.push_back(match.key.substr(0, dot));
  }
  fields.push_back(match.key);
  return fields;
}

FieldCondition field_condition(const FieldMatch& match) {
  const std::vector<std::string> fields = fields_looked_at(match);
  // A name that no path of SQLite's can hold, an object, a null: only code can tell.
  if (fields.empty()) return {"(attributes IS NOT NULL OR context IS NOT NULL)", {}, false};
  FieldCondition condition;
  condition.values = values_of(match.value, condition.exact);
  condition.sql = field_expression(match.key) + " IN (?";
  for (std::size_t i = 1; i < condition.values.size(); ++i) condition.sql += ", ?";
  condition.sql += ")";
  if (fields.size() == 1) return condition;
  // "order.id": the field of this name, or the member of a field that is a JSON object.
  condition.exact = false;
  for (std::size_t i = 0; i + 1 < fields.size(); ++i) {
    const std::string value = field_expression(fields[i]);
    condition.sql += " OR (" + value + " >= '{' AND " + value + " < '|')";
  }
  condition.sql = "(" + condition.sql + ")";
  return condition;
}

}  // namespace sluice::storage
