#include "upload/s3_bucket.h"

#include "upload/digest.h"
#include "upload/s3_multipart.h"

namespace sluice::upload {
namespace {

constexpr char kPartBytes[] = "sluice-part-bytes";

bool is_answered(const net::Answer& answer, int status) {
  return answer.end == net::Answer::End::kAnswered && answer.status == status;
}

bool is_whole_number(const std::string& text) {
  return !text.empty() && text.size() < 20 &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

u64 number_in(const std::string* text) {
  return text != nullptr && is_whole_number(*text) ? std::stoull(*text) : 0;
}

// The MD5 in an ETag and, for an object in parts, how many: "0123..ef-3". No value: it is no MD5.
struct TagMd5 {
  std::string md5;  // raw
  u64 parts = 0;    // 0: one MD5 over everything
};
std::optional<TagMd5> parse_tag(std::string tag) {
  std::erase(tag, '"');
  TagMd5 out;
  if (const std::size_t dash = tag.find('-'); dash != std::string::npos) {
    const std::string count = tag.substr(dash + 1);
    out.parts = number_in(&count);
    if (out.parts == 0 || out.parts > 10'000) return std::nullopt;
    tag.resize(dash);
  }
  const auto raw = from_hex(tag);
  if (!raw || raw->size() != 16) return std::nullopt;
  out.md5 = *raw;
  return out;
}

// The MD5 that a store makes of an object: of its bytes, or of the MD5s of its parts.
Result<std::string> md5_of(const Source& source, const TagMd5& tag, u64 part_bytes) {
  if (tag.parts == 0) {
    auto all = digests_of(source.reader(), 0, source.size, kMd5);
    if (!all.ok()) return all.status();
    return all.value().md5;
  }
  const Cut cut(source.size, part_bytes);
  if (cut.count() != tag.parts) return std::string();
  std::string md5s;
  const os::ReadAt read = source.reader();
  for (u32 i = 0; i < cut.count(); ++i) {
    const Range range = cut.range(i);
    auto part = digests_of(read, range.at, range.size, kMd5);
    if (!part.ok()) return part.status();
    md5s += part.value().md5;
  }
  return md5(md5s);
}

Attempt other_content(const std::string& what, const std::string& theirs, const std::string& ours) {
  return attempt(Outcome::kExists, "an object with other content is there: its " + what + " is " +
                                       shown(theirs, {}) + ", ours " + ours);
}

// Of all of the object, base64; empty: the store does not say.
std::string crc_of_all(const net::Answer& head, bool google) {
  if (google) {  // "crc32c=n03x6A==" in a header of its own, or "crc32c=n03x6A==,md5=..."
    constexpr std::string_view kBegin = "crc32c=";
    for (const auto& [name, value] : head.headers) {
      const std::size_t at = name == "x-goog-hash" ? value.find(kBegin) : std::string::npos;
      if (at == std::string::npos) continue;
      const std::size_t begin = at + kBegin.size();
      return value.substr(begin, value.find(',', begin) - begin);
    }
    return {};
  }
  const std::string* crc = head.header("x-amz-checksum-crc32c");
  const std::string* type = head.header("x-amz-checksum-type");
  const bool of_all = crc != nullptr && (type == nullptr || *type == "FULL_OBJECT") &&
                      crc->find('-') == std::string::npos;
  return of_all ? *crc : std::string();
}

}  // namespace

Result<std::unique_ptr<Bucket>> S3Bucket::open(const std::string& bucket,
                                               const BucketOptions& options,
                                               const Dialect& dialect) {
  auto client = S3Client::open(bucket, options, dialect);
  if (!client.ok()) return client.status();
  return std::unique_ptr<Bucket>(new S3Bucket(std::move(client.value()), options));
}

std::vector<std::pair<std::string, std::string>> S3Bucket::object_headers(const Source& source,
                                                                          u64 part_bytes) const {
  std::vector<std::pair<std::string, std::string>> headers = {
      {"content-type", source.content_type}};
  if (source.packed) {
    for (const auto& [name, value] : source.packed->metadata()) {
      headers.emplace_back(metadata_header(name), value);
    }
  }
  if (part_bytes > 0) headers.emplace_back(metadata_header(kPartBytes), std::to_string(part_bytes));
  return headers;
}

std::optional<Attempt> S3Bucket::compared(const net::Answer& head, const Source& source) const {
  if (is_answered(head, 404)) return std::nullopt;
  if (!is_answered(head, 200)) return client_->failed(head, "asking what is there");
  const std::string* length = head.header("content-length");
  if (length == nullptr || !is_whole_number(*length)) {
    return attempt(Outcome::kRetry, "asking what is there: the answer names no size");
  }
  const u64 size = number_in(length);
  const std::string crc = crc_of_all(head, client_->is_google());
  const auto said = [this, &head](const std::string& name) {
    const std::string* value = head.header(metadata_header(name));
    return value != nullptr ? *value : std::string();
  };
  if (source.packed && source.packed->is_in(said, crc)) return stored();
  if (size != source.size) {
    return other_content("size", std::to_string(size), std::to_string(source.size));
  }
  if (!crc.empty()) {
    const std::string ours = crc32c_text(source.crc32c);
    return crc == ours ? stored() : other_content("CRC32C", crc, ours);
  }
  const std::string* tag = head.header("etag");
  const auto theirs = tag != nullptr ? parse_tag(*tag) : std::nullopt;
  if (!theirs) {
    return attempt(Outcome::kExists,
                   "an object of that size is there, and the store keeps neither a CRC32C nor an "
                   "MD5 to compare it by");
  }
  const u64 cut = number_in(head.header(metadata_header(kPartBytes)));
  const auto ours = md5_of(source, *theirs, cut > 0 ? cut : options_.part_bytes);
  if (!ours.ok()) return attempt(ours.status());
  return ours.value() == theirs->md5 ? stored() : other_content("ETag", *tag, hex(ours.value()));
}

std::string S3Bucket::metadata_header(const std::string& name) const {
  return std::string(client_->dialect().prefix) + "meta-" + name;
}

net::Answer S3Bucket::ask_for(const std::string& name, const std::stop_token& stop) {
  S3Call call{.method = "HEAD", .key = name, .stop = stop};
  if (!client_->is_google()) call.headers = {{"x-amz-checksum-mode", "ENABLED"}};
  return client_->send(call);
}

std::optional<Attempt> S3Bucket::same(const std::string& name, const Source& source) {
  return compared(ask_for(name), source);
}

Attempt S3Bucket::verified(const std::string& name, const Source& source) {
  const auto found = same(name, source);
  if (found) return *found;
  return attempt(Outcome::kRetry, "the store took the object, and then says that there is none");
}

Attempt S3Bucket::in_the_way(const std::string& name, const Source& source) {
  const auto found = same(name, source);
  if (found) return *found;
  return attempt(Outcome::kRetry,
                 "the store says that the object exists, and then that it does "
                 "not: something else works on it");
}

Attempt S3Bucket::put(const std::string& name, const Source& source, std::string_view memo,
                      const Progress& progress) {
  if (progress.stop.stop_requested()) return attempt(Outcome::kStopped, "stopped");
  const net::Answer head = ask_for(name, progress.stop);
  // Who may not list a bucket is told 403 of what is not there: then only the condition helps.
  const bool unknown = is_answered(head, 403);
  if (!unknown) {
    if (auto found = compared(head, source)) {
      // What a predecessor of ours began before it was there will never be made whole.
      if (!memo.empty() && found->outcome == Outcome::kStored) (void)forget(name, memo);
      return *found;
    }
  }
  const bool small = memo.empty() && source.size <= options_.part_bytes;
  if (small || source.size == 0 || client_->is_google()) {
    return put_whole(name, source, progress);
  }
  return S3Multipart(*this, name, source, progress).put(memo);
}

Attempt S3Bucket::put_whole(const std::string& name, const Source& source,
                            const Progress& progress) {
  const auto digests = digests_of(source.reader(), 0, source.size, kSha256);
  if (!digests.ok()) return attempt(digests.status());
  if (digests.value().crc32c != source.crc32c) {
    return attempt(Outcome::kRefused, "the file is not what it was when it was sealed");
  }
  Meter meter(progress);
  Attempt result;
  {
    Meter::Body body(meter);
    S3Call call{.method = "PUT",
                .key = name,
                .headers = object_headers(source, 0),
                .body = {.read = source.reader(), .at = 0, .size = source.size},
                .sha256 = digests.value().sha256,
                .stop = progress.stop,
                .sent = [&body](u64 bytes) { body.at(bytes); }};
    const std::string crc = crc32c_text(source.crc32c);
    const bool google = client_->is_google();
    call.headers.emplace_back(google ? "x-goog-hash" : "x-amz-checksum-crc32c",
                              google ? "crc32c=" + crc : crc);
    // relaxed: see the member
    const bool condition = !knows_no_condition_.load(std::memory_order_relaxed);
    if (google) {
      call.headers.emplace_back("x-goog-if-generation-match", "0");
    } else if (condition) {
      call.headers.emplace_back("if-none-match", "*");
    }
    const net::Answer answer = client_->send(call);
    if (is_answered(answer, 200)) {
      body.arrived(source.size);
      result = verified(name, source);
    } else if (is_answered(answer, 412)) {
      result = in_the_way(name, source);
    } else {
      if (condition && !google && is_answered(answer, 501)) {
        knows_no_condition_.store(true, std::memory_order_relaxed);
        result = attempt(Outcome::kRetry, "the store does not know If-None-Match");
      } else {
        result = client_->failed(answer, "sending the object");
      }
    }
  }
  result.sent = meter.sent();
  return result;
}

Attempt S3Bucket::forget(const std::string& name, std::string_view memo) {
  const auto upload = S3Upload::parse(memo);
  if (!upload) return stored();
  const net::Answer answer =
      client_->send({.method = "DELETE", .key = name, .query = {{"uploadId", upload->id}}});
  if (is_answered(answer, 204) || is_answered(answer, 200) || is_answered(answer, 404)) {
    return stored();
  }
  return client_->failed(answer, "giving up the unfinished upload");
}

}  // namespace sluice::upload
