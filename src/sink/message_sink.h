// syslog and journald: every record as one message to a receiver on a socket (sink/receiver.h).
//
// Best-effort unless it is asked for otherwise: while the receiver is absent or full nobody waits
// but this sink's thread; what the journal cannot hold meanwhile is counted, and said in the output
// when the receiver is back. At least once: after a kill the message that was under way is sent
// again.
//
// Threading: single-owner. Blocking: as Receiver.
#ifndef SLUICE_SRC_SINK_MESSAGE_SINK_H_
#define SLUICE_SRC_SINK_MESSAGE_SINK_H_

#include <memory>
#include <string>

#include "sink/line_format.h"
#include "sink/receiver.h"
#include "sink/selection.h"

namespace sluice::sink {

class MessageSink final : public back::Sink {
 public:
  // `io` must outlive it.
  MessageSink(const back::SinkConfig& config, os::Io& io);

  Status open(const back::Catalog&, back::Cursor&) override { return {}; }
  Status write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) override;
  Status write_gap(u64 missed_now, u64 missed_in_all) override;
  Status flush(bool) override { return {}; }
  Status close() override { return {}; }
  [[nodiscard]] bool can_be_durable() const override { return false; }

 private:
  Status write_batch(const BatchView& batch, back::Catalog& catalog, back::Cursor& cursor);
  // Sends what is rendered, if anything is, and passes it.
  Status deliver(back::Cursor& cursor);

  const std::string name_;
  const std::unique_ptr<LineFormat> format_;
  Selection selection_;
  Receiver receiver_;
  TextBuffer text_;          // the message under way
  u64 next_sequence_ = 0;    // behind it
  back::SinkCounts counts_;  // of it
  u64 missed_now_ = 0;
  u64 missed_in_all_ = 0;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_MESSAGE_SINK_H_
