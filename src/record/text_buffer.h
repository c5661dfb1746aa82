// Where rendered records are collected before they are written out.
//
// A buffer either grows, or writes into memory of the caller's that never grows. In the second case
// a record that does not fit behind others is refused and leaves the buffer as it was; a record
// that is longer than the whole memory goes to private memory instead, and text() gives that.
//
//   if (!pattern.append(entry, buffer)) {   // full
//     write(buffer.text()); buffer.clear();
//     (void)pattern.append(entry, buffer);  // an empty buffer takes any record
//   }
//
// Threading: single-owner. Failure: none but memory, as everywhere off the hot path.
// Invariant: a renderer may always write kSlack bytes past what it asked room for, so that copies
// can go 16 bytes at a time.
#ifndef SLUICE_SRC_RECORD_TEXT_BUFFER_H_
#define SLUICE_SRC_RECORD_TEXT_BUFFER_H_

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sluice {

class TextBuffer {
 public:
  static constexpr std::size_t kSlack = 32;

  // A buffer that grows; its memory is kept across clear().
  TextBuffer();
  // `fixed` stays the caller's and must outlive the buffer. Less than 2 * kSlack bytes is as none.
  explicit TextBuffer(std::span<char> fixed);
  TextBuffer(const TextBuffer&) = delete;
  TextBuffer& operator=(const TextBuffer&) = delete;

  // All whole records so far; valid until the next append or clear().
  [[nodiscard]] std::string_view text() const { return {begin_, size_}; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  void clear();

  // For renderers: one record is written between begin_record() and end_record(). begin_record()
  // gives nullptr, and end_record() false, when what is there must be taken away first.
  [[nodiscard]] char* begin_record();
  [[nodiscard]] bool end_record(char* at);
  // At least `bytes` (and kSlack) writable bytes from the returned place, where `at` continues.
  [[nodiscard]] char* room(char* at, std::size_t bytes) {
    return std::size_t(limit_ - at) >= bytes ? at : grow(at, bytes);
  }
  // Where the record being written begins, and how much of it there is before `at`. Moves with
  // every room().
  [[nodiscard]] char* record() const { return begin_ + size_; }
  [[nodiscard]] std::size_t written(const char* at) const {
    return std::size_t(at - (begin_ + size_));
  }

 private:
  void use(char* memory, std::size_t bytes);
  char* grow(char* at, std::size_t bytes);

  std::span<char> fixed_;
  std::unique_ptr<char[]> heap_;
  std::size_t heap_bytes_ = 0;
  char* begin_ = nullptr;
  char* limit_ = nullptr;  // kSlack bytes before the end of the memory in use
  std::size_t size_ = 0;
  std::size_t kept_ = 0;  // whole records in fixed_ while the current one has spilled
  bool spilled_ = false;
};

// Copies 16 bytes at a time; both sides must have that much to spare (kSlack).
inline constexpr std::size_t kWideCopyBytes = 16;
inline char* copy_wide(char* to, const char* from, std::size_t bytes) {
  for (std::size_t done = 0; done < bytes; done += kWideCopyBytes) {
    std::memcpy(to + done, from + done, kWideCopyBytes);
  }
  return to + bytes;
}

// What `put` writes, given the buffer and where to begin; it returns where it ended.
template <class Put>
std::string rendered(Put&& put) {
  TextBuffer out;
  char* const begin = out.begin_record();
  (void)out.end_record(put(out, begin));
  return std::string(out.text());
}

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_TEXT_BUFFER_H_
