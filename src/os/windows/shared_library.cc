#include "os/shared_library.h"

#include "os/windows/windows.h"

namespace sluice::os {

void* load_library(const char* name, std::string& why) {
  void* const library = ::LoadLibraryW(to_wide(name).c_str());
  if (!library) why = std::string(name) + " is not there";
  return library;
}

void* find_function(void* library, const char* name) {
  return reinterpret_cast<void*>(::GetProcAddress(static_cast<HMODULE>(library), name));
}

}  // namespace sluice::os
