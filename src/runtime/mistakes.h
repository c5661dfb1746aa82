// Mistakes in what the user has written, collected so that one start shows them all.
#ifndef SLUICE_SRC_RUNTIME_MISTAKES_H_
#define SLUICE_SRC_RUNTIME_MISTAKES_H_

#include <string>
#include <string_view>
#include <vector>

namespace sluice::runtime {

// Each names the option or variable it is about.
class Mistakes {
 public:
  explicit Mistakes(std::vector<std::string>& list) : list_(list) {}
  void add(std::string_view where, std::string_view what, std::string_view mend) {
    list_.push_back(std::string(where) + ": " + std::string(what) + "; " + std::string(mend));
  }

 private:
  std::vector<std::string>& list_;
};

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_MISTAKES_H_
