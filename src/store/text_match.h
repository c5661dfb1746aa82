// Which of some texts match a full-text expression: what the index (store/text_index.h) says of
// rows that are in it, for rows that are not. The texts go into a table in memory that is made in
// the same way, so the answer is the same, to the letter.
//
// Threading: single-owner; uses a database of its own, in memory. Errors: kFatal for an expression
// that is none (what, where, how to mend).
#ifndef SLUICE_SRC_STORE_TEXT_MATCH_H_
#define SLUICE_SRC_STORE_TEXT_MATCH_H_

#include <memory>
#include <string>
#include <vector>

#include "store/sqlite.h"

namespace sluice::storage {

class TextMatcher {
 public:
  [[nodiscard]] static Result<std::unique_ptr<TextMatcher>> make(const std::string& expression);

  Status add(std::string_view text);
  // Whether it is time to take(): they are held in memory.
  [[nodiscard]] bool full() const;
  // Which of them match: 0 for the first that was added, and so on. Forgets all of them.
  [[nodiscard]] Result<std::vector<std::size_t>> take();

 private:
  TextMatcher() = default;
  std::string expression_;
  std::unique_ptr<Connection> memory_;
  Statement insert_, match_, clear_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_TEXT_MATCH_H_
