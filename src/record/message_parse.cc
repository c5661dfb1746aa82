#include "record/message_parse.h"

namespace sluice {
namespace {

// The text may come from another program: without these, one record of 256 KiB and a text full of
// "{0}" would render as gigabytes.
constexpr u32 kFieldsMax = 128;
constexpr u8 kUsesMax = 4;

class Parser {
 public:
  explicit Parser(const Site& site) : site_(site), text_(site.format) {
    for (u32 i = site.hidden_arguments(); i < site.arguments.size(); ++i) {
      if (site.arguments[i].name.empty()) unnamed_.push_back(u8(i));
    }
  }

  ParsedMessage parse() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c != '{' && c != '}') {
        literal_ += c;
        ++at_;
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == c) {
        literal_ += c;
        at_ += 2;
      } else if (c == '}' || fields_ == kFieldsMax) {
        // Said once and the rest taken as it is: a hostile text must not grow with every brace.
        literal_ += text_.substr(at_);
        literal_ += c == '}' ? "!(unmatched })" : "!(too many fields)";
        at_ = text_.size();
      } else {
        field();
      }
    }
    finish(MessageField{});
    return std::move(out_);
  }

 private:
  void finish(MessageField field) {
    field.literal = std::move(literal_);
    literal_.clear();
    out_.fields.push_back(std::move(field));
  }

  // Which argument an id means: empty is the next unnamed one.
  int resolve(std::string_view id) {
    if (id.empty()) return next_ < unnamed_.size() ? unnamed_[next_++] : -1;
    if (id[0] >= '0' && id[0] <= '9') {
      std::size_t index = 0;
      for (char c : id) {
        if (c < '0' || c > '9' || index > unnamed_.size()) return -1;
        index = index * 10 + std::size_t(c - '0');
      }
      return index < unnamed_.size() ? unnamed_[index] : -1;
    }
    for (u32 i = site_.hidden_arguments(); i < site_.arguments.size(); ++i) {
      if (site_.arguments[i].name == id) return int(i);
    }
    return -1;
  }

  // The place behind the brace that closes the field which opens at `open`; npos when none does.
  [[nodiscard]] std::size_t end_of_field(std::size_t open) const {
    int depth = 0;
    for (std::size_t i = open; i < text_.size(); ++i) {
      if (text_[i] == '{') ++depth;
      if (text_[i] == '}' && --depth == 0) return i + 1;
    }
    return std::string_view::npos;
  }

  void field() {
    const std::size_t end = end_of_field(at_);
    if (end == std::string_view::npos) {
      literal_ += std::string(text_.substr(at_)) + "!(unclosed)";
      at_ = text_.size();
      return;
    }
    const std::string_view source = text_.substr(at_, end - at_);
    at_ = end;
    const std::string_view inside = source.substr(1, source.size() - 2);
    const auto colon = inside.find(':');
    ++fields_;
    MessageField field;
    field.argument = resolve(inside.substr(0, colon));
    if (field.argument < 0) {
      literal_ += std::string(source) + "!(missing)";
      return;
    }
    if (!use(field.argument)) {
      literal_ += std::string(source) + "!(repeated too often)";
      return;
    }
    if (colon != std::string_view::npos && colon + 1 < inside.size()) {
      field.plain = false;
      field.spec.source = source;
      field.spec.arguments.push_back(u8(field.argument));
      field.fits = build_spec(inside.substr(colon + 1), field.spec) && field.spec.fits(site_);
    }
    finish(std::move(field));
  }

  // Numbers the nested fields: ":>{width}" becomes "{0:>{1}}".
  bool build_spec(std::string_view text, FormatSpec& spec) {
    spec.text = "{0:";
    while (!text.empty()) {
      if (text[0] == '}') return false;
      if (text[0] != '{') {
        spec.text += text[0];
        text.remove_prefix(1);
        continue;
      }
      const auto end = text.find('}');
      const int argument = resolve(text.substr(1, end - 1));
      if (end == std::string_view::npos || argument < 0 || !use(argument)) return false;
      spec.text += "{" + std::to_string(spec.arguments.size()) + "}";
      spec.arguments.push_back(u8(argument));
      text.remove_prefix(end + 1);
    }
    spec.text += "}";
    return true;
  }

  // False when that argument was used kUsesMax times already.
  bool use(int argument) {
    out_.used |= u32{1} << u32(argument);
    return ++uses_[argument] <= kUsesMax;
  }

  const Site& site_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::string literal_;
  std::vector<u8> unnamed_;
  std::size_t next_ = 0;
  u32 fields_ = 0;
  u8 uses_[detail::kSiteArgumentsMax] = {};
  ParsedMessage out_;
};

}  // namespace

ParsedMessage parse_message(const Site& site) { return Parser(site).parse(); }

}  // namespace sluice
