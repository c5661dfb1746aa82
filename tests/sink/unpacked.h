// What zstd makes of a packed file, by the libzstd of this machine.
#ifndef SLUICE_TESTS_SINK_UNPACKED_H_
#define SLUICE_TESTS_SINK_UNPACKED_H_

#include <string>
#include <string_view>

#include "os/shared_library.h"
#include "sink/zstd.h"

namespace sluice::testing {

// "damaged" where it is no whole frame.
inline std::string unpacked(std::string_view packed) {
  using Decompress = std::size_t(void*, std::size_t, const void*, std::size_t);
  std::string why;
  void* const library = os::load_library(sink::Zstd::kLibrary, why);
  if (!library) return why;
  auto* const decompress =
      reinterpret_cast<Decompress*>(os::find_function(library, "ZSTD_decompress"));
  std::string text(4 << 20, '\0');
  const std::size_t size = decompress(text.data(), text.size(), packed.data(), packed.size());
  if (sink::Zstd::instance().is_error(size) != 0) return "damaged";
  text.resize(size);
  return text;
}

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_SINK_UNPACKED_H_
