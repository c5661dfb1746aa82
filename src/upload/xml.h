// The XML of object stores' answers: elements, texts, entities; no document types, no references to
// anything outside. The text is untrusted.
//
// Threading: single-owner; works on the caller's text.
#ifndef SLUICE_SRC_UPLOAD_XML_H_
#define SLUICE_SRC_UPLOAD_XML_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::upload {

// Calls `element(path, text)` at the end of every element: the path of local names from the root,
// "ListPartsResult/Part/ETag", and the text within, entities resolved. False when the text is not
// well-formed, is deeper than 16 or names longer than 256: what was called until then is to be
// thrown away. Bounded by the size of the text.
[[nodiscard]] bool read_xml(
    std::string_view xml,
    const std::function<void(std::string_view path, const std::string& text)>& element);

// The text of the first element with that path; empty when there is none or the XML is not
// well-formed.
[[nodiscard]] std::string xml_text(std::string_view xml, std::string_view path);

// The path of the root element; empty when the XML is not well-formed.
[[nodiscard]] std::string xml_root(std::string_view xml);

[[nodiscard]] std::string xml_escaped(std::string_view text);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_XML_H_
