// Where files go: the URL of a bucket and a prefix, and the name that a file gets there.
//
//   gs://bucket/prefix   s3://bucket/prefix   file:///dir   /dir   dir
//
// Threading: values.
#ifndef SLUICE_SRC_UPLOAD_DESTINATION_H_
#define SLUICE_SRC_UPLOAD_DESTINATION_H_

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace sluice::upload {

enum class Layout {
  kFlat,  // PREFIX/FILE
  kHive,  // PREFIX/event=EVENT/date=YYYY-MM-DD/hour=HH/FILE
};

inline constexpr std::size_t kObjectBytesMax = 1024;  // as GCS and S3 have it

class Destination {
 public:
  // `endpoint`: as endpoint_of() has it; it is part of what a destination is.
  [[nodiscard]] static Result<Destination> parse(std::string_view url, std::string_view endpoint);

  // What open_bucket() gets: without the prefix.
  [[nodiscard]] const std::string& bucket() const { return bucket_; }
  // Of a directory on this machine; empty else.
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  // Names the object among those of all destinations.
  [[nodiscard]] std::string key_of(std::string_view object) const;
  // The object of a key of this destination; empty: it is of another one.
  [[nodiscard]] std::string_view object_of(std::string_view key) const;

  // The name of the object that the file becomes, with `ending` behind it. Not ok: no store would
  // take it, and why.
  [[nodiscard]] Result<std::string> object_for(Layout layout, std::string_view file_name,
                                               i64 modified_ns, std::string_view ending = {}) const;

 private:
  std::string bucket_;
  std::string directory_;
  std::string prefix_;  // empty, or ends with '/'
  std::string key_;     // what the keys begin with
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_DESTINATION_H_
