#include "collector/metrics_text.h"

#include <charconv>
#include <cmath>
#include <vector>

#include "base/durations.h"
#include "record/escape.h"

namespace sluice::collector {
namespace {

// Line breaks and backslashes, in a label's value quotes too; what is no UTF-8 is written as \xff.
std::string quoted(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : escaped(TextForm::kStored, text)) {
    if (c == '\\' || (quotes && c == '"')) {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void MetricsText::family(std::string_view name, Type type, std::string_view help) {
  name_ = name;
  text_ += "# HELP " + name_ + " " + quoted(help, false) + "\n";
  constexpr const char* kTypes[] = {" counter\n", " gauge\n", " histogram\n"};
  text_ += "# TYPE " + name_ + kTypes[type];
}

void MetricsText::begin_sample(std::span<const Label> labels, std::string_view suffix) {
  text_.append(name_).append(suffix);
  char before = '{';
  for (const auto& [name, value] : labels) {
    text_ += before;
    text_ += name;
    text_ += "=\"" + quoted(value, true) + "\"";
    before = ',';
  }
  text_ += labels.empty() ? " " : "} ";
}

void MetricsText::put_number(double value) {
  if (std::isfinite(value)) {
    char text[32];
    text_.append(text, std::to_chars(text, text + sizeof text, value).ptr);
  } else {
    text_ += std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  }
}

void MetricsText::number(double value, std::span<const Label> labels) {
  begin_sample(labels);
  put_number(value);
  text_ += '\n';
}

void MetricsText::buckets(const std::map<double, u64>& counts, double sum,
                          std::span<const Label> labels) {
  std::vector<Label> with_bound(labels.begin(), labels.end());
  with_bound.push_back({"le", {}});
  u64 so_far = 0;
  for (const auto& [upper, count] : counts) {
    so_far += count;
    std::string bound = "+Inf";
    if (std::isfinite(upper)) {
      char text[32];
      bound.assign(text, std::to_chars(text, text + sizeof text, upper).ptr);
    }
    with_bound.back().value = bound;
    begin_sample(with_bound, "_bucket");
    text_ += std::to_string(so_far) + "\n";
  }
  begin_sample(labels, "_sum");
  put_number(sum);
  text_ += '\n';
  begin_sample(labels, "_count");
  text_ += std::to_string(so_far) + "\n";
}

void MetricsText::sample(u64 value, std::initializer_list<Label> labels) {
  begin_sample(std::span(labels.begin(), labels.size()));
  text_ += std::to_string(value) + "\n";
}

void MetricsText::seconds(u64 ns, std::initializer_list<Label> labels) {
  begin_sample(std::span(labels.begin(), labels.size()));
  const std::string rest = std::to_string(ns % u64{kNsPerSecond});
  text_ += std::to_string(ns / u64{kNsPerSecond}) + "." + std::string(9 - rest.size(), '0') + rest +
           "\n";
}

void MetricsText::counter(std::string_view name, std::string_view help, u64 value) {
  family(name, kCounter, help);
  sample(value);
}

void MetricsText::gauge(std::string_view name, std::string_view help, u64 value) {
  family(name, kGauge, help);
  sample(value);
}

}  // namespace sluice::collector
