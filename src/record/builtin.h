// The engine's own records (BuiltinSite): their definitions and what they say to people.
//
// Their arguments are fixed by docs/formats/record.md, so that the decoder of all other records
// reads them too.
//
// Threading: thread-safe; the definitions are made at first use and live for ever.
#ifndef SLUICE_SRC_RECORD_BUILTIN_H_
#define SLUICE_SRC_RECORD_BUILTIN_H_

#include "record/entry.h"
#include "record/escape.h"

namespace sluice {

// The definition of an id below kSiteFirstCaller; an id that is not in use gives that of
// kSiteUnknown.
[[nodiscard]] const Site& builtin_site(u32 id);
// Whether `site` is one of these, by its address: a definition that came from elsewhere under a
// built-in id is an ordinary one.
[[nodiscard]] bool is_builtin(const Site& site);

// The message of a record of a built-in site, such as
// "dropped 12 records of game.cc:42 (ring_full) between 2025-... and 2025-..., 40 in all".
[[nodiscard]] char* put_builtin_message(TextForm form, const Entry& entry, TextBuffer& out,
                                        char* at);

// Argument `argument` of a record as it is shown: the reason of a drop report is a name.
[[nodiscard]] Value shown_value(const RecordView& record, u32 argument);
[[nodiscard]] bool is_shown_by_name(const Site& site, u32 argument);

// File name and line of a site, without the directories: "game.cc:42"; empty without a file.
[[nodiscard]] std::string source_of(const Site& site);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_BUILTIN_H_
