#include "upload/s3_multipart.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "upload/digest.h"
#include "upload/xml.h"

namespace sluice::upload {
namespace {

constexpr u32 kPartsMax = 10'000;
constexpr u64 kPartBytesMin = u64{5} << 20;  // of all but the last: a rule of S3
constexpr u32 kCompleteMs = 600'000;         // making an object of many parts may take minutes
constexpr u32 kPagesMax = 100;

bool is_status(const net::Answer& answer, int status) {
  return answer.end == net::Answer::End::kAnswered && answer.status == status;
}

u64 number_of(const std::string& text) {
  const bool good = !text.empty() && text.size() < 19 &&
                    text.find_first_not_of("0123456789") == std::string::npos;
  return good ? std::stoull(text) : 0;
}

}  // namespace

std::string S3Upload::memo() const {
  return nlohmann::json{{"upload", id}, {"part_bytes", part_bytes}}.dump();
}

std::optional<S3Upload> S3Upload::parse(std::string_view memo) {
  const auto json = nlohmann::json::parse(memo, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto id = json.find("upload");
  const auto part_bytes = json.find("part_bytes");
  if (id == json.end() || !id->is_string() || part_bytes == json.end() ||
      !part_bytes->is_number_unsigned() || part_bytes->get<u64>() == 0) {
    return std::nullopt;
  }
  return S3Upload{id->get<std::string>(), part_bytes->get<u64>()};
}

std::optional<S3PartPage> parse_part_page(std::string_view untrusted_xml) {
  S3PartPage page;
  S3Part part;
  u64 number = 0;
  bool good = true, more = false, seen = false;
  const bool whole = read_xml(untrusted_xml, [&](std::string_view path, const std::string& text) {
    const std::string_view prefix = "ListPartsResult";
    if (!path.starts_with(prefix)) return;
    path.remove_prefix(prefix.size());
    if (path.empty()) seen = true;
    if (path == "/Part/PartNumber") number = number_of(text);
    if (path == "/Part/Size") part.size = number_of(text);
    if (path == "/Part/ETag") part.tag = text;
    if (path == "/Part/ChecksumCRC32C") part.crc = text;
    if (path == "/IsTruncated") more = text == "true";
    if (path == "/NextPartNumberMarker") page.next = u32(std::min<u64>(number_of(text), kPartsMax));
    if (path == "/Part") {
      good = good && number >= 1 && number <= kPartsMax && page.parts.size() < kPartsMax;
      if (good) page.parts.emplace_back(u32(number), std::move(part));
      part = {};
      number = 0;
    }
  });
  if (!whole || !good || !seen) return std::nullopt;
  if (!more) page.next = 0;
  return page;
}

Attempt S3Multipart::put(std::string_view memo) {
  Attempt result = put_all(memo);
  result.sent = meter_.sent();
  return result;
}

Attempt S3Multipart::put_all(std::string_view memo) {
  bool gone = true;
  if (const auto upload = S3Upload::parse(memo)) {
    const Attempt found = find(*upload, gone);
    if (found.outcome != Outcome::kStored && !gone) return found;
  }
  if (gone) {
    if (Attempt begun = begin(); begun.outcome != Outcome::kStored) return begun;
  }
  const u32 count = Cut(source_.size, upload_.part_bytes).count();
  const Attempt sent = for_each_part(count, bucket_.options_.parts_at_once, progress_.stop,
                                     [this](u32 index) { return put_part(index); });
  return sent.outcome == Outcome::kStored ? complete() : sent;
}

Attempt S3Multipart::find(const S3Upload& upload, bool& gone) {
  const u64 count = (source_.size + upload.part_bytes - 1) / upload.part_bytes;
  if (count > kPartsMax) return attempt(Outcome::kRetry);  // a memo of something else
  upload_ = upload;
  have_.assign(count, {});
  gone = false;
  u32 behind = 0;
  for (u32 pages = 0; pages < kPagesMax; ++pages) {
    const net::Answer answer =
        bucket_.client_->send({.method = "GET",
                               .key = name_,
                               .query = {{"uploadId", upload.id},
                                         {"max-parts", "1000"},
                                         {"part-number-marker", std::to_string(behind)}},
                               .stop = progress_.stop});
    gone = is_status(answer, 404) && S3Client::said(answer).code != "NoSuchBucket";
    if (!is_status(answer, 200)) return bucket_.client_->failed(answer, "asking for parts");
    auto page = parse_part_page(answer.body);
    if (!page) return attempt(Outcome::kRetry, "asking for parts: the answer is no list of parts");
    for (auto& [number, part] : page->parts) {
      if (number <= have_.size()) have_[number - 1] = std::move(part);
    }
    if (page->next <= behind) return stored();
    behind = page->next;
  }
  return stored();
}

Attempt S3Multipart::begin() {
  const u64 wanted = std::max(bucket_.options_.part_bytes, kPartBytesMin);
  S3Upload fresh{.id = {}, .part_bytes = part_bytes_for(source_.size, wanted, kPartsMax)};
  S3Call call{.method = "POST",
              .key = name_,
              .query = {{"uploads", ""}},
              .headers = bucket_.object_headers(source_, fresh.part_bytes),
              .stop = progress_.stop};
  call.headers.emplace_back("x-amz-checksum-algorithm", "CRC32C");
  call.headers.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
  const net::Answer answer = bucket_.client_->send(call);
  if (!is_status(answer, 200)) return bucket_.client_->failed(answer, "beginning the upload");
  fresh.id = xml_text(answer.body, "InitiateMultipartUploadResult/UploadId");
  const bool printable =
      std::all_of(fresh.id.begin(), fresh.id.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (fresh.id.empty() || fresh.id.size() > 4096 || !printable) {
    return attempt(Outcome::kRetry, "beginning the upload: the answer has no id of an upload");
  }
  upload_ = fresh;
  have_.assign(Cut(source_.size, fresh.part_bytes).count(), {});
  if (progress_.keep && progress_.keep(fresh.memo())) return stored();
  give_up();
  return attempt(Outcome::kRetry, "the id of the upload could not be kept here");
}

// A part that is there counts only if it has our bytes: somebody may have changed the part size.
bool S3Multipart::has_part(u32 index, const Range& range) const {
  const S3Part& part = have_[index];
  return part.size == range.size && !part.tag.empty();
}

Attempt S3Multipart::put_part(u32 index) {
  const Range range = Cut(source_.size, upload_.part_bytes).range(index);
  const bool there = has_part(index, range);
  const auto digests =
      digests_of(source_.reader(), range.at, range.size, there ? kSha256 | kMd5 : kSha256);
  if (!digests.ok()) return attempt(digests.status());
  if (there) {
    std::string tag = have_[index].tag;
    std::erase(tag, '"');
    const bool ours = have_[index].crc.empty()
                          ? tag == hex(digests.value().md5)
                          : have_[index].crc == crc32c_text(digests.value().crc32c);
    if (ours) {
      meter_.there(range.size);
      return stored();
    }
  }
  return send_part(index, range, digests.value());
}

Attempt S3Multipart::send_part(u32 index, const Range& range, const RangeDigests& digests) {
  const std::string number = std::to_string(index + 1);
  const std::string crc = crc32c_text(digests.crc32c);
  Meter::Body body(meter_);
  const net::Answer answer =
      bucket_.client_->send({.method = "PUT",
                             .key = name_,
                             .query = {{"partNumber", number}, {"uploadId", upload_.id}},
                             .headers = {{"x-amz-checksum-crc32c", crc}},
                             .body = {.read = source_.reader(), .at = range.at, .size = range.size},
                             .sha256 = digests.sha256,
                             .stop = progress_.stop,
                             .sent = [&body](u64 bytes) { body.at(bytes); }});
  if (!is_status(answer, 200)) return bucket_.client_->failed(answer, "sending part " + number);
  const std::string* tag = answer.header("etag");
  if (tag == nullptr || tag->empty()) {
    return attempt(Outcome::kRetry, "sending part " + number + ": the answer has no ETag");
  }
  const std::string* theirs = answer.header("x-amz-checksum-crc32c");
  if (theirs != nullptr && *theirs != crc) {
    return attempt(Outcome::kRetry, "sending part " + number + ": the store has the CRC32C " +
                                        shown(*theirs, {}) + ", ours is " + crc);
  }
  have_[index] = {range.size, *tag, theirs != nullptr ? *theirs : std::string()};
  body.arrived(range.size);
  return stored();
}

Attempt S3Multipart::complete() {
  std::string xml = "<CompleteMultipartUpload>";
  for (std::size_t i = 0; i < have_.size(); ++i) {
    xml += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" +
           xml_escaped(have_[i].tag) + "</ETag>";
    if (!have_[i].crc.empty()) {
      xml += "<ChecksumCRC32C>" + xml_escaped(have_[i].crc) + "</ChecksumCRC32C>";
    }
    xml += "</Part>";
  }
  xml += "</CompleteMultipartUpload>";
  S3Call call{.method = "POST",
              .key = name_,
              .query = {{"uploadId", upload_.id}},
              .headers = {{"content-type", "application/xml"}},
              .body = {.text = xml},
              .answer_ms = kCompleteMs,
              .stop = progress_.stop};
  if (!have_.empty() && !have_.front().crc.empty()) {
    call.headers.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
    call.headers.emplace_back("x-amz-checksum-crc32c", crc32c_text(source_.crc32c));
  }
  // relaxed: see the member
  const bool condition = !bucket_.knows_no_condition_.load(std::memory_order_relaxed);
  if (condition) call.headers.emplace_back("if-none-match", "*");
  const net::Answer answer = bucket_.client_->send(call);
  if (condition && is_status(answer, 501)) {
    bucket_.knows_no_condition_.store(true, std::memory_order_relaxed);
    return attempt(Outcome::kRetry, "the store does not know If-None-Match");
  }
  return completed(answer);
}

Attempt S3Multipart::completed(const net::Answer& answer) {
  if (is_status(answer, 200)) {
    // The status is sent before the work is done, so an error may follow in the body.
    if (xml_root(answer.body) == "CompleteMultipartUploadResult") {
      Attempt result = bucket_.verified(name_, source_);
      if (result.outcome == Outcome::kStored) remove_others();
      return result;
    }
    const Said said = S3Client::said(answer);
    return attempt(Outcome::kRetry, "making the object of its parts: HTTP 200, and " +
                                        (said.code.empty() ? "no result" : shown(said.code, {})));
  }
  if (is_status(answer, 412)) {
    Attempt result = bucket_.in_the_way(name_, source_);
    if (result.outcome != Outcome::kRetry) give_up();
    return result;
  }
  // An earlier request of ours, whose answer was lost, may have made the object.
  if (is_status(answer, 404)) {
    if (auto found = bucket_.same(name_, source_)) return *found;
    return attempt(Outcome::kRetry, "the upload is gone from the store, and no object is there");
  }
  const std::string code = S3Client::said(answer).code;
  if (is_status(answer, 400) && (code == "BadDigest" || code == "InvalidPart" ||
                                 code == "InvalidPartOrder" || code == "EntityTooSmall")) {
    give_up();  // the next attempt begins from nothing
    Attempt result = bucket_.client_->failed(answer, "making the object of its parts");
    result.outcome = Outcome::kRetry;
    return result;
  }
  return bucket_.client_->failed(answer, "making the object of its parts");
}

void S3Multipart::give_up() { (void)bucket_.forget(name_, upload_.memo()); }

// Uploads of this object that a predecessor began and whose id was lost with it: none of them can
// be made whole any more. What cannot be removed now is for the bucket's own rules.
void S3Multipart::remove_others() {
  const net::Answer answer =
      bucket_.client_->send({.method = "GET",
                             .query = {{"uploads", ""}, {"prefix", name_}, {"max-uploads", "100"}},
                             .stop = progress_.stop});
  if (!is_status(answer, 200)) return;
  std::string key;
  std::string id;
  std::vector<std::string> ids;
  const bool whole = read_xml(answer.body, [&](std::string_view path, const std::string& text) {
    const std::string_view upload = "ListMultipartUploadsResult/Upload";
    if (!path.starts_with(upload)) return;
    path.remove_prefix(upload.size());
    if (path == "/Key") key = text;
    if (path == "/UploadId") id = text;
    if (!path.empty()) return;
    if (key == name_) ids.push_back(id);
    key.clear();
    id.clear();
  });
  if (!whole) return;
  for (const std::string& other : ids) {
    (void)bucket_.forget(name_, S3Upload{other, upload_.part_bytes}.memo());
  }
}

}  // namespace sluice::upload
