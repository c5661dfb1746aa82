// What must not compile does not, and the compiler's message says why in our words. The same code
// with the mistake mended compiles: else every failure here would count as the wanted one.
//
// sanitizers: none (nothing is run but the compiler)
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

// The compiler's output for a function with `statement` in it; empty: it compiles.
std::string compile(const Dirs& dirs, const std::string& statement, const std::string& flags = "",
                    const std::string& before = "") {
  const std::string source = dirs.file("a.cc");
  std::ofstream(source) << before << "\n#include <sluice/exception.h>\n#include <sluice/sluice.h>\n"
                        << "struct Unknown {};\nstruct Known { int n; };\n"
                        << "inline auto sluice_value(const Known& known) { return known.n; }\n"
                        << "void f(int a, const char* text) { (void)a; (void)text; " << statement
                        << " }\n";
  const std::string command = "c++ -std=c++20 -Wall -Wextra -Werror -fsyntax-only " + flags +
                              " -I" SLUICE_SOURCE_DIR "/include " + source + " 2>&1";
  std::string output;
  FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> part;
  for (std::size_t size; (size = std::fread(part.data(), 1, part.size(), pipe)) > 0;) {
    output.append(part.data(), size);
  }
  const int status = ::pclose(pipe);
  EXPECT_EQ(status == 0, output.empty()) << output;
  return output;
}

TEST(CompileFail, EachMistakeInOurWords) {
  const OwnDirs own;
  const Dirs& dirs = own.get();
  const struct {
    const char* wrong;
    const char* right;
    const char* message;
  } cases[] = {
      {R"(SLUICE_INFO("{} {}", a);)", R"(SLUICE_INFO("{} {}", a, text);)",
       "more placeholders than the call has arguments"},
      {R"(SLUICE_INFO("{}", a, text);)", R"(SLUICE_INFO("{}", a, sluice::kv("text", text));)",
       "more arguments than the format has placeholders"},
      {R"(SLUICE_INFO("{", a);)", R"(SLUICE_INFO("{{ {}", a);)", "has no partner"},
      {R"(SLUICE_INFO("{} {0}", a);)", R"(SLUICE_INFO("{0} {0}", a);)", "cannot be mixed"},
      {R"(SLUICE_INFO("{}", Unknown{});)", R"(SLUICE_INFO("{}", Known{1});)",
       "this type cannot be logged"},
      {R"(SLUICE_WARNING("{a} {b}", a);)", R"(SLUICE_WARNING("{a} {b}", a, text);)",
       "more placeholders than the call has arguments"},
      {R"(sluice::info("{} {}", a);)", R"(sluice::info("{} {}", a, text);)",
       "the_format_text_does_not_fit_the_arguments"},
      {R"(sluice::info("{}", Unknown{});)", R"(sluice::info("{}", Known{1});)",
       "this type cannot be logged"},
      {R"(SLUICE_INFO("x", sluice::kv(text, a));)", R"(SLUICE_INFO("x", sluice::kv("text", a));)",
       "constant expression"},
  };
  for (const auto& each : cases) {
    const std::string output = compile(dirs, each.wrong);
    EXPECT_NE(output.find(each.message), std::string::npos) << each.wrong << "\n" << output;
    EXPECT_EQ(compile(dirs, each.right), "") << each.right;
  }
}

TEST(CompileFail, HeadersWorkForEveryKindOfUser) {
  const OwnDirs own;
  const std::string all = R"(
    SLUICE_INFO("plain"); SLUICE_ERROR("{} {x}", a, text, sluice::kv("k", 2.5));
    static sluice::Logger net{"net"}; SLUICE_LOGGER_DEBUG(net, "{}", a);
    SLUICE_EVENT("e", sluice::kv("a", a)); SLUICE_GAUGE("g", a); SLUICE_STATE(sluice::kv("a", a));
    const sluice::Context context(sluice::kv("a", a));
    (void)sluice::info("{}", a); (void)sluice::flush(); (void)sluice::stats();
    if (a) SLUICE_INFO("in a branch"); else SLUICE_INFO("of its own");)";
  for (const char* flags :
       {"", "-std=c++23", "-fno-exceptions", "-fno-rtti", "-fno-exceptions -fno-rtti -O2",
        "-Wconversion -Wshadow -Wold-style-cast", "-pedantic"}) {
    EXPECT_EQ(compile(own.get(), all, flags), "") << flags;
  }
}

// Calls below the level are not there: not even what they call is needed to link, and the compiler
// still checks them.
TEST(CompileFail, CallsBelowTheActiveLevel) {
  const OwnDirs own;
  const std::string off = "#define SLUICE_ACTIVE_LEVEL ::sluice::Level::error";
  EXPECT_EQ(compile(own.get(), R"(SLUICE_INFO("{}", a);)", "", off), "");
  EXPECT_NE(compile(own.get(), R"(SLUICE_INFO("{} {}", a);)", "", off), "");
}

}  // namespace
}  // namespace sluice::test
