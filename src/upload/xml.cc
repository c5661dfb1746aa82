#include "upload/xml.h"

#include "base/bytes.h"

namespace sluice::upload {
namespace {

constexpr std::size_t kDepthMax = 16;
constexpr std::size_t kNameMax = 256;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

void append_utf8(std::string& out, u32 code) {
  if (code < 0x80) {
    out += char(code);
  } else if (code < 0x800) {
    out += char(0xc0 | code >> 6);
    out += char(0x80 | (code & 63));
  } else if (code < 0x10000) {
    out += char(0xe0 | code >> 12);
    out += char(0x80 | (code >> 6 & 63));
    out += char(0x80 | (code & 63));
  } else {
    out += char(0xf0 | code >> 18);
    out += char(0x80 | (code >> 12 & 63));
    out += char(0x80 | (code >> 6 & 63));
    out += char(0x80 | (code & 63));
  }
}

// "#60" or "#x3c".
bool append_reference(std::string& out, std::string_view name) {
  const bool hexadecimal = name.size() > 1 && (name[1] == 'x' || name[1] == 'X');
  const std::string_view digits = name.substr(hexadecimal ? 2 : 1);
  if (digits.empty() || digits.size() > 7) return false;
  u32 code = 0;
  for (const char c : digits) {
    u32 value = 16;
    if (c >= '0' && c <= '9') value = u32(c - '0');
    if (hexadecimal && (c | 32) >= 'a' && (c | 32) <= 'f') value = u32((c | 32) - 'a' + 10);
    if (value == 16) return false;
    code = code * (hexadecimal ? 16 : 10) + value;
  }
  if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  append_utf8(out, code);
  return true;
}

bool append_entity(std::string& out, std::string_view name) {
  if (name.starts_with('#')) return append_reference(out, name);
  for (const auto& [known, c] : {std::pair{"lt", '<'}, std::pair{"gt", '>'}, std::pair{"amp", '&'},
                                 std::pair{"quot", '"'}, std::pair{"apos", '\''}}) {
    if (name == known) {
      out += c;
      return true;
    }
  }
  return false;
}

bool append_text(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t at = text.find('&');
    out += text.substr(0, at);
    if (at == std::string_view::npos) return true;
    const std::size_t end = text.find(';', at);
    if (end == std::string_view::npos || end - at > 10) return false;
    if (!append_entity(out, text.substr(at + 1, end - at - 1))) return false;
    text.remove_prefix(end + 1);
  }
  return true;
}

// "<s3:Part xmlns='x'" without the '<': the local name, or empty.
std::string_view local_name(std::string_view tag) {
  std::size_t end = 0;
  while (end < tag.size() && !is_blank(tag[end])) ++end;
  std::string_view name = tag.substr(0, end);
  if (const std::size_t colon = name.rfind(':'); colon != std::string_view::npos) {
    name.remove_prefix(colon + 1);
  }
  return name.size() <= kNameMax ? name : std::string_view();
}

// Where a tag ends: the first '>' that is in no quotes.
std::size_t tag_end(std::string_view xml) {
  char quote = 0;
  for (std::size_t i = 0; i < xml.size(); ++i) {
    if (quote != 0) {
      if (xml[i] == quote) quote = 0;
    } else if (xml[i] == '"' || xml[i] == '\'') {
      quote = xml[i];
    } else if (xml[i] == '>') {
      return i;
    }
  }
  return std::string_view::npos;
}

class Reader {
 public:
  using Element = std::function<void(std::string_view, const std::string&)>;
  explicit Reader(const Element& element) : element_(element) {}

  bool read(std::string_view xml) {
    if (xml.starts_with("\xef\xbb\xbf")) xml.remove_prefix(3);
    while (!xml.empty()) {
      const std::size_t open = xml.find('<');
      if (!take_text(xml.substr(0, open))) return false;
      if (open == std::string_view::npos) break;
      xml.remove_prefix(open);
      if (!take_markup(xml)) return false;
    }
    return ends_.empty() && seen_root_;
  }

 private:
  bool take_text(std::string_view text) {
    if (!texts_.empty()) return append_text(texts_.back(), text);
    for (const char c : text) {
      if (!is_blank(c)) return false;
    }
    return true;
  }

  bool skip(std::string_view& xml, std::string_view end) {
    const std::size_t at = xml.find(end);
    if (at == std::string_view::npos) return false;
    xml.remove_prefix(at + end.size());
    return true;
  }

  bool take_markup(std::string_view& xml) {
    if (xml.starts_with("<?")) return skip(xml, "?>");
    if (xml.starts_with("<!--")) return skip(xml, "-->");
    if (xml.starts_with("<![CDATA[")) {
      const std::size_t end = xml.find("]]>");
      if (end == std::string_view::npos || texts_.empty()) return false;
      texts_.back() += xml.substr(9, end - 9);
      xml.remove_prefix(end + 3);
      return true;
    }
    const std::size_t end = tag_end(xml);
    if (end == std::string_view::npos) return false;
    std::string_view tag = xml.substr(1, end - 1);
    xml.remove_prefix(end + 1);
    if (tag.starts_with('/')) return close(local_name(tag.substr(1)));
    const bool whole = tag.ends_with('/');
    if (whole) tag.remove_suffix(1);
    const std::string_view name = local_name(tag);
    return open(name) && (!whole || close(name));
  }

  bool open(std::string_view name) {
    if (name.empty() || name.front() == '!' || ends_.size() >= kDepthMax) return false;
    if (ends_.empty() && seen_root_) return false;
    seen_root_ = true;
    ends_.push_back(path_.size());
    if (!path_.empty()) path_ += '/';
    path_ += name;
    texts_.emplace_back();
    return true;
  }

  bool close(std::string_view name) {
    if (ends_.empty()) return false;
    const std::size_t begin = ends_.back() == 0 ? 0 : ends_.back() + 1;
    if (std::string_view(path_).substr(begin) != name) return false;
    element_(path_, texts_.back());
    path_.resize(ends_.back());
    ends_.pop_back();
    texts_.pop_back();
    return true;
  }

  const Element& element_;
  std::string path_;
  std::vector<std::size_t> ends_;  // sizes of path_ before each open element
  std::vector<std::string> texts_;
  bool seen_root_ = false;
};

}  // namespace

bool read_xml(std::string_view xml,
              const std::function<void(std::string_view, const std::string&)>& element) {
  return Reader(element).read(xml);
}

std::string xml_text(std::string_view xml, std::string_view path) {
  std::string found;
  bool seen = false;
  const bool whole = read_xml(xml, [&](std::string_view at, const std::string& text) {
    if (!seen && at == path) found = text, seen = true;
  });
  return whole ? found : std::string();
}

std::string xml_root(std::string_view xml) {
  std::string root;
  const bool whole =
      read_xml(xml, [&](std::string_view at, const std::string&) { root = std::string(at); });
  return whole ? root : std::string();
}

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace sluice::upload
