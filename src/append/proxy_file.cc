// ProxyFile: the handle of a file that a service appends to (include/sluice/append.h).
#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "append/engine.h"
#include "base/durations.h"
#include "os/path.h"
#include "os/process.h"
#include "record/escape.h"
#include "sluice/append.h"

namespace sluice {
inline namespace v1 {

using append::Engine;
using append::Proxy;

namespace {

constexpr i64 kForEver = INT64_MAX / 2;

// As the service must be told it: from the root, without . and .. and doubled slashes.
std::string whole_path(std::string_view path) {
  std::string whole = std::filesystem::path(os::absolute_path(path)).lexically_normal().string();
  while (whole.size() > 1 && whole.ends_with('/')) whole.pop_back();
  return whole;
}

Status mistake_in(std::string_view path) {
  const auto wrong = [&](std::string_view what) {
    return Status(ErrorClass::kFatal, "file " + escaped(TextForm::kText, path.substr(0, 200)) +
                                          ": " + std::string(what));
  };
  if (path.empty()) return {ErrorClass::kFatal, "the file to append to has no name; give a path"};
  if (path.find('\0') != std::string_view::npos) return wrong("a path cannot hold a zero byte");
  if (whole_path(path).size() > append::kPathSizeMax) {
    return wrong("the path is longer than 4096 bytes");
  }
  return {};
}

Status forked() {
  return {ErrorClass::kFatal,
          "this file was opened before the fork and belongs to the parent; open it again here"};
}

}  // namespace

struct ProxyFile::Impl {
  Impl(std::string path, const ProxyOptions& options) : proxy(std::move(path), options) {}

  [[nodiscard]] bool is_ours() const { return forks == Engine::forks(); }

  Proxy proxy;
  std::shared_ptr<Engine> engine;
  const u32 forks = Engine::forks();
  std::atomic<u64> refused_in_child{0};  // relaxed, everywhere: a count
};

ProxyFile::ProxyFile(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
ProxyFile::ProxyFile(ProxyFile&&) noexcept = default;
ProxyFile& ProxyFile::operator=(ProxyFile&& other) noexcept {
  if (this != &other) {
    if (impl_) (void)close();
    impl_ = std::move(other.impl_);
  }
  return *this;
}
ProxyFile::~ProxyFile() {
  if (impl_) (void)close();
}

Result<ProxyFile> ProxyFile::open(std::string_view path, const ProxyOptions& options) {
  if (Status mistake = mistake_in(path); !mistake.ok()) return mistake;
  const auto impl = std::make_shared<Impl>(whole_path(path), options);
  const std::shared_ptr<Proxy> proxy(impl, &impl->proxy);
  if (Status status = Engine::open(proxy, impl->engine); !status.ok()) return status;
  if (options.block_open) {
    // The sending thread has the timeout.
    (void)proxy->wait_until([&] { return proxy->state() != Proxy::State::kOpening; }, kForEver);
    if (proxy->state() == Proxy::State::kEnded) return proxy->verdict();
  }
  return ProxyFile(impl);
}

Admission ProxyFile::write(std::string_view bytes) noexcept {
  if (!impl_->is_ours()) {
    impl_->refused_in_child.fetch_add(1, std::memory_order_relaxed);
    return Admission::kStopped;
  }
  std::array<char, sizeof(u32)> size{};
  std::string_view prefix;
  if (impl_->proxy.options().records) {
    if (bytes.size() > append::kRecordSizeMax) return impl_->proxy.queue().refuse_too_big();
    store(size.data(), u32(bytes.size()));
    prefix = {size.data(), size.size()};
  }
  bool wake = false;
  const Admission result = impl_->proxy.queue().put(prefix, bytes, impl_->engine->asleep(), wake);
  if (wake) impl_->engine->wake();
  return result;
}

bool ProxyFile::wait_for_room(std::size_t bytes, std::uint32_t timeout_ms) const {
  if (!impl_->is_ours()) return false;
  const Proxy& proxy = impl_->proxy;
  bool room = false;
  (void)proxy.wait_until(
      [&] {
        room = proxy.queue().has_room(bytes + (proxy.options().records ? sizeof(u32) : 0));
        return room || proxy.queue().has_ended();
      },
      os::monotonic_ns() + i64{timeout_ms} * kNsPerMs);
  return room && !proxy.queue().has_ended();
}

bool ProxyFile::check_rotated() const { return impl_->is_ours() && impl_->proxy.rotated(); }

Status ProxyFile::close(bool block_send, bool block_close) {
  if (!impl_->is_ours()) return forked();
  Proxy& proxy = impl_->proxy;
  proxy.queue().end();
  impl_->engine->look();
  // The sending thread has the timeout.
  if (block_close) {
    (void)proxy.wait_until([&] { return proxy.state() == Proxy::State::kEnded; }, kForEver);
  } else if (block_send) {
    (void)proxy.wait_until([&] { return proxy.state() >= Proxy::State::kSent; }, kForEver);
  }
  return proxy.verdict();
}

ProxyStatistics ProxyFile::statistics() const {
  if (!impl_->is_ours()) {
    ProxyStatistics own;  // the parent's may be locked for ever
    own.refused_stopped = impl_->refused_in_child.load(std::memory_order_relaxed);
    return own;
  }
  return impl_->proxy.statistics();
}

Status ProxyFile::status() const { return impl_->is_ours() ? impl_->proxy.verdict() : forked(); }

}  // namespace v1
}  // namespace sluice
