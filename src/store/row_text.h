// What a stored record says, as one line for people: the message, then the fields that the format
// text does not use, then the context; as the renderer of text lines has it (record/message.h).
//
// Threading: single-owner, as the connection. Memory: at most kSitesKept call sites.
#ifndef SLUICE_SRC_STORE_ROW_TEXT_H_
#define SLUICE_SRC_STORE_ROW_TEXT_H_

#include <string>
#include <unordered_map>
#include <vector>

#include "record/text_buffer.h"
#include "store/sqlite.h"

namespace sluice::storage {

// A row of `sites`.
struct StoredSite {
  std::string kind;
  std::string logger;
  std::string file;
  u32 line = 0;
  std::string function;
  std::vector<std::string> used_fields;  // named in the format text
  bool is_engines = false;               // the message says all of the fields
};

// Columns of a row of `records`; empty: none.
struct StoredTexts {
  i64 site = 0;
  std::string_view body;
  std::string_view attributes;
  std::string_view context;
};

class RowText {
 public:
  static constexpr std::size_t kSitesKept = 65'536;

  explicit RowText(Connection& connection) : connection_(connection) {}

  // Escaped for a terminal; valid until the next call.
  [[nodiscard]] std::string_view of(const StoredTexts& texts);
  // A site that is not there has empty texts. Valid until the next call, of of() too.
  [[nodiscard]] const StoredSite& site(i64 id);

 private:
  Connection& connection_;
  Statement find_;
  std::unordered_map<i64, StoredSite> sites_;
  TextBuffer out_;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_ROW_TEXT_H_
