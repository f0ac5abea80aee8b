#include <gtest/gtest.h>
#include <pthread.h>

#include <functional>

#include "base/json.h"
#include "octavo/error.h"
#include "text/template/chat_template.h"

// Hostile templates and variables end in an error: quickly, within memory, and within kStackBytes.
namespace octavo {
namespace {

// What a thread that renders must have (ChatTemplate's contract). Sanitizers make frames larger.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kStackBytes = size_t{8} << 20;
#else
constexpr size_t kStackBytes = ChatTemplate::kStackBytes;
#endif

void* call(void* function) {
  (*static_cast<std::function<void()>*>(function))();
  return nullptr;
}

void on_small_stack(std::function<void()> function) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kStackBytes), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, call, &function), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

// Smaller than the defaults, for builds without optimization.
constexpr TemplateLimits kSmall = {
    .max_steps = 200'000, .max_output_bytes = 4 << 20, .max_items = 100'000};

enum class End { text, refused, failed };

End run(const std::string& source, const Json& context = Json::object(),
        const TemplateLimits& limits = kSmall) {
  End end = End::text;
  on_small_stack([&] {
    try {
      ChatTemplate::compile(source, "test")
          .render(context, {.now = std::nullopt, .limits = limits});
    } catch (const TemplateError&) {
      end = End::failed;
    } catch (const Error&) {
      end = End::refused;
    }
  });
  return end;
}

std::string repeated(std::string_view part, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += part;
  return out;
}

TEST(TemplateLimits, StopEndlessLoops) {
  EXPECT_EQ(run("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"),
            End::failed);
  EXPECT_EQ(run("{% for i in range(99999) %}{{ range(99999) | sum }}{% endfor %}"), End::failed);
  EXPECT_EQ(run("{{ range(99999) | map('string') | map('length') | map('string') | list }}", {},
                {.max_steps = 1000}),
            End::failed);
}

TEST(TemplateLimits, StopGrowingTexts) {
  EXPECT_EQ(run("{% set s = namespace(x='ab') %}{% for i in range(60) %}{% set s.x = s.x ~ s.x %}"
                "{% endfor %}"),
            End::failed);
  EXPECT_EQ(run("{{ 'x' * 99999999999 }}"), End::failed);
  EXPECT_EQ(run("{{ 'x'.ljust(99999999999) }}"), End::failed);
  EXPECT_EQ(run("{{ '%99999999999d' % 1 }}"), End::failed);
  EXPECT_EQ(run("{{ '{:>99999999999}'.format(1) }}"), End::failed);
  EXPECT_EQ(run("{{ ('a' * 9999999).replace('a', 'b' * 9999999) }}"), End::failed);
  EXPECT_EQ(run("{{ 'a\n' * 9999 | indent(99999999) }}"), End::failed);
  EXPECT_EQ(run("{{ 'x' * 2000 }}", {}, {.max_output_bytes = 1000}), End::failed);
  EXPECT_EQ(run("{% for i in range(2000) %}x{% endfor %}", {}, {.max_output_bytes = 1000}),
            End::failed);
}

TEST(TemplateLimits, StopGrowingLists) {
  EXPECT_EQ(run("{% set s = namespace(x=[1]) %}{% for i in range(60) %}{% set s.x = s.x + s.x %}"
                "{% endfor %}"),
            End::failed);
  EXPECT_EQ(run("{{ [1] * 99999999999 }}"), End::failed);
  EXPECT_EQ(run("{{ [1] | batch(99999999999, 0) | list }}"), End::failed);
  EXPECT_EQ(run("{{ [1] | slice(99999999999) | list }}"), End::failed);
  EXPECT_EQ(run("{{ range(999999999999) }}"), End::failed);
}

