#include "os/shared_library.h"

#include <dlfcn.h>

namespace sluice::os {

void* load_library(const char* name, std::string& why) {
  void* const library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* const error = ::dlerror();
    why = error ? error : "dlopen failed";
  }
  return library;
}

void* find_function(void* library, const char* name) { return ::dlsym(library, name); }

}  // namespace sluice::os
