// A build without SQLite, that for Windows: whoever asks for a store is told at the start.
#include "sink/make_store.h"

namespace sluice::sink {

Status check_store(const std::string& path) {
  return {ErrorClass::kFatal,
          path + ": a build for Windows has no store; take a text, JSON, logfmt or segment sink"};
}

std::unique_ptr<back::Sink> make_store(const back::SinkConfig&, os::Io&) { return nullptr; }

}  // namespace sluice::sink
