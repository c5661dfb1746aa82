#include "sink/zstd.h"

#include "os/shared_library.h"

namespace sluice::sink {

Zstd::Zstd(const char* library) {
  void* const loaded = os::load_library(library, problem);
  if (!loaded) return;
  const auto find = [&](auto& function, const char* name) {
    void* const found = os::find_function(loaded, name);
    if (!found) problem = std::string(library) + " has no " + name;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
  };
  find(create, "ZSTD_createCCtx");
  find(free, "ZSTD_freeCCtx");
  find(set_parameter, "ZSTD_CCtx_setParameter");
  find(compress, "ZSTD_compressStream2");
  find(is_error, "ZSTD_isError");
}

const Zstd& Zstd::instance() {
  static const Zstd* const zstd = new Zstd(kLibrary);  // never destroyed: sinks may outlive statics
  return *zstd;
}

ZstdStream::ZstdStream(const Zstd& zstd) : zstd_(zstd), context_(zstd.create()) {
  if (!context_) return;
  (void)zstd_.set_parameter(context_, Zstd::kLevelParameter, kLevel);
  (void)zstd_.set_parameter(context_, Zstd::kChecksumParameter, 1);
}

ZstdStream::~ZstdStream() { (void)zstd_.free(context_); }  // null is fine

bool ZstdStream::add(std::string_view bytes, bool last, std::string& out) {
  if (!context_) return false;
  char block[16 * 1024];
  ZstdInput input{bytes.data(), bytes.size(), 0};
  for (;;) {
    ZstdOutput output{block, sizeof block, 0};
    const std::size_t left =
        zstd_.compress(context_, &output, &input, last ? Zstd::kEnd : Zstd::kContinue);
    if (zstd_.is_error(left) != 0) return false;
    out.append(block, output.used);
    if (last ? left == 0 : input.used == input.size) return true;
  }
}

}  // namespace sluice::sink
