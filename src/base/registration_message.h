// What a program and a collector say to each other about a region (docs/formats/registration.md).
#ifndef SLUICE_SRC_BASE_REGISTRATION_MESSAGE_H_
#define SLUICE_SRC_BASE_REGISTRATION_MESSAGE_H_

#include <string_view>

#include "base/bytes.h"

namespace sluice {

inline constexpr u32 kRegistrationMagic = 0x47455253;  // "SREG"
inline constexpr u16 kRegistrationVersion = 1;
inline constexpr std::size_t kRegistrationPathMax = 768;
inline constexpr std::size_t kRegistrationAnswerMax = 512;

// Behind it `path_bytes` of the region's path. The answer is a line: that the region is drained;
// that it would be, but somebody holds it; or why not.
inline constexpr std::string_view kRegistrationOk = "ok";
inline constexpr std::string_view kRegistrationHeld = "held";
struct RegistrationHead {
  u32 magic;
  u16 version;
  u16 path_bytes;
};
static_assert(sizeof(RegistrationHead) == 8);

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_REGISTRATION_MESSAGE_H_
