#include "sink/make_store.h"

#include "sink/store_sink.h"
#include "store/file.h"

namespace sluice::sink {

Status check_store(const std::string& path) {
  const Status status = storage::check_file(path);
  return status.error_class() == ErrorClass::kFatal ? status : Status();
}

std::unique_ptr<back::Sink> make_store(const back::SinkConfig& config, os::Io& io) {
  return std::make_unique<StoreSink>(config, io);
}

}  // namespace sluice::sink
