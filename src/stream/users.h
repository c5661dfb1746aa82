// Which streams the threads of this process are writing to just now, so that one can be deleted
// while others write: the words of base/in_use.h, one for each thread.
//
// A thread gets its word at its first use and leaves it to another when it ends. In a forked child
// the words of its parent's other threads stay as they were: what they had is never deleted there.
//
// Threading: any. Blocking: never; the first use of a thread allocates.
#ifndef SLUICE_SRC_STREAM_USERS_H_
#define SLUICE_SRC_STREAM_USERS_H_

#include <atomic>
#include <vector>

#include "base/in_use.h"

namespace sluice::stream {

class Users {
 public:
  using Words = InUse<detail::RealSync>;

  // The word of the calling thread.
  [[nodiscard]] static Words::Word& own();
  // Every thread passes a barrier: what was taken away before is used by none, or in_use() says so.
  // False: the kernel has none, and nothing may be deleted.
  [[nodiscard]] static bool pass_barrier();
  [[nodiscard]] static bool in_use(const void* thing);
};

// What is published at an address, in use from here to the end of the scope. A thread has one at a
// time.
template <class Thing>
class Use {
 public:
  explicit Use(const std::atomic<Thing*>& published)
      : own_(Users::own()), thing_(Users::Words::begin(own_, published)) {}
  ~Use() {
    if (thing_ != nullptr) Users::Words::end(own_);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  [[nodiscard]] Thing* get() const { return thing_; }

 private:
  Users::Words::Word& own_;
  Thing* const thing_;
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_USERS_H_
