#include "record/summary.h"

#include <bit>
#include <charconv>
#include <cmath>

namespace sluice {
namespace {

// A list of [mean, count].
class BucketList {
 public:
  explicit BucketList(std::string_view text) : at_(text.data()), end_(at_ + text.size()) {}

  [[nodiscard]] bool read(std::vector<WeightedValue>& samples) {
    if (!take('[')) return false;
    if (take(']')) return at_end();
    do {
      WeightedValue& one = samples.emplace_back();
      if (!take('[') || !number(one.value) || !take(',') || !number(one.weight) || !take(']')) {
        return false;
      }
    } while (take(','));
    return take(']') && at_end();
  }

 private:
  void skip() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }
  [[nodiscard]] bool at_end() {
    skip();
    return at_ == end_;
  }
  [[nodiscard]] bool take(char c) {
    skip();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  template <class Number>
  [[nodiscard]] bool number(Number& value) {
    skip();
    const auto read = std::from_chars(at_, end_, value);
    at_ = read.ptr;
    return read.ec == std::errc();
  }

  const char* at_;
  const char* const end_;
};

}  // namespace

void samples_of(const RecordView& record, std::vector<WeightedValue>& samples) {
  const u32 at = record.first_visible();
  const u64 count = record.word(at + 1);
  samples.clear();
  u64 sum = 0;
  bool sound = BucketList(record.text(at + 2)).read(samples);
  for (const WeightedValue& one : samples) {
    sound = sound && std::isfinite(one.value) && one.weight <= count - sum;
    sum += one.weight;
  }
  if (sound && sum == count) return;
  samples.assign(1, {std::bit_cast<double>(record.word(at)), count});
}

}  // namespace sluice
