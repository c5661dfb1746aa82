// The words of the append protocol: docs/formats/append_protocol.md is its description.
//
//   client -> server :  PATH 0x00 DATA*                         the protocol of offlog
//                       "sluice-append/1" OPTION* 0x00 PATH 0x00 DATA*      the extension
//   server -> client :  (MESSAGE 0x00)*
//
// OPTION is a space and one of the words below. The extension's first field is no absolute path: an
// offlog client never sends it, and offlog's server answers it with kNotAbsolute and closes.
#ifndef SLUICE_SRC_APPEND_PROTOCOL_H_
#define SLUICE_SRC_APPEND_PROTOCOL_H_

#include <cstddef>
#include <string_view>

namespace sluice::append {

inline constexpr std::string_view kDefaultSocket = "/tmp/offlog.sock";
inline constexpr int kBacklog = 128;

// Bytes of PATH (and of the extension's first field) without the zero behind it.
inline constexpr std::size_t kPathSizeMax = 4096;
// A message may be longer than this by what an error's text and escapes add to a path.
inline constexpr std::size_t kMessageSizeMax = std::size_t{64} << 10;

// Messages, each followed by one zero byte on the wire.
inline constexpr std::string_view kOk = "OK";
inline constexpr std::string_view kRotated = "ROTATED";
inline constexpr std::string_view kBye = "BYE";
inline constexpr std::string_view kNotAbsolute = "ValueError: not an absolute path";
inline constexpr std::string_view kPathTooLong = "ValueError: path longer than PATH_MAX";
inline constexpr std::string_view kServerExited = "OSError: offlog server exited";

// --- the extension
// --------------------------------------------------------------------------------

// What the extension's first field begins with; the version stands behind it. A server that does
// not know the version or an option answers "ValueError: ..." and closes.
inline constexpr std::string_view kExtension = "sluice-append/";
inline constexpr std::string_view kExtensionVersion = "sluice-append/1";

// DATA is a sequence of records, each {u32 size, little-endian; bytes}: a record is in the file
// whole and in one piece, or not at all. Without it DATA is bytes, as offlog has them.
inline constexpr std::string_view kOptionRecords = "records";
inline constexpr std::size_t kRecordSizeMax = std::size_t{1} << 20;
// The server sends "ACK N": the first N bytes of DATA (sizes of records included) have reached the
// file, with `sync` the disk. N only grows; not every N is sent; the last comes before BYE. No
// other message ever waits to be read before it is sent: a receive may return several.
inline constexpr std::string_view kOptionAck = "ack";
inline constexpr std::string_view kAckPrefix = "ACK ";
// "sync=end": fdatasync before BYE; "sync=N": also N milliseconds after the first byte that is not
// on the disk. A failed fdatasync is told as an error, and nothing after it is acknowledged.
inline constexpr std::string_view kOptionSyncPrefix = "sync=";
inline constexpr std::string_view kSyncEnd = "end";

}  // namespace sluice::append

#endif  // SLUICE_SRC_APPEND_PROTOCOL_H_
