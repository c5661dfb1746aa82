// spdlog's header of this name, over Sluice, where every logger is asynchronous.
#ifndef SLUICE_COMPAT_SPDLOG_ASYNC_H_
#define SLUICE_COMPAT_SPDLOG_ASYNC_H_

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

// A full queue drops the newest record, counted and reported; SLUICE_OVERFLOW=block waits.
using async_factory = synchronous_factory;
using async_factory_nonblock = synchronous_factory;

template <class Sink, class... A>
std::shared_ptr<logger> create_async(std::string name, A&&... argument) {
  return create<Sink>(std::move(name), std::forward<A>(argument)...);
}
template <class Sink, class... A>
std::shared_ptr<logger> create_async_nb(std::string name, A&&... argument) {
  return create<Sink>(std::move(name), std::forward<A>(argument)...);
}

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_ASYNC_H_
