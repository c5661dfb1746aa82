// A bucket of Google Cloud Storage, by its JSON interface.
//
// Up to 8 MiB go up in one request. More goes up in a resumable session, of which the store says
// how much it has; and what is larger than two parts, where several may go at once, as objects of
// their own, NAME.tmp.ID/p00000 and so on, which the store then composes, 32 at a time. All of them
// are created only if there is none (ifGenerationMatch=0), and carry their CRC32C, which the store
// checks; at the end its size and CRC32C of the whole object are compared with ours.
//
// The memo is JSON: {"session": URL} or {"parts": ID, "part_bytes": n}.
//
// Threading: thread-safe; a part is sent by a thread of its own.
#ifndef SLUICE_SRC_UPLOAD_GCS_BUCKET_H_
#define SLUICE_SRC_UPLOAD_GCS_BUCKET_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "upload/gcs_client.h"
#include "upload/parts.h"

namespace sluice::upload {

class GcsBucket final : public Bucket {
 public:
  static Result<std::unique_ptr<Bucket>> open(const std::string& bucket,
                                              const BucketOptions& options);

  Attempt put(const std::string& name, const Source& source, std::string_view memo,
              const Progress& progress) override;
  std::optional<Attempt> same(const std::string& name, const Source& source) override;
  Attempt forget(const std::string& name, std::string_view memo) override;

 private:
  friend class GcsSession;
  friend class GcsParts;
  GcsBucket(std::unique_ptr<GcsClient> client, const BucketOptions& options)
      : client_(std::move(client)), options_(options) {}
  Attempt put_whole(const std::string& name, const Source& source, const Progress& progress);
  // The answer is of a request that created the object: kStored, or it is removed again.
  Attempt created(const std::string& name, const net::Answer& answer, const Source& source);
  // After an answer that there is one already.
  Attempt in_the_way(const std::string& name, const Source& source);
  net::Answer ask_for(const std::string& name);
  void remove(const std::string& name, const std::string& generation);

  std::unique_ptr<GcsClient> client_;
  const BucketOptions options_;
};

// As the store has it in an object's description.
[[nodiscard]] nlohmann::json gcs_metadata(const PackedFile& packed);

// 200 with a body that says so.
[[nodiscard]] bool is_status(const net::Answer& answer, int status);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_GCS_BUCKET_H_
