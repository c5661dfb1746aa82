#include "upload/gcs_parts.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "os/process.h"
#include "upload/digest.h"
#include "upload/url_text.h"

namespace sluice::upload {
namespace {

constexpr u32 kPartsMax = 10'000;
constexpr std::size_t kComposeMax = 32;  // sources of one request: a rule of the store
constexpr u32 kComposeMs = 300'000;
constexpr u32 kPagesMax = 1000;

std::string folder_of(const std::string& name, const std::string& id) {
  return name + ".tmp." + id + '/';
}

std::string numbered(const std::string& folder, const std::string& kind, u32 index) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%05u", index);
  return folder + kind + digits;
}

// Ours, and nothing that only begins in the same way.
bool is_part_name(std::string_view text, const std::string& name) {
  const std::string prefix = name + ".tmp.";
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return text.size() > 18 && text.find_first_not_of("0123456789abcdef") == 16 && text[16] == '/' &&
         (text[17] == 'p' || text[17] == 'c') &&
         text.find_first_not_of("0123456789.", 18) == std::string_view::npos;
}

// Calls `each` for all objects with that prefix.
template <class Each>
Attempt list(GcsClient& client, const std::string& prefix, const std::stop_token& stop,
             const Each& each) {
  std::string next;
  for (u32 pages = 0; pages < kPagesMax; ++pages) {
    std::string url = client.objects() + "?prefix=" + url_encoded(prefix) +
                      "&fields=items(name,size,crc32c,generation),nextPageToken";
    if (!next.empty()) url += "&pageToken=" + url_encoded(next);
    const net::Answer answer = client.send({.url = url, .stop = stop, .answer_max = 4 << 20});
    if (!is_status(answer, 200)) return client.failed(answer, "asking for parts");
    auto page = parse_gcs_page(answer.body);
    if (!page) return attempt(Outcome::kRetry, "asking for parts: the answer is no list");
    for (GcsObject& object : page->objects) each(std::move(object));
    next = page->next;
    if (next.empty()) break;
  }
  return stored();
}

}  // namespace

Attempt GcsParts::remove_all(GcsBucket& bucket, const std::string& name, const std::string& id) {
  std::vector<GcsObject> objects;
  const std::string prefix = id.empty() ? name + ".tmp." : folder_of(name, id);
  Attempt result = list(*bucket.client_, prefix, {}, [&](GcsObject&& object) {
    if (is_part_name(object.name, name)) objects.push_back(std::move(object));
  });
  for (const GcsObject& object : objects) {
    const net::Answer answer = bucket.client_->send(
        {.method = "DELETE",
         .url = bucket.client_->object(object.name) + "?ifGenerationMatch=" + object.generation});
    const bool gone = is_status(answer, 200) || is_status(answer, 204) || is_status(answer, 404);
    if (!gone) result = bucket.client_->failed(answer, "removing a part");
  }
  return result;
}

Attempt GcsParts::put(const std::optional<GcsUpload>& before) {
  Attempt result = put_all(before);
  result.sent = meter_.sent();
  return result;
}

Attempt GcsParts::put_all(const std::optional<GcsUpload>& before) {
  // Before gigabytes go out in vain; who may not ask is told at the end.
  const net::Answer there = bucket_.ask_for(name_);
  if (is_status(there, 200)) {
    return cleaned(bucket_.in_the_way(name_, source_));
  }
  if (!is_status(there, 404) && !is_status(there, 403)) {
    return bucket_.client_->failed(there, "asking what is there");
  }
  if (before) {
    upload_ = *before;
    if (Attempt found = find(); found.outcome != Outcome::kStored) return found;
  }
  if (!before || source_.size / upload_.part_bytes >= kPartsMax) {
    if (Attempt begun = begin(); begun.outcome != Outcome::kStored) return begun;
  }
  const u32 count = Cut(source_.size, upload_.part_bytes).count();
  pieces_.assign(count, {});
  const Attempt sent = for_each_part(count, bucket_.options_.parts_at_once, progress_.stop,
                                     [this](u32 index) { return put_part(index); });
  return sent.outcome == Outcome::kStored ? compose_all() : sent;
}

Attempt GcsParts::begin() {
  char random[8];
  os::random_bytes(random, sizeof random);
  upload_ = {{},
             hex({random, sizeof random}),
             part_bytes_for(source_.size, bucket_.options_.part_bytes, kPartsMax)};
  if (progress_.keep && progress_.keep(upload_.memo())) return stored();
  return attempt(Outcome::kRetry, "the id of the parts could not be kept here");
}

Attempt GcsParts::find() {
  return list(*bucket_.client_, folder_of(name_, upload_.parts), progress_.stop,
              [this](GcsObject&& object) { found_[object.name] = std::move(object); });
}

Attempt GcsParts::take(const GcsObject& object, Piece& piece, u64 size, const std::string& crc) {
  if (object.size == size && (crc.empty() || object.crc32c == crc)) {
    piece.generation = object.generation;
    piece.size = size;
    return stored();
  }
  bucket_.remove(object.name, object.generation);
  return attempt(Outcome::kRetry, "a part that is there has other bytes; it was removed");
}

