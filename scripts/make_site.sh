#!/bin/sh
# Makes the documentation site: README.md, everything in docs/, and the API reference from the
# headers' comments, with full-text search, as plain files that any web server serves.
#
# usage: scripts/make_site.sh [FOLDER]     default: build/site
#
# Needs doxygen (scripts/install_dependencies.sh). Exit code 1 when a link leads nowhere, with
# where; the folder then has what could be made.
set -eu
cd "$(dirname "$0")/.."
# How doxygen reads the sources, by calling this again.
case ${1:-} in
  --header)
    # A comment in front of a declaration is its documentation; doxygen wants three slashes. One
    # behind a member is that member's. What is of no user's concern is left out.
    exec sed -E '
      1s|^// |/// \\file\n/// |
      /^namespace detail \{/,/^\}  .. namespace detail/d
      /^ *\/\//s|\\|\\\\|g
      s|^( *)// |\1/// |; s|^( *)//$|\1///|; s|([;,}]) +// |\1 ///< |' "$2" ;;
  --text)
    # Anchors are other ones there.
    exec sed -E '
      s|\]\(([^)]*\.md)#[^)]*\)|](\1)|g; s|\[([^]]*)\]\(#[^)]*\)|\1|g' "$2" ;;
esac
folder=${1:-build/site}
command -v doxygen >/dev/null || {
  echo "make_site: doxygen is missing; run scripts/install_dependencies.sh" >&2
  exit 1
}
mkdir -p "$folder"
version=$(sed -n 's/^project(sluice VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)

doxygen - <<EOF
PROJECT_NAME = Sluice
PROJECT_NUMBER = $version
OUTPUT_DIRECTORY = $folder
HTML_OUTPUT = .
GENERATE_LATEX = NO
INPUT = README.md CHANGELOG.md ARCHITECTURE.md CONTRIBUTING.md SECURITY.md docs \\
  docs/formats docs/decisions include/sluice
FILE_PATTERNS = *.md *.h
USE_MDFILE_AS_MAINPAGE = README.md
MARKDOWN_SUPPORT = YES
EXTRACT_ALL = YES
EXTRACT_STATIC = YES
EXCLUDE_SYMBOLS = SLUICE_*_
AUTOLINK_SUPPORT = NO
INLINE_INHERITED_MEMB = YES
HIDE_UNDOC_RELATIONS = YES
ENABLE_PREPROCESSING = YES
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
PREDEFINED = SLUICE_API= SLUICE_COLD= SLUICE_INLINE=inline
JAVADOC_AUTOBRIEF = YES
FILTER_PATTERNS = "*.h=scripts/make_site.sh --header" "*.md=scripts/make_site.sh --text"
STRIP_FROM_PATH = .
STRIP_FROM_INC_PATH = include
SHOW_USED_FILES = NO
HAVE_DOT = NO
GENERATE_TREEVIEW = YES
QUIET = YES
WARNINGS = YES
WARN_IF_UNDOCUMENTED = NO
WARN_IF_INCOMPLETE_DOC = NO
WARN_AS_ERROR = FAIL_ON_WARNINGS
EOF
echo "$folder/index.html"
