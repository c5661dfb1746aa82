// An object that goes up in a resumable session of Google Cloud Storage ("Resumable uploads" in
// its documentation): the store says how much it has, and we go on behind that.
//
// Threading: single-owner.
#ifndef SLUICE_SRC_UPLOAD_GCS_SESSION_H_
#define SLUICE_SRC_UPLOAD_GCS_SESSION_H_

#include <optional>
#include <string>

#include "upload/gcs_bucket.h"

namespace sluice::upload {

class GcsSession {
 public:
  GcsSession(GcsBucket& bucket, const std::string& name, const Source& source,
             const Progress& progress)
      : bucket_(bucket), name_(name), source_(source), progress_(progress), meter_(progress) {}

  Attempt put(const std::optional<GcsUpload>& before);

 private:
  // What an answer of the session means: the end of the attempt, or none: go on at `there_`.
  std::optional<Attempt> took(const net::Answer& answer, const std::string& doing);
  Attempt put_all(const std::optional<GcsUpload>& before);
  std::optional<Attempt> begin();  // none: session_ is there
  net::Answer ask();
  net::Answer send_piece(u64 size);

  GcsBucket& bucket_;
  const std::string& name_;
  const Source& source_;
  const Progress& progress_;
  Meter meter_;
  std::string session_;
  u64 there_ = 0;    // bytes that the store has
  u64 reached_ = 0;  // bytes that we have sent: it can have no more
  u32 stands_ = 0;   // answers in a row that brought nothing
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_GCS_SESSION_H_
