// Status and Result (include/sluice/status.h), and a short way to make one.
#ifndef SLUICE_SRC_BASE_STATUS_H_
#define SLUICE_SRC_BASE_STATUS_H_

#include "sluice/status.h"

namespace sluice {

inline Status fatal(std::string message) { return {ErrorClass::kFatal, std::move(message)}; }

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_STATUS_H_
