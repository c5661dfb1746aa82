#include "sluice/fatal.h"

#include <cerrno>
#include <cstdlib>

#include "base/fixed_text.h"
#include "front/front.h"
#include "os/fatal_signals.h"
#include "os/process.h"
#include "sluice/log.h"

namespace sluice {
inline namespace v1 {
namespace {

using detail::RecordKind;

constexpr u32 kFramesMax = 64;
constexpr std::size_t kStackTextBytes = 12 * 1024;
constexpr std::size_t kPathShown = 160;

constexpr detail::SiteText event_text(std::string_view name) {
  detail::SiteText text;
  text.kind = RecordKind::kEvent;
  text.level = Level::critical;
  text.format = name;
  return text;
}

void say_signal(const os::FatalSignal& signal) {
  static constexpr detail::SiteText text = event_text("fatal.signal");
  static constinit detail::CallSite site{Level::critical, RecordKind::kEvent};
  char code[32];
  const std::string_view known = os::signal_code_name(signal.number, signal.code);
  FixedText to(code, sizeof code);
  if (known.empty()) {
    to.text(signal.code < 0 ? "-" : "").number(u64(std::abs(i64(signal.code))));
  } else {
    to.text(known);
  }
  const std::string_view name = os::fatal_signal_name(signal.number);
  if (signal.was_sent()) {
    (void)detail::call(site, text, 0, kv("signal", name), kv("number", signal.number),
                       kv("code", static_cast<const char*>(code)), kv("sender", signal.sender_pid),
                       kv("sender_uid", signal.sender_uid));
    return;
  }
  static constinit detail::CallSite fault_site{Level::critical, RecordKind::kEvent};
  (void)detail::call(fault_site, text, 0, kv("signal", name), kv("number", signal.number),
                     kv("code", static_cast<const char*>(code)), kv("address", signal.address));
}

// "path+0x1f2e" a line, the innermost frame first.
void say_stack() {
  static constexpr detail::SiteText text = event_text("fatal.stack");
  static constinit detail::CallSite site{Level::critical, RecordKind::kEvent};
  const void* frames[kFramesMax];
  const u32 count = os::return_addresses(frames, kFramesMax);
  char stack[kStackTextBytes];
  FixedText to(stack, sizeof stack);
  for (u32 i = 0; i < count; ++i) {
    const os::LoadedFile file = os::loaded_file_at(frames[i]);
    std::string_view path = file.path;
    if (path.size() > kPathShown) path.remove_prefix(path.size() - kPathShown);
    if (file.found) {
      to.text(path.empty() ? "program" : path).text("+0x").number(file.offset, 16).text("\n");
    } else {
      to.text("0x").number(reinterpret_cast<std::uintptr_t>(frames[i]), 16).text("\n");
    }
  }
  (void)detail::call(site, text, 0, kv("frames", count),
                     kv("stack", static_cast<const char*>(stack)));
}

// The stack in a record of its own: to walk one that is destroyed may fault again.
void say_fatal(const os::FatalSignal& signal) {
  say_signal(signal);
  say_stack();
}

}  // namespace

bool catch_fatal_signals() noexcept {
  const int error = os::catch_fatal_signals(say_fatal);
  return error == 0 || error == -EALREADY;
}

void prepare_thread_for_fatal_signals() noexcept {
  if (!os::catches_fatal_signals()) return;
  os::give_thread_stack();
  os::set_thread_exit_value(&detail::t_block);
}

}  // namespace v1
}  // namespace sluice