Attempt GcsParts::put_part(u32 index) {
  const Range range = Cut(source_.size, upload_.part_bytes).range(index);
  const auto digests = digests_of(source_.reader(), range.at, range.size, 0);
  if (!digests.ok()) return attempt(digests.status());
  const std::string crc = crc32c_text(digests.value().crc32c);
  Piece& piece = pieces_[index];
  piece.name = numbered(folder_of(name_, upload_.parts), "p", index);
  if (const auto found = found_.find(piece.name); found != found_.end()) {
    if (take(found->second, piece, range.size, crc).outcome == Outcome::kStored) {
      meter_.there(range.size);
      return stored();
    }
  }
  return send_part(piece, range, crc);
}

Attempt GcsParts::send_part(Piece& piece, const Range& range, const std::string& crc) {
  Meter::Body body(meter_);
  net::Answer answer = bucket_.client_->send(
      {.method = "POST",
       .url = bucket_.client_->upload(piece.name, "media"),
       .headers = {"Content-Type: application/octet-stream", "x-goog-hash: crc32c=" + crc},
       .body = {.read = source_.reader(), .at = range.at, .size = range.size},
       .stop = progress_.stop,
       .sent = [&body](u64 bytes) { body.at(bytes); }});
  // An earlier request of ours, whose answer was lost, may have made it.
  if (is_status(answer, 412)) answer = bucket_.ask_for(piece.name);
  if (!is_status(answer, 200)) return bucket_.client_->failed(answer, "sending a part");
  const auto object = parse_gcs_object(answer.body);
  if (!object) return attempt(Outcome::kRetry, "sending a part: the answer describes no object");
  Attempt taken = take(*object, piece, range.size, crc);
  if (taken.outcome == Outcome::kStored) body.arrived(range.size);
  return taken;
}

net::Answer GcsParts::ask_to_compose(const std::vector<Piece>& from, const std::string& to,
                                     bool last) {
  nlohmann::json sources = nlohmann::json::array();
  for (const Piece& piece : from) {
    sources.push_back({{"name", piece.name}, {"generation", piece.generation}});
  }
  nlohmann::json about = {
      {"contentType", last ? source_.content_type : "application/octet-stream"}};
  if (last && source_.packed) about["metadata"] = gcs_metadata(*source_.packed);
  const nlohmann::json body = {{"sourceObjects", std::move(sources)},
                               {"destination", std::move(about)}};
  return bucket_.client_->send(
      {.method = "POST",
       .url = bucket_.client_->object(to) + "/compose?ifGenerationMatch=0",
       .headers = {"Content-Type: application/json; charset=UTF-8"},
       .body = {.text = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)},
       .answer_ms = kComposeMs,
       .stop = progress_.stop});
}

Attempt GcsParts::compose(const std::vector<Piece>& from, Piece& to) {
  u64 size = 0;
  for (const Piece& piece : from) size += piece.size;
  if (const auto found = found_.find(to.name); found != found_.end()) {
    if (take(found->second, to, size, "").outcome == Outcome::kStored) return stored();
  }
  net::Answer answer = ask_to_compose(from, to.name, false);
  if (is_status(answer, 412)) answer = bucket_.ask_for(to.name);
  if (!is_status(answer, 200)) return bucket_.client_->failed(answer, "composing parts");
  const auto object = parse_gcs_object(answer.body);
  if (!object) return attempt(Outcome::kRetry, "composing parts: the answer describes no object");
  return take(*object, to, size, "");
}

Attempt GcsParts::compose_all() {
  std::vector<Piece> level = std::move(pieces_);
  const std::string folder = folder_of(name_, upload_.parts);
  for (u32 number = 1; level.size() > kComposeMax; ++number) {
    std::vector<Piece> above;
    for (std::size_t at = 0; at < level.size(); at += kComposeMax) {
      if (progress_.stop.stop_requested()) return attempt(Outcome::kStopped, "stopped");
      const auto begin = level.begin() + std::ptrdiff_t(at);
      const auto end = level.begin() + std::ptrdiff_t(std::min(at + kComposeMax, level.size()));
      Piece piece{numbered(folder, "c" + std::to_string(number) + '.', u32(above.size())), {}, 0};
      if (Attempt made = compose({begin, end}, piece); made.outcome != Outcome::kStored) {
        return made;
      }
      above.push_back(std::move(piece));
    }
    level = std::move(above);
  }
  return compose_object(level);
}

Attempt GcsParts::compose_object(const std::vector<Piece>& from) {
  const net::Answer answer = ask_to_compose(from, name_, true);
  Attempt result;
  if (is_status(answer, 200)) {
    result = bucket_.created(name_, answer, source_);
    // The parts are right one by one, and not together: the next attempt makes them anew.
    if (result.outcome != Outcome::kStored) (void)remove_all(bucket_, name_, upload_.parts);
  } else if (is_status(answer, 412)) {
    result = bucket_.in_the_way(name_, source_);
  } else {
    return bucket_.client_->failed(answer, "composing the object");
  }
  if (result.outcome == Outcome::kExists) (void)remove_all(bucket_, name_, upload_.parts);
  return cleaned(std::move(result));
}

// What is left of others that began it can never become the object any more. The attempt is at its
// end when all of it is gone, or may not be removed.
Attempt GcsParts::cleaned(Attempt result) {
  if (result.outcome != Outcome::kStored) return result;
  Attempt removed = remove_all(bucket_, name_, "");
  if (removed.outcome != Outcome::kRetry) return result;
  removed.why = "the object is there, and its parts still are: " + removed.why;
  return removed;
}

}  // namespace sluice::upload
