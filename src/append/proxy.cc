#include "append/proxy.h"

#include <utility>

namespace sluice::append {

Proxy::State Proxy::state() const {
  const std::scoped_lock lock(mutex_);
  return state_;
}

void Proxy::set_state(State state) {
  {
    const std::scoped_lock lock(mutex_);
    state_ = state;
  }
  happened();
}

bool Proxy::rotated() const {
  const std::scoped_lock lock(mutex_);
  return rotated_;
}

void Proxy::set_rotated(bool rotated) {
  const std::scoped_lock lock(mutex_);
  rotated_ = rotated;
}

void Proxy::add_sent(u64 bytes) {
  const std::scoped_lock lock(mutex_);
  counts_.in_flight_bytes += bytes;
}

void Proxy::add_confirmed(u64 bytes) {
  const std::scoped_lock lock(mutex_);
  counts_.in_flight_bytes -= bytes;
  counts_.confirmed_bytes += bytes;
}

void Proxy::lose(u64 cut_off) {
  const std::scoped_lock lock(mutex_);
  counts_.in_doubt_bytes += std::exchange(counts_.in_flight_bytes, 0) + cut_off;
}

void Proxy::add_unsent(u64 bytes) {
  const std::scoped_lock lock(mutex_);
  counts_.unsent_bytes += bytes;
}

void Proxy::add_reconnect() {
  const std::scoped_lock lock(mutex_);
  ++counts_.reconnects;
}

void Proxy::fail(Status status) {
  const std::scoped_lock lock(mutex_);
  if (first_error_.ok()) first_error_ = std::move(status);
}

Status Proxy::first_error() const {
  const std::scoped_lock lock(mutex_);
  return first_error_;
}

Status Proxy::verdict() const {
  const std::scoped_lock lock(mutex_);
  if (first_error_.ok()) return {};
  std::string text = first_error_.message();
  if (counts_.in_doubt_bytes != 0) {
    text += "; " + std::to_string(counts_.in_doubt_bytes) +
            " bytes were sent and never confirmed: look in the file whether they are there";
  }
  if (counts_.unsent_bytes != 0) {
    text += "; " + std::to_string(counts_.unsent_bytes) + " bytes were never sent";
  }
  return {first_error_.error_class(), std::move(text), first_error_.os_error()};
}

ProxyStatistics Proxy::statistics() const {
  ProxyStatistics out;
  {
    const std::scoped_lock lock(mutex_);
    out = counts_;
  }
  queue_.count(out);
  return out;
}

}  // namespace sluice::append
