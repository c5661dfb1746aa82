#include "upload/gcs_session.h"

#include <nlohmann/json.hpp>

#include "upload/digest.h"

namespace sluice::upload {
namespace {

constexpr u64 kStep = u64{256} << 10;  // pieces but the last are multiples of it: a rule
constexpr u32 kStandsMax = 3;
constexpr u32 kEndMs = 120'000;  // the answer to the last piece may take its time

}  // namespace

Attempt GcsSession::put(const std::optional<GcsUpload>& before) {
  Attempt result = put_all(before);
  result.sent = meter_.sent();
  return result;
}

Attempt GcsSession::put_all(const std::optional<GcsUpload>& before) {
  if (before && bucket_.client_->is_ours(before->session)) {
    session_ = before->session;
    reached_ = source_.size;
    const net::Answer answer = ask();
    const bool gone = is_status(answer, 404) || is_status(answer, 410);
    if (gone) {
      session_.clear();
    } else if (auto end = took(answer, "asking how much is there")) {
      return *end;
    }
    stands_ = 0;
    meter_.there(there_);
  }
  if (session_.empty()) {
    if (const auto end = begin()) return *end;
  }
  const u64 piece = std::max(bucket_.options_.part_bytes / kStep, u64{1}) * kStep;
  while (true) {
    const net::Answer answer = send_piece(std::min(piece, source_.size - there_));
    if (auto end = took(answer, "sending from byte " + std::to_string(there_))) return *end;
  }
}

std::optional<Attempt> GcsSession::begin() {
  nlohmann::json about = {{"name", name_},
                          {"contentType", source_.content_type},
                          {"crc32c", crc32c_text(source_.crc32c)}};
  if (source_.packed) about["metadata"] = gcs_metadata(*source_.packed);
  const net::Answer answer = bucket_.client_->send(
      {.method = "POST",
       .url = bucket_.client_->upload(name_, "resumable"),
       .headers = {"Content-Type: application/json; charset=UTF-8",
                   "X-Upload-Content-Type: " + source_.content_type,
                   "X-Upload-Content-Length: " + std::to_string(source_.size)},
       .body = {.text = about.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)},
       .stop = progress_.stop});
  if (is_status(answer, 412)) return bucket_.in_the_way(name_, source_);
  if (!is_status(answer, 200) && !is_status(answer, 201)) {
    return bucket_.client_->failed(answer, "beginning the upload");
  }
  const std::string* session = answer.header("location");
  if (session == nullptr || session->size() > 4096) {
    return attempt(Outcome::kRetry, "beginning the upload: the answer names no session");
  }
  if (!bucket_.client_->is_ours(*session)) {
    return attempt(Outcome::kRefused,
                   "beginning the upload: the session is at another host, which "
                   "is sent nothing: give the endpoint itself");
  }
  session_ = *session;
  there_ = reached_ = 0;
  const GcsUpload upload{.session = session_, .parts = {}, .part_bytes = 0};
  if (progress_.keep && progress_.keep(upload.memo())) return std::nullopt;
  (void)bucket_.forget(name_, upload.memo());
  return attempt(Outcome::kRetry, "the session could not be kept here");
}

net::Answer GcsSession::ask() {
  return bucket_.client_->send_to_session(
      {.method = "PUT",
       .url = session_,
       .headers = {"Content-Range: bytes */" + std::to_string(source_.size)},
       .stop = progress_.stop});
}

net::Answer GcsSession::send_piece(u64 size) {
  if (size == 0) return ask();  // it has everything, and should have said that it is done
  Meter::Body body(meter_);
  const u64 end = there_ + size;
  net::Answer answer = bucket_.client_->send_to_session(
      {.method = "PUT",
       .url = session_,
       .headers = {"Content-Range: bytes " + std::to_string(there_) + '-' +
                   std::to_string(end - 1) + '/' + std::to_string(source_.size)},
       .body = {.read = source_.reader(), .at = there_, .size = size},
       .answer_ms = end == source_.size ? kEndMs : 0,
       .stop = progress_.stop,
       .sent = [&body](u64 bytes) { body.at(bytes); }});
  reached_ = std::max(reached_, end);
  if (is_status(answer, 308) || is_status(answer, 200) || is_status(answer, 201)) {
    const std::string* range = answer.header("range");
    const u64 now = !is_status(answer, 308) ? end
                    : range != nullptr      ? parse_gcs_range(*range).value_or(0)
                                            : 0;
    if (now > there_ && now <= end) body.arrived(now - there_);
  }
  return answer;
}

std::optional<Attempt> GcsSession::took(const net::Answer& answer, const std::string& doing) {
  if (is_status(answer, 200) || is_status(answer, 201)) {
    return bucket_.created(name_, answer, source_);
  }
  if (is_status(answer, 412)) return bucket_.in_the_way(name_, source_);
  if (is_status(answer, 404) || is_status(answer, 410)) {
    return attempt(Outcome::kRetry, doing + ": the session is gone, and a new one is begun");
  }
  if (!is_status(answer, 308)) {
    Attempt result = bucket_.client_->failed(answer, doing, session_);
    // The store checks the whole at the end, and takes nothing that is not what was announced.
    if (is_status(answer, 400)) {
      (void)bucket_.forget(name_, GcsUpload{session_, {}, 0}.memo());
      result.outcome = Outcome::kRetry;
    }
    return result;
  }
  const std::string* range = answer.header("range");
  const auto now = range != nullptr ? parse_gcs_range(*range) : std::optional<u64>(0);
  if (!now || *now > reached_) {
    return attempt(Outcome::kRetry, doing + ": the store says that it has more than was sent");
  }
  stands_ = *now > there_ ? 0 : stands_ + 1;
  if (stands_ >= kStandsMax) {
    return attempt(Outcome::kRetry, doing + ": the store keeps nothing of what is sent");
  }
  there_ = *now;
  return std::nullopt;
}

}  // namespace sluice::upload
