// Reading small files that hold keys or tokens. Threading: plain functions.
#ifndef SLUICE_SRC_UPLOAD_SECRET_FILE_H_
#define SLUICE_SRC_UPLOAD_SECRET_FILE_H_

#include <string>

#include "base/status.h"

namespace sluice::upload {

// The text of a file of at most 1 MiB. No message ever has any of it.
Result<std::string> read_secret_file(const std::string& path);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_SECRET_FILE_H_
