// A parser of RFC 5424 messages that takes nothing but what section 6 of the RFC allows.
#ifndef SLUICE_TESTS_RECORD_RFC5424_H_
#define SLUICE_TESTS_RECORD_RFC5424_H_

#include <map>
#include <regex>
#include <string>

namespace sluice::test {

struct Rfc5424 {
  int priority = -1;
  std::string time, host, app, process, message_id, message;
  std::map<std::string, std::map<std::string, std::string>> data;

  // What is wrong; empty: nothing.
  std::string parse(const std::string& text) {
    static const std::regex kHead(
        "<(0|[1-9][0-9]{0,2})>1 "
        "(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d{1,6})?(?:Z|[+-]\\d\\d:\\d\\d)) "
        "([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) ");
    std::smatch head;
    if (!std::regex_search(text, head, kHead, std::regex_constants::match_continuous)) {
      return "no header";
    }
    priority = std::stoi(head[1]);
    if (priority > 191) return "priority";
    time = head[2], host = head[3], app = head[4], process = head[5], message_id = head[6];
    at_ = std::size_t(head.length());
    if (const std::string fault = structured_data(text); !fault.empty()) return fault;
    if (at_ == text.size()) return "";
    if (text[at_] != ' ') return "no blank behind the structured data";
    message = text.substr(at_ + 1);
    return "";
  }

 private:
  static bool name_byte(char c) { return c > ' ' && c < 0x7f && c != '=' && c != ']' && c != '"'; }
  std::string name(const std::string& text) {
    const std::size_t begin = at_;
    while (at_ < text.size() && name_byte(text[at_])) ++at_;
    return text.substr(begin, at_ - begin);
  }
  std::string structured_data(const std::string& text) {
    if (text[at_] == '-') return ++at_, "";
    if (text[at_] != '[') return "no structured data";
    while (at_ < text.size() && text[at_] == '[') {
      ++at_;
      const std::string id = name(text);
      if (id.empty() || id.size() > 32 || data.contains(id)) return "identifier " + id;
      auto& parameters = data[id];
      while (text[at_] == ' ') {
        ++at_;
        const std::string key = name(text);
        if (key.empty() || key.size() > 32) return "name " + key;
        if (text.compare(at_, 2, "=\"") != 0) return "no value of " + key;
        at_ += 2;
        std::string& value = parameters[key];
        for (; at_ < text.size() && text[at_] != '"'; ++at_) {
          if (text[at_] == ']') return "a bracket that is not escaped";
          const bool escape = text[at_] == '\\' && at_ + 1 < text.size() &&
                              std::string("\"\\]").find(text[at_ + 1]) != std::string::npos;
          if (text[at_] == '\\' && !escape) return "a backslash that is not escaped";
          if (escape) ++at_;
          value += text[at_];
        }
        if (at_ >= text.size()) return "no end of " + key;
        ++at_;
      }
      if (text[at_] != ']') return "no end of " + id;
      ++at_;
    }
    return "";
  }

  std::size_t at_ = 0;
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_RECORD_RFC5424_H_
