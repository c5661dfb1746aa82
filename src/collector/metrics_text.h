// A page of metrics in the text format of Prometheus, version 0.0.4.
//
//     MetricsText page;
//     page.family("sluice_records_total", MetricsText::kCounter, "Records stored.");
//     page.sample(17, {{"level", "error"}});
//
// Any bytes may be in a label's value. Threading: single-owner.
#ifndef SLUICE_SRC_COLLECTOR_METRICS_TEXT_H_
#define SLUICE_SRC_COLLECTOR_METRICS_TEXT_H_

#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sluice::collector {

class MetricsText {
 public:
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  enum Type : u8 { kCounter, kGauge, kHistogram };
  struct Label {
    std::string_view name;
    std::string_view value;
  };

  // Samples that follow are of this metric; each name once a page.
  void family(std::string_view name, Type type, std::string_view help);
  void sample(u64 value, std::initializer_list<Label> labels = {});
  // Any number, NaN and infinities too, as short as it is exact.
  void number(double value, std::span<const Label> labels);
  // Of a histogram: how many values each bucket holds, by the greatest value it may hold; the last
  // one is without end. What all values come to.
  void buckets(const std::map<double, u64>& counts, double sum, std::span<const Label> labels);
  // Seconds, from nanoseconds, all digits.
  void seconds(u64 ns, std::initializer_list<Label> labels = {});

  // A family with one sample.
  void counter(std::string_view name, std::string_view help, u64 value);
  void gauge(std::string_view name, std::string_view help, u64 value);

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void begin_sample(std::span<const Label> labels, std::string_view suffix = {});
  void put_number(double value);

  std::string text_;
  std::string name_;
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_METRICS_TEXT_H_
