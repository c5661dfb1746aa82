// JSON text that came from somewhere else: is it valid, and how can it be put on one line?
//
// Threading: thread-safe, no allocation. Limits: kJsonDepthMax levels; deeper text is not valid
// here, so that no reader of ours needs a deep stack.
#ifndef SLUICE_SRC_RECORD_JSON_TEXT_H_
#define SLUICE_SRC_RECORD_JSON_TEXT_H_

#include <string_view>

#include "base/bytes.h"
#include "record/text_buffer.h"

namespace sluice {

inline constexpr unsigned kJsonDepthMax = 64;

// Exactly one JSON value (RFC 8259) in valid UTF-8, white space around it allowed.
[[nodiscard]] bool is_json(std::string_view text);
// An object, judging by the first character of text for which is_json() holds.
[[nodiscard]] bool is_json_object(std::string_view json);

// Copies valid JSON onto one line: white space between tokens is dropped, and characters that no
// output of ours may hold as they are become \u escapes inside their strings. The value is the
// same.
[[nodiscard]] char* put_json_line(TextBuffer& out, char* at, std::string_view json);

// Walks valid JSON in one pass, for is_json() and for redaction. Knows where strings end and
// whether a string is a key; positions are offsets into the text.
class JsonScanner {
 public:
  enum class Token { kKey, kString, kNumber, kWord, kOpen, kClose, kEnd, kError };

  explicit JsonScanner(std::string_view text) : text_(text) {}

  // The next token; [begin(), end()) is its text. After kEnd and kError it stays there.
  [[nodiscard]] Token next();
  [[nodiscard]] std::size_t begin() const { return begin_; }
  [[nodiscard]] std::size_t end() const { return at_; }
  [[nodiscard]] unsigned depth() const { return depth_; }
  [[nodiscard]] std::string_view token_text() const { return text_.substr(begin_, at_ - begin_); }

 private:
  enum class Expect { kValue, kValueOrClose, kKeyOrClose, kKey, kColon, kCommaOrClose, kEnd };

  Token error();
  Token value();
  Token close(char c);
  Token after_value(Token token);
  void skip_space();
  bool string();
  bool escape();
  bool number();
  bool hex_unit(u32& unit);
  bool digit_run();
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[nodiscard]] bool in_object() const { return is_object_[depth_ - 1]; }

  std::string_view text_;
  std::size_t begin_ = 0;
  std::size_t at_ = 0;
  std::size_t colon_end_ = 0;
  unsigned depth_ = 0;
  Expect expect_ = Expect::kValue;
  bool failed_ = false;
  bool is_object_[kJsonDepthMax] = {};
};

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_JSON_TEXT_H_
