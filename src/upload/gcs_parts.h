// An object of Google Cloud Storage that goes up as several objects at once, which the store then
// composes, 32 at a time: NAME.tmp.ID/p00000 are the parts, NAME.tmp.ID/c1.00000 what is composed
// of them where there are more than 32.
//
// Threading: an object is one attempt of one thread, which starts others for the parts.
#ifndef SLUICE_SRC_UPLOAD_GCS_PARTS_H_
#define SLUICE_SRC_UPLOAD_GCS_PARTS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "upload/gcs_bucket.h"

namespace sluice::upload {

class GcsParts {
 public:
  GcsParts(GcsBucket& bucket, const std::string& name, const Source& source,
           const Progress& progress)
      : bucket_(bucket), name_(name), source_(source), progress_(progress), meter_(progress) {}

  Attempt put(const std::optional<GcsUpload>& before);

  // Removes the parts of one upload; with an empty id those of all uploads of the object.
  static Attempt remove_all(GcsBucket& bucket, const std::string& name, const std::string& id);

 private:
  struct Piece {
    std::string name;
    std::string generation;
    u64 size = 0;
  };

  Attempt put_all(const std::optional<GcsUpload>& before);
  Attempt begin();
  Attempt find();
  Attempt put_part(u32 index);
  Attempt send_part(Piece& piece, const Range& range, const std::string& crc);
  // Fills `piece` from an object that is there; an object with other content is removed.
  Attempt take(const GcsObject& object, Piece& piece, u64 size, const std::string& crc);
  Attempt compose_all();
  Attempt compose(const std::vector<Piece>& from, Piece& to);
  Attempt cleaned(Attempt result);
  Attempt compose_object(const std::vector<Piece>& from);
  net::Answer ask_to_compose(const std::vector<Piece>& from, const std::string& to, bool last);

  GcsBucket& bucket_;
  const std::string& name_;
  const Source& source_;
  const Progress& progress_;
  Meter meter_;
  GcsUpload upload_;
  std::map<std::string, GcsObject> found_;  // what an earlier attempt left; only read by parts
  std::vector<Piece> pieces_;               // by index; each is written by its part's thread only
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_GCS_PARTS_H_
