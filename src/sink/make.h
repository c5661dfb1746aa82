// Makes a sink from its configuration: the only way that sinks come into being.
//
// Threading: thread-safe. Blocking: looks at the path (stat), writes nothing: the sink's open()
// does. Failure: everything that can be known to be wrong, as kFatal: what, where, how to mend it.
#ifndef SLUICE_SRC_SINK_MAKE_H_
#define SLUICE_SRC_SINK_MAKE_H_

#include <memory>

#include "back/sink.h"
#include "os/io.h"

namespace sluice::sink {

// What is wrong with it, as far as that can be known without a region.
[[nodiscard]] Status check_sink(const back::SinkConfig& config, os::Io& io);

// `io` and `region` must outlive the sink.
[[nodiscard]] Result<std::unique_ptr<back::Sink>> make_sink(const back::SinkConfig& config,
                                                            os::Io& io, region::Region& region);

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_MAKE_H_
