#include "store/row_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "record/escape.h"
#include "record/json_text.h"
#include "record/value_text.h"

namespace sluice::storage {
namespace {

// The names in "{id} of {px:.2f} {:{width}}"; a brace that is doubled stands for itself.
std::vector<std::string> names_in(std::string_view format) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '{') continue;
    if (i + 1 < format.size() && format[i + 1] == '{') {
      ++i;
      continue;
    }
    const std::size_t end = std::min(format.find_first_of(":{}", i + 1), format.size());
    if (end > i + 1) names.emplace_back(format.substr(i + 1, end - i - 1));
    i = end - 1;
  }
  return names;
}

// What a JSON string says; `text` holds it where it is not in the JSON as it is.
std::string_view unquoted(std::string_view json, std::string& text) {
  if (json.find('\\') == std::string_view::npos) return json.substr(1, json.size() - 2);
  text = nlohmann::json::parse(json, nullptr, false).get<std::string>();
  return text;
}

// " key=value" for each member but the named ones. Numbers and inner JSON stand as they are stored,
// which is as they are shown.
char* put_members(TextBuffer& out, char* at, std::string_view object,
                  const std::vector<std::string>& without) {
  if (object.empty()) return at;
  if (!is_json(object) || !is_json_object(object)) {
    // Others have written it: shown as it is.
    return put_escaped<TextForm::kText>(out, put_raw(out, at, " "), object);
  }
  JsonScanner scanner(object);
  std::string key_text, value_text;
  using Token = JsonScanner::Token;
  (void)scanner.next();  // the brace
  while (scanner.next() == Token::kKey) {
    const std::string_view key = unquoted(scanner.token_text(), key_text);
    const Token first = scanner.next();
    const std::size_t begin = scanner.begin();
    if (first == Token::kOpen) {
      while (scanner.depth() > 1) (void)scanner.next();
    }
    std::string_view value = object.substr(begin, scanner.end() - begin);
    if (std::find(without.begin(), without.end(), key) != without.end()) continue;
    at = put_raw(out, at, " ");
    at = put_logfmt_key(out, at, key);
    at = put_raw(out, at, "=");
    if (first == Token::kString) value = unquoted(value, value_text);
    at = put_logfmt_text(out, at, value);
  }
  return at;
}

}  // namespace

const StoredSite& RowText::site(i64 id) {
  if (const auto known = sites_.find(id); known != sites_.end()) return known->second;
  if (sites_.size() >= kSitesKept) sites_.clear();
  StoredSite& made = sites_[id];
  if (id == 0) return made;
  if (!find_ && !connection_
                     .prepare_into(find_,
                                   "SELECT kind, logger, file, line, function, format FROM sites"
                                   " WHERE id = ?")
                     .ok()) {
    return made;
  }
  find_.bind(1, id);
  const Result<bool> row = find_.step();
  if (row.ok() && row.value()) {
    made.kind = find_.text(0);
    made.logger = find_.text(1);
    made.file = find_.text(2);
    made.line = u32(find_.integer(3));
    made.function = find_.text(4);
    made.used_fields = names_in(find_.text(5));
    made.is_engines = made.logger == "sluice" && made.file.empty();
  }
  find_.reset();
  return made;
}

std::string_view RowText::of(const StoredTexts& texts) {
  out_.clear();
  char* at = put_escaped<TextForm::kText>(out_, out_.begin_record(), texts.body);
  if (!texts.attributes.empty()) {
    const StoredSite& from = site(texts.site);
    if (!from.is_engines) at = put_members(out_, at, texts.attributes, from.used_fields);
  }
  at = put_members(out_, at, texts.context, {});
  (void)out_.end_record(at);
  return out_.text();
}

}  // namespace sluice::storage
