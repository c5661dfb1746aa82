// Errors of Linux that some other system has no number for: there they never arise.
#ifndef SLUICE_SRC_OS_ERROR_NUMBERS_H_
#define SLUICE_SRC_OS_ERROR_NUMBERS_H_

#include <cerrno>

#ifndef EDQUOT
#define EDQUOT 10069
#endif
#ifndef ESTALE
#define ESTALE 10070
#endif

#endif  // SLUICE_SRC_OS_ERROR_NUMBERS_H_
