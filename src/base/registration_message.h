// What programs, and their parents, say to a collector (docs/formats/registration.md).
#ifndef SLUICE_SRC_BASE_REGISTRATION_MESSAGE_H_
#define SLUICE_SRC_BASE_REGISTRATION_MESSAGE_H_

#include <string_view>

#include "base/bytes.h"

namespace sluice {

inline constexpr u32 kRegistrationMagic = 0x47455253;  // "SREG"
inline constexpr u16 kRegistrationVersion = 2;
inline constexpr std::size_t kRegistrationPathMax = 768;
inline constexpr std::size_t kRegistrationAnswerMax = 1024;

// Behind it `path_bytes` of the region's path. The answer is a line: that the region is drained;
// that it would be, but somebody holds it; that it is read, and into which store; or why not.
inline constexpr std::string_view kRegistrationOk = "ok";
inline constexpr std::string_view kRegistrationHeld = "held";
inline constexpr std::string_view kRegistrationReads = "reads ";
struct RegistrationHead {
  u32 magic;
  u16 version;
  u16 path_bytes;
  u32 place;  // of the sink table, where the region is to be read; kRegistrationDrain
  u32 zero;
};
static_assert(sizeof(RegistrationHead) == 16);
inline constexpr u32 kRegistrationDrain = ~u32{0};

// What the parent of a program says of its end: first that it is going to tell it, then how it was;
// both on one connection, or the second alone. There is no answer.
inline constexpr u32 kEndMagic = 0x444e4553;  // "SEND"
inline constexpr u16 kEndVersion = 1;
struct EndMessage {
  u32 magic;
  u16 version;
  u8 ended;  // 0: it has not yet
  u8 core;   // 1: it was dumped
  u32 pid;
  u8 exit_code;
  u8 signal;  // != 0: killed by it
  u16 reserved;
  u64 start_time;  // of the process, clock ticks since boot
  u64 pid_namespace;
};
static_assert(sizeof(EndMessage) == 32);

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_REGISTRATION_MESSAGE_H_
