// The texts by which offlog's server tells a client what went wrong: those of Python's exceptions,
// which its client raises again (docs/formats/append_protocol.md).
//
// Threading: plain functions.
#ifndef SLUICE_SRC_APPEND_SERVER_PYTHON_ERROR_H_
#define SLUICE_SRC_APPEND_SERVER_PYTHON_ERROR_H_

#include <string>
#include <string_view>

namespace sluice::append_server {

// "FileNotFoundError: [Errno 2] No such file or directory"; `error` is an errno or its negative.
[[nodiscard]] std::string python_error(int error);
// The same with ": " and the path as Python's repr() shows it.
[[nodiscard]] std::string python_error(int error, std::string_view path);

// repr() of the text that os.fsdecode() makes of these bytes: bytes that are no UTF-8 are lone
// surrogates, escaped as \udc80 to \udcff; so is what is not printable.
[[nodiscard]] std::string python_repr(std::string_view bytes);
// For a log: as it is where that is safe.
[[nodiscard]] std::string shown_path(const std::string& path);

}  // namespace sluice::append_server

#endif  // SLUICE_SRC_APPEND_SERVER_PYTHON_ERROR_H_
