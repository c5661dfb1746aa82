// An object of S3 that goes up in parts, and goes on where an earlier attempt ended.
//
// Threading: an object is one attempt of one thread, which starts others for the parts.
#ifndef SLUICE_SRC_UPLOAD_S3_MULTIPART_H_
#define SLUICE_SRC_UPLOAD_S3_MULTIPART_H_

#include <optional>
#include <string>
#include <vector>

#include "upload/digest.h"
#include "upload/s3_bucket.h"

namespace sluice::upload {

// What the memo holds.
struct S3Upload {
  std::string id;
  u64 part_bytes = 0;

  [[nodiscard]] std::string memo() const;
  [[nodiscard]] static std::optional<S3Upload> parse(std::string_view memo);
};

// A part that the store has.
struct S3Part {
  u64 size = 0;
  std::string tag;
  std::string crc;  // base64, empty where the store keeps none
};
// A page of the parts of an upload, by number from 1.
struct S3PartPage {
  std::vector<std::pair<u32, S3Part>> parts;
  u32 next = 0;  // the number behind which the next page begins; 0: this is the last
};
// No value: the XML is not such a page.
[[nodiscard]] std::optional<S3PartPage> parse_part_page(std::string_view untrusted_xml);

class S3Multipart {
 public:
  S3Multipart(S3Bucket& bucket, const std::string& name, const Source& source,
              const Progress& progress)
      : bucket_(bucket), name_(name), source_(source), progress_(progress), meter_(progress) {}

  Attempt put(std::string_view memo);

 private:
  Attempt put_all(std::string_view memo);
  // kStored when upload_ is there and have_ is filled.
  Attempt find(const S3Upload& upload, bool& gone);
  Attempt begin();
  Attempt put_part(u32 index);
  Attempt send_part(u32 index, const Range& range, const RangeDigests& digests);
  [[nodiscard]] bool has_part(u32 index, const Range& range) const;
  Attempt complete();
  Attempt completed(const net::Answer& answer);
  void give_up();
  void remove_others();

  S3Bucket& bucket_;
  const std::string& name_;
  const Source& source_;
  const Progress& progress_;
  Meter meter_;
  S3Upload upload_;
  std::vector<S3Part> have_;  // by index; each is written by the thread of its part only
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_S3_MULTIPART_H_