TEST(TemplateLimits, StopNesting) {
  EXPECT_EQ(run("{% set s = namespace(x=[]) %}{% for i in range(9999) %}{% set s.x = [s.x] %}"
                "{% endfor %}{{ s.x }}"),
            End::failed);
  EXPECT_EQ(run("{% set s = namespace(x={}) %}{% for i in range(9999) %}{% set s.x = {1: s.x} %}"
                "{% endfor %}{{ s.x }}"),
            End::failed);
  EXPECT_EQ(run("{% set s = namespace() %}{% set s.x = s %}{{ s }}"), End::failed);
  EXPECT_EQ(run("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}"), End::failed);
  EXPECT_EQ(run("{% macro f() %}" + repeated("{% if 1 %}", 90) + "{{ [[[[[[f()]]]]]] }}" +
                repeated("{% endif %}", 90) + "{% endmacro %}{{ f() }}"),
            End::failed);
  EXPECT_EQ(run("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"), End::failed);
  EXPECT_EQ(run("{% macro f() %}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}"), End::failed);
}

TEST(TemplateLimits, RefuseDeepSources) {
  for (const int depth : {1'000, 20'000}) {
    EXPECT_EQ(run("{{ " + repeated("(", depth) + "1" + repeated(")", depth) + " }}"), End::refused);
    EXPECT_EQ(run("{{ " + repeated("[", depth) + repeated("]", depth) + " }}"), End::refused);
    EXPECT_EQ(run("{{ " + repeated("{1:", depth) + "1" + repeated("}", depth) + " }}"),
              End::refused);
    EXPECT_EQ(run("{{ " + repeated("not ", depth) + "1 }}"), End::refused);
    EXPECT_EQ(run("{{ " + repeated("-", depth) + "1 }}"), End::refused);
    EXPECT_EQ(run("{{ " + repeated("1+", depth) + "1 }}"), End::refused);
    EXPECT_EQ(run("{{ 2" + repeated("**2", depth) + " }}"), End::refused);
    EXPECT_EQ(run("{{ a" + repeated(".a", depth) + " }}"), End::refused);
    EXPECT_EQ(run("{{ a" + repeated("|e", depth) + " }}"), End::refused);
    EXPECT_EQ(run("{{ a" + repeated("()", depth) + " }}"), End::refused);
    EXPECT_EQ(run("{{ a" + repeated("[0]", depth) + " }}"), End::refused);
    EXPECT_EQ(run("{{ 1" + repeated(" if 1 else 1", depth) + " }}"), End::refused);
    EXPECT_EQ(run(repeated("{% if 1 %}", depth) + repeated("{% endif %}", depth)), End::refused);
    EXPECT_EQ(run("{% set " + repeated("(", depth) + "a" + repeated(")", depth) + " = 1 %}"),
              End::refused);
  }
}

TEST(TemplateLimits, ReadLongSourcesThatAreNotDeep) {
  EXPECT_EQ(run("{{ 1" + repeated(" ~ 1", 9'999) + " }}"), End::text);
  EXPECT_EQ(run("{% if 0 %}" + repeated("{% elif 0 %}", 9'999) + "{% endif %}"), End::text);
  EXPECT_EQ(run("{{ [" + repeated("1, ", 9'999) + "] | length }}"), End::text);
  EXPECT_EQ(run("{{ 1" + repeated(" + 1", 150) + " }}"), End::text);
}

TEST(TemplateLimits, RefuseDeepVariables) {
  for (const int depth : {200, 100'000}) {
    Json lists = 1, objects = 1;
    for (int i = 0; i < depth; ++i) {
      Json list = Json::array(), object = Json::object();
      list.push_back(std::move(lists));
      object["x"] = std::move(objects);
      lists = std::move(list);
      objects = std::move(object);
    }
    for (Json* deep : {&lists, &objects}) {
      Json context = Json::object();
      context["x"] = std::move(*deep);
      EXPECT_EQ(run("{{ x }}", context), End::failed);
    }
  }
}

// Objects that hold each other in a chain are freed without recursion.
TEST(TemplateLimits, FreeLongChains) {
  for (const char* chain :
       {"joiner(s.x)", "cycler(s.x)", "cycler(s.x, 1).next", "namespace(x=s.x)"}) {
    const End end = run("{% set s = namespace(x=1) %}{% for i in range(99999) %}{% set s.x = " +
                        std::string(chain) + " %}{% endfor %}");
    EXPECT_NE(end, End::refused) << chain;
  }
}

}  // namespace
}  // namespace octavo
