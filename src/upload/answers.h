// What an answer of a store means for the attempt, decided in one place for all stores.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_UPLOAD_ANSWERS_H_
#define SLUICE_SRC_UPLOAD_ANSWERS_H_

#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "upload/bucket.h"

namespace sluice::upload {

// What the store said about an error: S3's <Code> and <Message>, Google's error.message.
struct Said {
  std::string code;
  std::string message;
};

// A text of a store for people: at most 300 bytes, printable ASCII, and every one of `secrets`
// that it repeats is struck out.
[[nodiscard]] std::string shown(std::string_view untrusted,
                                const std::vector<std::string>& secrets);

// An attempt that ended with `answer`, which is no success. `doing`: "uploading part 3".
[[nodiscard]] Attempt failed_attempt(const net::Answer& answer, std::string_view doing,
                                     const Said& said, const std::vector<std::string>& secrets);

[[nodiscard]] inline Attempt attempt(Outcome outcome, std::string why = {}) {
  return {.outcome = outcome, .why = std::move(why)};
}
[[nodiscard]] inline Attempt stored() { return attempt(Outcome::kStored); }
// kRetryable: kRetry, else kRefused.
[[nodiscard]] Attempt attempt(const Status& status);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_ANSWERS_H_
