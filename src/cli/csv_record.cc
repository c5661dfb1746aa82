#include "cli/csv_record.h"

#include <algorithm>

namespace sluice::cli {

std::size_t CsvEnds::find(std::string_view text, std::size_t from) {
  for (std::size_t at = from; at < text.size(); ++at) {
    if (state_ == State::kQuoted) {
      at = text.find('"', at);
      if (at == std::string_view::npos) return at;
      state_ = State::kQuoteInQuoted;
      continue;
    }
    const char c = text[at];
    if (c == '\n') return at;
    if (c == ',') {
      state_ = State::kFieldBegins;
    } else if (c == '"' && state_ != State::kPlain) {
      state_ = State::kQuoted;
    } else {
      state_ = State::kPlain;
    }
  }
  return std::string_view::npos;
}

Result<std::vector<CsvField>> csv_fields(std::string_view record) {
  std::vector<CsvField> fields;
  for (std::size_t at = 0;; ++at) {
    CsvField& field = fields.emplace_back();
    if (at < record.size() && record[at] == '"') {
      field.quoted = true;
      for (++at;; at += 2) {
        const std::size_t quote = record.find('"', at);
        if (quote == std::string_view::npos) return fatal("has a quote that is not closed");
        field.text.append(record.substr(at, quote - at));
        at = quote;
        if (quote + 1 >= record.size() || record[quote + 1] != '"') break;
        field.text += '"';
      }
      ++at;
      if (at < record.size() && record[at] != ',') {
        return fatal("has text behind a closing quote; write a quote in a text as two");
      }
    } else {
      const std::size_t end = std::min(record.find(',', at), record.size());
      field.text = record.substr(at, end - at);
      if (field.text.find('"') != std::string::npos) {
        return fatal(
            "has a quote in a text without quotes; put the text in quotes and write the"
            " quote as two");
      }
      at = end;
    }
    if (at >= record.size()) return fields;
  }
}

}  // namespace sluice::cli
