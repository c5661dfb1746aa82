// Takes secrets out of records, by the names of their fields, before any destination sees them.
//
// A name is secret when one of the words below is a whole part of it, in any case and spelling:
// db_password, X-Api-Key, accessToken, http.authorization. Not secret are measures of secrets, such
// as token_count or password_length (the last part is count, length, len, size, bytes, ttl, type,
// limit, usage or rate), because they are what training and billing code logs all day.
//
// What becomes of a secret: text and bytes "[redacted]", JSON "[redacted]" as a JSON string,
// numbers 0, a char '*'. Inside JSON arguments the values of secret keys are replaced at any depth;
// what is no valid JSON and mentions a secret word is replaced whole. Texts without a name
// (positional arguments, the format) are not looked at.
//
// Threading: single-owner (it caches per site). Failure: none. A record that does not fit its site,
// or outgrows its memory even so, loses all of its arguments rather than keep a secret.
#ifndef SLUICE_SRC_RECORD_REDACT_H_
#define SLUICE_SRC_RECORD_REDACT_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "record/decode.h"
#include "record/field_block.h"
#include "record/site_cache.h"

namespace sluice {

class Redactor {
 public:
  // `more`: further secret names, separated by commas, spelled in any of the ways above.
  explicit Redactor(std::string_view more = {});

  [[nodiscard]] bool is_secret(std::string_view name) const;

  // Whether a record of this site may hold a secret; cheap after the first time. A context may
  // always do, unless its fields went through redact_fields() before.
  [[nodiscard]] bool touches(const Site& site, bool has_context) {
    return has_context || plan_of(site).touches;
  }

  // Takes the secrets out of the record at the start of `memory`, which may become longer, and
  // returns its new size. redacted_bytes_max() bytes of memory are always enough.
  [[nodiscard]] std::size_t redact(std::span<std::byte> memory, const Site& site);

  // The same for the fields of a context, into `out`; 0 when they do not fit.
  [[nodiscard]] std::size_t redact_fields(const FieldBlock& fields, std::span<std::byte> out);

  // To be called after Dictionary::clear().
  void forget_sites() { plans_.clear(); }

 private:
  struct Plan {
    bool touches = false;
    u32 secret = 0;  // bit i: argument i
    u32 json = 0;    // bit i: argument i is JSON to be looked into
  };
  enum class JsonMode : u8 { kValues, kWhole };

  const Plan& plan_of(const Site& site);
  std::size_t rewrite(const RecordView& record, const Plan& plan, JsonMode mode,
                      std::span<std::byte> out);
  std::string_view redacted_json(std::string_view json, JsonMode mode);
  [[nodiscard]] bool holds_word(std::string_view parts) const;

  std::vector<std::string> words_;  // "_api_key_"
  SiteCache<Plan> plans_;
  std::string json_;
  std::vector<std::byte> scratch_;
};

// Memory of this size always takes the redacted form of a record of `record_bytes`.
[[nodiscard]] constexpr std::size_t redacted_bytes_max(std::size_t record_bytes) {
  return 3 * record_bytes + 2048;
}

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_REDACT_H_
