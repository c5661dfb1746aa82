// The store's sink, for who makes sinks and knows nothing of SQLite. A build without SQLite has
// without_store/make_store.cc in the place of make_store.cc.
#ifndef SLUICE_SRC_SINK_MAKE_STORE_H_
#define SLUICE_SRC_SINK_MAKE_STORE_H_

#include <memory>
#include <string>

#include "back/sink.h"

namespace sluice::sink {

// Another program's database is a mistake; what is locked or damaged is the sink's to deal with.
[[nodiscard]] Status check_store(const std::string& path);
// After check_store(). `io` must outlive it.
[[nodiscard]] std::unique_ptr<back::Sink> make_store(const back::SinkConfig& config, os::Io& io);

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_MAKE_STORE_H_
