#include "record/redact.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/characters.h"
#include "record/json_text.h"

namespace sluice {
namespace {

constexpr std::string_view kRedacted = "[redacted]";
constexpr std::string_view kRedactedJson = "\"[redacted]\"";

constexpr std::string_view kWords[] = {
    "password",      "passwd",      "passphrase", "secret",     "secrets",    "token",
    "authorization", "cookie",      "cookies",    "api_key",    "apikey",     "access_key",
    "accesskey",     "private_key", "privatekey", "credential", "credentials"};
// Found inside a part too: dbpassword, userpasswd.
constexpr std::string_view kAnywhere[] = {"password", "passwd", "passphrase"};
constexpr std::string_view kMeasures[] = {"count", "length", "len",   "size",  "bytes",
                                          "ttl",   "type",   "limit", "usage", "rate"};

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// "X-Api-Key" and "xApiKey" become "_x_api_key_".
std::string parts_of(std::string_view name) {
  std::string parts = "_";
  char before = 0;
  for (char c : name) {
    const bool word = is_lower(c) || is_upper(c) || is_digit(c) || u8(c) >= 0x80;
    if ((!word || (is_upper(c) && is_lower(before))) && parts.back() != '_') parts += '_';
    if (word) parts += is_upper(c) ? char(c - 'A' + 'a') : c;
    before = c;
  }
  if (parts.back() != '_') parts += '_';
  return parts;
}

bool is_measure(std::string_view parts) {
  const auto last = parts.rfind('_', parts.size() - 2);
  if (last == 0 || last == std::string_view::npos) return false;  // one part only
  const std::string_view word = parts.substr(last + 1, parts.size() - last - 2);
  return std::find(std::begin(kMeasures), std::end(kMeasures), word) != std::end(kMeasures);
}

// The key that valid JSON spells in quotes. Escapes of other than ASCII characters stay: no secret
// word has any.
std::string unquoted(std::string_view quoted) {
  std::string key;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] != '\\') {
      key += quoted[i];
      continue;
    }
    const char kind = quoted[++i];
    if (kind != 'u') {
      key += kind;
      continue;
    }
    u32 unit = 0;
    for (char c : quoted.substr(i + 1, 4)) {
      unit = unit * 16 + u32(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    key += unit < 0x80 ? char(unit) : '?';
    i += 4;
  }
  return key;
}

class Output {
 public:
  explicit Output(std::span<std::byte> memory) : memory_(memory) {}
  void put(const void* from, std::size_t bytes) {
    if (!ok_ || memory_.size() - used_ < bytes) {
      ok_ = false;
      return;
    }
    if (bytes > 0) std::memcpy(memory_.data() + used_, from, bytes);
    used_ += bytes;
  }
  void put_word(u64 word) { put(&word, sizeof word); }
  void pad() {
    constexpr std::array<std::byte, 8> kZero{};
    put(kZero.data(), std::size_t(round_up(used_, 8)) - used_);
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t used() const { return used_; }

 private:
  std::span<std::byte> memory_;
  std::size_t used_ = 0;
  bool ok_ = true;
};

// `value` in place of a secret one of the same type.
Value redacted_value(const Value& value) {
  if (value.type == ArgType::kJson) return {value.type, 0, kRedactedJson};
  if (has_tail(value.type)) return {value.type, 0, kRedacted};
  return {value.type, value.type == ArgType::kChar ? u64{'*'} : u64{0}, {}};
}

}  // namespace

Redactor::Redactor(std::string_view more) {
  for (std::string_view word : kWords) words_.push_back(parts_of(word));
  while (!more.empty()) {
    const auto comma = std::min(more.find(','), more.size());
    std::string parts = parts_of(more.substr(0, comma));
    if (parts.size() > 1) words_.push_back(std::move(parts));
    more.remove_prefix(std::min(comma + 1, more.size()));
  }
}

bool Redactor::holds_word(std::string_view parts) const {
  const auto inside = [&](std::string_view word) { return parts.find(word) != parts.npos; };
  return std::any_of(words_.begin(), words_.end(), inside) ||
         std::any_of(std::begin(kAnywhere), std::end(kAnywhere), inside);
}

bool Redactor::is_secret(std::string_view name) const {
  const std::string parts = parts_of(name);
  // A name that is a word of its own stays secret: who lists shoe_size means shoe_size.
  if (std::find(words_.begin(), words_.end(), parts) != words_.end()) return true;
  return holds_word(parts) && !is_measure(parts);
}

const Redactor::Plan& Redactor::plan_of(const Site& site) {
  return plans_.of(site, [this](const Site& of) {
    auto plan = std::make_unique<Plan>();
    const auto count = std::min<std::size_t>(of.arguments.size(), detail::kSiteArgumentsMax);
    for (std::size_t i = of.hidden_arguments(); i < count; ++i) {
      if (is_secret(of.arguments[i].name)) {
        plan->secret |= u32{1} << i;
      } else if (of.arguments[i].type == ArgType::kJson) {
        plan->json |= u32{1} << i;
      }
    }
    plan->touches = (plan->secret | plan->json) != 0;
    return plan;
  });
}

std::string_view Redactor::redacted_json(std::string_view json, JsonMode mode) {
  if (!is_json(json)) {
    const bool suspect = holds_word(parts_of(json)) || json.find("\\u") != json.npos;
    return suspect ? kRedactedJson : json;
  }
  json_.clear();
  bool found = false;
  std::size_t copied = 0;
  JsonScanner scanner(json);
  for (auto token = scanner.next(); token != JsonScanner::Token::kEnd; token = scanner.next()) {
    if (token != JsonScanner::Token::kKey || !is_secret(unquoted(scanner.token_text()))) continue;
    found = true;
    const unsigned depth = scanner.depth();
    (void)scanner.next();
    json_ += json.substr(copied, scanner.begin() - copied);
    json_ += kRedactedJson;
    while (scanner.depth() > depth) (void)scanner.next();
    copied = scanner.end();
  }
  if (!found) return json;
  if (mode == JsonMode::kWhole) return kRedactedJson;
  json_ += json.substr(copied);
  return json_;
}

std::size_t Redactor::redact_fields(const FieldBlock& fields, std::span<std::byte> out) {
  FieldBlockWriter writer(out);
  for (const ContextField& field : fields) {
    Value value = field.value;
    if (is_secret(field.name)) {
      value = redacted_value(value);
    } else if (value.type == ArgType::kJson) {
      value.text = redacted_json(value.text, JsonMode::kValues);
      if (value.text.size() > 0xffff) value.text = kRedactedJson;
    }
    if (!writer.add(field.name, value)) return 0;
  }
  return writer.bytes().size();
}

std::size_t Redactor::rewrite(const RecordView& record, const Plan& plan, JsonMode mode,
                              std::span<std::byte> out) {
  Output to(out);
  RecordHeader header = record.header();
  to.put(&header, sizeof header);
  const u32 count = record.arguments();
  for (u32 i = 0; i < count; ++i) to.put_word(record.word(i));
  for (u32 i = 0; i < count && to.ok(); ++i) {
    Value value = record.value(i);
    if (plan.secret >> i & 1) value = redacted_value(value);
    if (plan.json >> i & 1) value.text = redacted_json(value.text, mode);
    store(out.data() + kRecordHeaderBytes + i * 8,
          has_tail(value.type) ? u64{value.text.size()} : value.word);
    if (has_tail(value.type)) to.put(value.text.data(), value.text.size());
  }
  to.pad();
  if (header.has(kHasContext) && to.ok()) {
    const std::size_t start = to.used();
    const std::size_t fields = redact_fields(record.context(), out.subspan(start));
    if (fields == 0 && !record.context().empty()) return 0;
    Output end(out.subspan(start + fields));
    const u32 block = context_block_bytes(u32(fields));
    constexpr u64 kZero = 0;
    end.put(&kZero, block - 8 - fields);
    end.put_word(u64{block} << 32 | fields);
    if (!end.ok()) return 0;
    header.size_in_words = u16((start + block) / 8);
    if ((start + block) / 8 > 0xffff) return 0;
    store(out.data(), header);
    return start + block;
  }
  if (!to.ok() || to.used() / 8 > 0xffff) return 0;
  header.size_in_words = u16(to.used() / 8);
  store(out.data(), header);
  return to.used();
}

std::size_t Redactor::redact(std::span<std::byte> memory, const Site& site) {
  if (memory.size() < kRecordHeaderBytes) return 0;
  auto header = load<RecordHeader>(memory.data());
  const std::size_t size = std::min<std::size_t>(header.size(), memory.size());
  RecordView view;
  if (RecordView::parse(memory, site, view)) {
    const Plan& plan = plan_of(site);
    scratch_.resize(std::min(memory.size(), redacted_bytes_max(size)));
    std::size_t written = rewrite(view, plan, JsonMode::kValues, scratch_);
    // JSON full of short secrets can outgrow the size word: then none of it is kept.
    if (written == 0) written = rewrite(view, plan, JsonMode::kWhole, scratch_);
    if (written != 0) {
      std::memcpy(memory.data(), scratch_.data(), written);
      return written;
    }
  }
  // Zero words are valid arguments, of texts empty ones.
  std::memset(memory.data() + kRecordHeaderBytes, 0,
              size - std::min<std::size_t>(size, kRecordHeaderBytes));
  header.origin &= u16(~kHasContext);
  store(memory.data(), header);
  return size;
}

}  // namespace sluice
