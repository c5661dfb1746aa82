// Gives every record to a function of the program's, one at a time.
//
// Records of sink threads do not come here (counted as filtered): a callback that logs would feed
// itself. A callback that throws has had its record; the exception ends here, is counted, and said
// once. At least once: after a kill in a callback its record is not repeated by recovery, which
// cannot call into a program that is gone.
//
// Threading: single-owner; the callback runs on the sink's thread. Blocking: as the callback.
#ifndef SLUICE_SRC_SINK_CALLBACK_SINK_H_
#define SLUICE_SRC_SINK_CALLBACK_SINK_H_

#include <string>

#include "record/json_lines.h"
#include "sink/selection.h"

namespace sluice::sink {

class CallbackSink final : public back::Sink {
 public:
  explicit CallbackSink(const back::SinkConfig& config)
      : function_(config.callback), user_(config.user), selection_(config, true) {}

  Status open(const back::Catalog&, back::Cursor&) override { return {}; }
  Status write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) override;
  Status write_gap(u64 missed_now, u64 missed_in_all) override;
  Status flush(bool) override { return {}; }
  Status close() override { return {}; }
  [[nodiscard]] bool can_be_durable() const override { return false; }

  [[nodiscard]] u64 exceptions() const { return exceptions_; }

 private:
  Status write_batch(const BatchView& batch, back::Catalog& catalog, back::Cursor& cursor);
  void call(const Entry& entry);

  void (*const function_)(const CallbackRecord&, void*);
  void* const user_;
  Selection selection_;
  JsonLines json_;
  TextBuffer json_text_;
  MessageText message_;
  u64 exceptions_ = 0;
  u64 missed_now_ = 0;
  u64 missed_in_all_ = 0;
  std::string report_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_CALLBACK_SINK_H_
