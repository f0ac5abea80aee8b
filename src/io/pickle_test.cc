#include "io/pickle.h"

#include <gtest/gtest.h>

#include <string>

#include "octavo/error.h"

namespace octavo::pickle {
namespace {

using namespace std::string_literals;

constexpr std::string_view kAllowed[] = {"torch.FloatStorage", "collections.OrderedDict"};

Document read(const std::string& bytes, const Limits& limits = {}) {
  return parse(std::as_bytes(std::span(bytes)), kAllowed, "a file", limits);
}
std::string problem_of(const std::string& bytes, const Limits& limits = {}) {
  try {
    read(bytes, limits);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Pickle, reads_numbers_of_every_width) {
  const std::pair<std::string, int64_t> cases[] = {{"K\xff."s, 255},
                                                   {"M\x00\x80."s, 32768},
                                                   {"J\xff\xff\xff\xff."s, -1},
                                                   {"\x8a\x00."s, 0},
                                                   {"\x8a\x01\xff."s, -1},
                                                   {"\x8a\x02\x00\x80."s, -32768},
                                                   {"\x8a\x02\xff\x00."s, 255},
                                                   {"I-12\n."s, -12},
                                                   {"L7L\n."s, 7},
                                                   {"\x88."s, 1},
                                                   {"I00\n."s, 0}};
  for (const auto& [bytes, value] : cases) {
    const Document document = read(bytes);
    EXPECT_EQ(document.at(document.root).integer, value);
  }
  const Document real = read("G\xbf\xf0\x00\x00\x00\x00\x00\x00."s);
  EXPECT_EQ(real.at(real.root).real, -1.0);
}

TEST(Pickle, says_how_long_the_stream_was) { EXPECT_EQ(read("N.rest"s).bytes, 2u); }

TEST(Pickle, describes_calls_without_making_them) {
  const Document document = read("ccollections\nOrderedDict\n)R(K\1K\2u."s);
  const Node& call = document.at(document.root);
  ASSERT_EQ(call.kind, Kind::call);
  ASSERT_EQ(call.items.size(), 4u);
  EXPECT_EQ(document.at(call.items[0]).text, "collections.OrderedDict");
  EXPECT_EQ(document.at(call.items[3]).integer, 2);
}

TEST(Pickle, refuses_other_globals_by_name) {
  EXPECT_NE(problem_of("cos\nsystem\n(Vls\ntR."s).find("os.system"), std::string::npos);
  EXPECT_NE(problem_of("\x80\x04\x8c\x08"
                       "builtins\x8c\x04"
                       "eval\x93."s)
                .find("builtins.eval"),
            std::string::npos);
  EXPECT_NE(problem_of("ctorch\nFloatStorage.x\n."s), "");
}

TEST(Pickle, lets_no_call_build_on_another) {
  EXPECT_NE(problem_of("ccollections\nOrderedDict\n)R)R."s), "");
  EXPECT_NE(problem_of("K\1)R."s), "");
  EXPECT_NE(problem_of("ccollections\nOrderedDict\nK\1R."s), "");
}

TEST(Pickle, refuses_damaged_streams) {
  for (const std::string& bytes : {""s,
                                   "."s,
                                   "K"s,
                                   "X\xff\xff\xff\xff"
                                   "a."s,
                                   "\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                                   "a."s,
                                   "t."s,
                                   "(."s,
                                   "\x87."s,
                                   "}K\1s."s,
                                   "}(K\1u."s,
                                   "K\1K\2K\3s."s,
                                   "]K\1K\2s."s,
                                   "h\0."s,
                                   "r\xff\xff\xff\xff."s,
                                   "Nr\xff\xff\xff\x7f."s,
                                   "g12x\n."s,
                                   "\x80\x06."s,
                                   "cos\nsystem"s,
                                   "\xff."s,
                                   "(K\1d."s,
                                   "0."s,
                                   "1."s,
                                   "2."s,
                                   "(2."s,
                                   "I99999999999999999999\n."s,
                                   "\x8b\xff\xff\xff\xff."s,
                                   "\x95\1."s,
                                   "\x81."s})
    EXPECT_NE(problem_of(bytes), "") << testing::PrintToString(bytes);
}

TEST(Pickle, holds_no_more_values_than_it_may) {
  EXPECT_NE(problem_of(std::string(11, 'N') + ".", {.max_nodes = 10}).find("more than 10"),
            std::string::npos);
  EXPECT_EQ(problem_of(std::string(10, 'N') + ".", {.max_nodes = 10}), "");
  EXPECT_NE(problem_of(std::string(11, '(') + ".", {.max_nodes = 10}), "");
  EXPECT_NE(problem_of("N" + std::string(11, '2') + ".", {.max_nodes = 10}), "");
}

TEST(Pickle, takes_a_list_that_holds_itself_for_what_it_is) {
  const Document document = read("]q\0h\0a."s);
  EXPECT_EQ(document.at(document.root).items, std::vector<Ref>{document.root});
}

}  // namespace
}  // namespace octavo::pickle
