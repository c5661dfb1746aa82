// The one object of a type that is used while the process exits, without memory of its own.
//
// Threading: any; made at the first use. Never blocks after that.
#ifndef SLUICE_SRC_BASE_NEVER_DESTROYED_H_
#define SLUICE_SRC_BASE_NEVER_DESTROYED_H_

#include <new>

namespace sluice {

template <class T>
[[nodiscard]] T& never_destroyed() {
  alignas(T) static char memory[sizeof(T)];
  static T* const one = new (memory) T;
  return *one;
}

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_NEVER_DESTROYED_H_
