#include "text/template/chat_template.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "octavo/error.h"

// Small cases with the results of Python and Jinja; tests/differential/template_jinja2.py asks
// Jinja itself about many more.
namespace octavo {
namespace {

struct Case {
  std::string_view source, text;
};

Json variables() {
  return {{"n", 7},
          {"f", 2.5},
          {"words", {"pear", "Apple", "fig"}},
          {"d", {{"a", 2}, {"b", 1}}},
          {"people", {{{"name", "Bo"}, {"age", 3}}, {{"name", "al"}, {"age", 1}}}},
          {"text", "a b"}};
}

std::string render(std::string_view source) {
  TemplateOptions options;
  std::tm& now = options.now.emplace();
  now.tm_sec = 5;
  now.tm_min = 4;
  now.tm_hour = 3;
  now.tm_mday = 2;
  now.tm_year = 125;
  return ChatTemplate::compile(source, "test").render(variables(), options);
}

void expect_texts(std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    try {
      EXPECT_EQ(render(c.source), c.text) << c.source;
    } catch (const TemplateError& error) {
      ADD_FAILURE() << c.source << ": " << error.message();
    } catch (const Error& error) {
      ADD_FAILURE() << c.source << ": " << error.what();
    }
  }
}

TEST(ChatTemplate, KeepsWhiteSpaceAsTrimAndLstripBlocksDo) {
  expect_texts({{"a\n  {% if n %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc"},
                {"a \n {%- if n -%} \n b {%- endif %}", "ab"},
                {"  {%+ if n %}x{% endif %}", "  x"},
                {"{{ 1 }}\n{{ 2 }}\n", "1\n2"},
                {"x {# gone #}\n y", "x  y"},
                {"{% raw %}{{ n }}{% endraw %}", "{{ n }}"}});
}

TEST(ChatTemplate, TakesTheFirstBranchThatHolds) {
  expect_texts({{"{% if n < 5 %}a{% elif n < 9 %}b{% else %}c{% endif %}", "b"},
                {"{% if absent %}a{% else %}c{% endif %}", "c"}});
}

TEST(ChatTemplate, LoopsWithTheirVariables) {
  expect_texts(
      {{"{% for w in words %}{{ loop.index }}{{ w }}{{ '' if loop.last else ',' }}{% endfor %}",
        "1pear,2Apple,3fig"},
       {"{% for x in [] %}a{% else %}none{% endfor %}", "none"},
       {"{% for x in [1, 2, 3] if x != 2 %}{{ x }}{{ loop.length }}{% endfor %}", "1232"},
       {"{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
        "13"},
       {"{% for x in [1, 2, 3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}", "1"},
       {"{% for x in [1, [2]] recursive %}{{ loop(x) if x is iterable else x }}{% endfor %}", "12"},
       {"{% for k, v in d.items() %}{{ k }}{{ v }}{{ loop.cycle('.', ';') }}{% endfor %}",
        "a2.b1;"},
       {"{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}", "TrueFalseTrue"}});
}

TEST(ChatTemplate, ScopesNames) {
  expect_texts(
      {{"{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}", "1"},
       {"{% set x = 1 %}{% if n %}{% set x = 2 %}{% endif %}{{ x }}", "2"},
       {"{% set s = namespace(x=0) %}{% for i in [3] %}{% set s.x = i %}{% endfor %}{{ s.x }}",
        "3"},
       {"{% with a = n %}{{ a }}{% endwith %}{{ a is defined }}", "7False"},
       {"{% set x | upper %}a{{ n }}{% endset %}{{ x }}", "A7"},
       {"{% generation %}{{ n }}{% endgeneration %}", "7"},
       {"{% block b %}{{ n }}{% endblock %}", "7"}});
}

TEST(ChatTemplate, CallsMacros) {
  expect_texts(
      {{"{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, b=2) }}", "1112"},
       {"{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, x=2) }}", "(1,){'x': 2}"},
       {"{% macro f() %}<{{ caller(2) }}>{% endmacro %}{% call(x) f() %}{{ x }}{% endcall %}",
        "<2>"},
       {"{% filter upper %}a{{ n }}b{% endfilter %}", "A7B"}});
}

TEST(ChatTemplate, ComputesAsPythonDoes) {
  expect_texts(
      {{"{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }}", "-4 2 3.5 1024 0.5"},
       {"{{ 1 < 2 < 3 }} {{ 1 == 1.0 }} {{ 'a' in 'cat' }}", "True True True"},
       {"{{ 'a' ~ 1 ~ none ~ 2.0 }}", "a1None2.0"},
       {"{{ 'x' if n else 'y' }}{{ 1 or 2 }}{{ 0 and 2 }}{{ not n }}", "x10False"},
       {"{{ [1, 2][1:] + [3] }}{{ 'abc'[::-1] }}", "[2, 3]cba"}});
}

TEST(ChatTemplate, PrintsAsPythonDoes) {
  expect_texts(
      {{"{{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 1e-05 }} {{ 1 / 3 }}",
        "1e+16 1000000000000000.0 0.0001 1e-05 0.3333333333333333"},
       {"{{ [none, true, 'it\\'s', 'a\\n', (1,)] }}", "[None, True, \"it's\", 'a\\n', (1,)]"},
       {"{{ {'a': {1: 2.0}} }}", "{'a': {1: 2.0}}"},
       {"{{ absent }}", ""}});
}

TEST(ChatTemplate, FormatsAsPythonDoes) {
  expect_texts(
      {{"{{ '%5.2f|%-4s|%04d|%x|%r' % (1.5, 'a', 7, 255, 'q') }}", " 1.50|a   |0007|ff|'q'"},
       {"{{ '{:>4}|{x:^5}|{:,}'.format(1, 1000, x='m') }}", "   1|  m  |1,000"}});
}

TEST(ChatTemplate, FiltersTexts) {
  expect_texts(
      {{"{{ 'aB' | upper }}{{ 'aB' | lower }}{{ 'aB c' | title }}{{ 'aB' | capitalize }}",
        "ABabAb CAb"},
       {"{{ ' x ' | trim }}{{ 'aa' | replace('a', 'b', 1) }}{{ 'a\nb' | indent(2) }}", "xbaa\n  b"},
       {"{{ '<&>' | e }}{{ 'a b/é' | urlencode }}{{ 'a b' | wordcount }}",
        "&lt;&amp;&gt;a%20b/%C3%A92"},
       {"{{ 'hello world' | truncate(8, true, '', 0) }}|{{ 'a' | center(3) }}", "hello wo| a "},
       {"{{ '4.9' | int }}{{ 'x' | float }}{{ -3 | abs }}{{ 2.5 | round }}{{ '%d' | format(3) }}",
        "40.032.03"},
       {"{{ {'é': [1, none, '<']} | tojson }}", "{\"é\": [1, null, \"<\"]}"},
       {"{{ [1, {'a': 2}] | tojson(indent=1) }}", "[\n 1,\n {\n  \"a\": 2\n }\n]"}});
}

TEST(ChatTemplate, FiltersSequences) {
  expect_texts(
      {{"{{ words | sort }}{{ words | first }}{{ words | last }}{{ words | length }}",
        "['Apple', 'fig', 'pear']pearfig3"},
       {"{{ words | map('upper') | join('-') }}{{ people | map(attribute='age') | sum }}",
        "PEAR-APPLE-FIG4"},
       {"{{ people | selectattr('age', 'gt', 1) | map(attribute='name') | list }}", "['Bo']"},
       {"{{ [1, 2, 3] | reject('odd') | list }}{{ [2, 1, 2] | unique | list }}", "[2][2, 1]"},
       {"{{ d | dictsort(by='value') }}{{ d | items | list }}",
        "[('b', 1), ('a', 2)][('a', 2), ('b', 1)]"},
       {"{{ range(5) | batch(2, 9) | list }}{{ range(3) | slice(2) | list }}",
        "[[0, 1], [2, 3], [4, 9]][[0, 1], [2]]"},
       {"{{ [3, 1] | min }}{{ [3, 1] | max }}{{ 'ab' | reverse }}{{ absent | default('z') }}",
        "13baz"},
       {"{% for g in people | groupby('age') %}{{ g.grouper }}{{ g.list[0].name }}{% endfor %}",
        "1al3Bo"}});
}

// What a filter walks may live only in the value that a call just made.
TEST(ChatTemplate, WalksWhatNobodyElseHolds) {
  expect_texts(
      {{"{{ d.keys() | join(',') }}{{ ','.join(d) }}{{ 'abc' | join('.') }}", "a,ba,ba.b.c"},
       {"{{ range(4) | sum }}{{ 'abc' | select('in', 'ac') | list }}", "6['a', 'c']"},
       {"{{ dict(d.items()) }}{{ d.items() | urlencode }}", "{'a': 2, 'b': 1}a=2&b=1"}});
}

TEST(ChatTemplate, TestsValues) {
  expect_texts(
      {{"{{ n is odd }}{{ n is divisibleby 7 }}{{ absent is defined }}{{ none is none }}",
        "TrueTrueFalseTrue"},
       {"{{ 'a' is string }}{{ d is mapping }}{{ f is float }}{{ n is in [7] }}",
        "TrueTrueTrueTrue"},
       {"{{ n is not eq 8 }}{{ 'ab' is lower }}{{ range is callable }}{{ words is iterable }}",
        "TrueTrueTrueTrue"}});
}

TEST(ChatTemplate, CallsMethods) {
  expect_texts(
      {{"{{ 'a,b,c'.split(',', 1) }}{{ ' a '.strip() }}{{ 'abc'.startswith('ab') }}",
        "['a', 'b,c']aTrue"},
       {"{{ 'a=b'.partition('=') }}{{ 'x'.zfill(3) }}{{ 'banana'.count('an') }}",
        "('a', '=', 'b')00x2"},
       {"{{ d.get('z', 5) }}{{ d.items() | list }}{{ words.index('fig') }}",
        "5[('a', 2), ('b', 1)]2"},
       {"{{ '²'.isdigit() }}{{ '²'.isdecimal() }}{{ '½'.isnumeric() }}{{ '½'.isdigit() }}",
        "TrueFalseTrueFalse"},
       {"{{ 'Straße ẞ ς ı Ꭰ ꭰ'.casefold() }}", "strasse ss σ ı Ꭰ Ꭰ"},
       {"{{ 'a'.center(-9223372036854775807 - 1) }}{{ 'a'.zfill(-9223372036854775807 - 1) }}",
        "aa"}});
}

TEST(ChatTemplate, OffersJinjasFunctions) {
  expect_texts(
      {{"{{ strftime_now('%Y-%m-%d %H:%M:%S %-d') }}", "2025-01-02 03:04:05 2"},
       {"{{ range(5, 0, -2) | list }}{{ dict(a=1) }}{{ namespace(a=1).a }}", "[5, 3, 1]{'a': 1}1"},
       {"{% set j = joiner('; ') %}{{ j() }}a{{ j() }}b", "a; b"},
       {"{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}",
        "1212"}});
}

TEST(ChatTemplate, MethodsOfLoopsAndCyclersOutliveTheirScope) {
  expect_texts({{"{% set s = namespace() %}{% for i in [1] %}{% set s.c = cycler(1, 2).next %}{% "
                 "endfor %}{{ s.c() }}{{ s.c() }}",
                 "12"},
                {"{% set s = namespace() %}{% for i in [5, 6] %}{% set s.l = loop.cycle %}{% "
                 "endfor %}{{ s.l('a', 'b') }}",
                 "b"},
                {"{% set s = namespace() %}{% macro f() %}{% for i in [1, 2] %}{% set s.l = loop "
                 "%}{% set s.m = loop.changed %}{% endfor %}{% endmacro %}"
                 "{{ f() }}{{ s.l.index }}{{ s.m(s.l) }}{{ s.m(s.l) }}",
                 "2TrueFalse"}});
}

void expect_error(std::string_view source, std::string_view part) {
  try {
    ADD_FAILURE() << source << " gave " << render(source);
  } catch (const TemplateError& error) {
    EXPECT_NE(error.message().find(part), std::string::npos) << source << ": " << error.message();
  } catch (const Error& error) {
    ADD_FAILURE() << source << " did not compile: " << error.what();
  }
}

TEST(ChatTemplate, FailsWherePythonRaises) {
  expect_error("{{ 1 + 'a' }}", "");
  expect_error("{{ 1 / 0 }}", "zero");
  expect_error("{{ absent.x }}", "'absent' is undefined");
  expect_error("{{ n.x.y }}", "has no attribute 'x'");
  expect_error("{{ n() }}", "not callable");
  expect_error("{{ 9223372036854775807 + 1 }}", "");
  expect_error("{% for a, b in [[1]] %}{% endfor %}", "unpack");
}

TEST(ChatTemplate, RefusesWhatTheSandboxRefuses) {
  expect_error("{{ words.append(1) }}", "unsafe");
  expect_error("{{ d.pop('a') }}", "unsafe");
  expect_error("{{ ''.__class__.__mro__ }}", "unsafe");
  expect_error("{{ '{0.__class__.__mro__}'.format(1) }}", "");
  expect_error("{{ range(100001) }}", "Range too big");
  expect_error("{% include 'x' %}", "not available");
}

TEST(ChatTemplate, TellsTheTemplatesOwnErrorsApart) {
  try {
    render("{{ raise_exception('no ' ~ n) }}");
    FAIL();
  } catch (const TemplateError& error) {
    EXPECT_EQ(error.by(), TemplateError::By::raise_exception);
    EXPECT_EQ(error.message(), "no 7");
  }
}

TEST(ChatTemplate, FiltersItDoesNotOfferFailOnlyWhenReached) {
  for (const std::string name :
       {"pprint", "wordwrap", "striptags", "filesizeformat", "xmlattr", "urlize", "random"}) {
    EXPECT_EQ(render("{% set x = 'k' if n else ('a' | " + name + ") %}{{ x }}"), "k");
    expect_error("{{ 'a' | " + name + " }}", "not available");
  }
}

TEST(ChatTemplate, NamesTheLineOfWhatIsNoTemplate) {
  for (const char* source :
       {"{{", "{{ }}", "{% if %}{% endif %}", "{% for x in y %}", "{% unknown %}", "{{ 'a }}",
        "{% break %}", "{# open", "{{ 1 | no_such }}", "{% set 1 = 2 %}"}) {
    try {
      ChatTemplate::compile(std::string("\n") + source, "somewhere");
      ADD_FAILURE() << source;
    } catch (const Error& error) {
      EXPECT_EQ(error.where(), "somewhere");
      EXPECT_NE(error.problem().find("line 2"), std::string::npos) << source << error.problem();
    }
  }
}

TEST(ChatTemplate, ReplacesBytesThatAreNotUtf8) {
  const Json context = {{"x",
                         "a\xFF"
                         "b"}};
  EXPECT_EQ(ChatTemplate::compile("{{ x | length }}", "test").render(context), "3");
}

}  // namespace
}  // namespace octavo
