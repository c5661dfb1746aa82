#include "upload/gcs_bucket.h"

#include "upload/digest.h"
#include "upload/gcs_parts.h"
#include "upload/gcs_session.h"

namespace sluice::upload {
namespace {

constexpr u64 kWholeMax = u64{8} << 20;
constexpr std::size_t kPartedNameMax = 960;  // names of parts are longer, and end at 1024

Attempt compared(const GcsObject& object, const Source& source) {
  const auto said = [&object](const std::string& entry) {
    const auto at = object.metadata.find(entry);
    return at != object.metadata.end() ? at->second : std::string();
  };
  if (source.packed && source.packed->is_in(said, object.crc32c)) return stored();
  if (object.size != source.size) {
    return attempt(Outcome::kExists, "an object with other content is there: its size is " +
                                         std::to_string(object.size) + ", ours " +
                                         std::to_string(source.size));
  }
  const std::string ours = crc32c_text(source.crc32c);
  if (object.crc32c == ours) return stored();
  return attempt(Outcome::kExists, "an object with other content is there: its CRC32C is " +
                                       shown(object.crc32c, {}) + ", ours " + ours);
}

}  // namespace

Result<std::unique_ptr<Bucket>> GcsBucket::open(const std::string& bucket,
                                                const BucketOptions& options) {
  auto client = GcsClient::open(bucket, options);
  if (!client.ok()) return client.status();
  return std::unique_ptr<Bucket>(new GcsBucket(std::move(client.value()), options));
}

net::Answer GcsBucket::ask_for(const std::string& name) {
  return client_->send({.url = client_->object(name)});
}

std::optional<Attempt> GcsBucket::same(const std::string& name, const Source& source) {
  const net::Answer answer = ask_for(name);
  if (is_status(answer, 404)) return std::nullopt;
  if (!is_status(answer, 200)) return client_->failed(answer, "asking what is there");
  const auto object = parse_gcs_object(answer.body);
  if (!object) return attempt(Outcome::kRetry, "asking what is there: the answer is no object");
  return compared(*object, source);
}

Attempt GcsBucket::in_the_way(const std::string& name, const Source& source) {
  const auto found = same(name, source);
  if (found) return *found;
  return attempt(Outcome::kRetry,
                 "the store says that the object exists, and then that it does "
                 "not: something else works on it");
}

void GcsBucket::remove(const std::string& name, const std::string& generation) {
  (void)client_->send(
      {.method = "DELETE", .url = client_->object(name) + "?ifGenerationMatch=" + generation});
}

Attempt GcsBucket::created(const std::string& name, const net::Answer& answer,
                           const Source& source) {
  const auto object = parse_gcs_object(answer.body);
  // The object is there, and the next attempt finds out whether it is ours.
  if (!object) return attempt(Outcome::kRetry, "the store's answer describes no object");
  const Attempt result = compared(*object, source);
  if (result.outcome == Outcome::kStored) return result;
  // It is this very content, which nobody else made.
  remove(name, object->generation);
  return attempt(Outcome::kRetry, "what the store made of it has the size " +
                                      std::to_string(object->size) + " and the CRC32C " +
                                      shown(object->crc32c, {}) + ", not ours; it was removed");
}

Attempt GcsBucket::put(const std::string& name, const Source& source, std::string_view memo,
                       const Progress& progress) {
  if (progress.stop.stop_requested()) return attempt(Outcome::kStopped, "stopped");
  const auto upload = GcsUpload::parse(memo);
  // One request carries no metadata.
  if ((!upload && source.size <= kWholeMax && !source.packed) || source.size == 0) {
    return put_whole(name, source, progress);
  }
  const bool in_parts = upload ? upload->session.empty()
                               : options_.parts_at_once > 1 && name.size() <= kPartedNameMax &&
                                     source.size > 2 * options_.part_bytes;
  if (in_parts) return GcsParts(*this, name, source, progress).put(upload);
  return GcsSession(*this, name, source, progress).put(upload);
}

Attempt GcsBucket::put_whole(const std::string& name, const Source& source,
                             const Progress& progress) {
  Meter meter(progress);
  Attempt result;
  {
    Meter::Body body(meter);
    const net::Answer answer =
        client_->send({.method = "POST",
                       .url = client_->upload(name, "media"),
                       .headers = {"Content-Type: " + source.content_type,
                                   "x-goog-hash: crc32c=" + crc32c_text(source.crc32c)},
                       .body = {.read = source.reader(), .at = 0, .size = source.size},
                       .stop = progress.stop,
                       .sent = [&body](u64 bytes) { body.at(bytes); }});
    if (is_status(answer, 200)) {
      body.arrived(source.size);
      result = created(name, answer, source);
    } else if (is_status(answer, 412)) {
      result = in_the_way(name, source);
    } else {
      result = client_->failed(answer, "sending the object");
    }
  }
  result.sent = meter.sent();
  return result;
}

Attempt GcsBucket::forget(const std::string& name, std::string_view memo) {
  const auto upload = GcsUpload::parse(memo);
  if (!upload) return stored();
  if (upload->session.empty()) return GcsParts::remove_all(*this, name, upload->parts);
  if (!client_->is_ours(upload->session)) return stored();
  const net::Answer answer = client_->send_to_session({.method = "DELETE", .url = upload->session});
  for (const int gone : {200, 204, 404, 410, 499}) {
    if (is_status(answer, gone)) return stored();
  }
  return client_->failed(answer, "giving up the session", upload->session);
}

nlohmann::json gcs_metadata(const PackedFile& packed) {
  nlohmann::json metadata;
  for (auto& [name, value] : packed.metadata()) metadata[name] = value;
  return metadata;
}

bool is_status(const net::Answer& answer, int status) {
  return answer.end == net::Answer::End::kAnswered && answer.status == status;
}

}  // namespace sluice::upload
