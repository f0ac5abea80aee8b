#!/usr/bin/env python3
"""Chat templates through jinja2, set up as transformers does, and through `octavo render`: the same
text, or a failure of both.

    python3 tests/differential/template_jinja2.py build/release/octavo

Ends with status 0 and says why when jinja2 or the program is missing.
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import jinja2
    import jinja2.ext
    import jinja2.sandbox
except ImportError:
    jinja2 = None

CONTEXT = {
    "messages": [
        {"role": "system", "content": "  Be brief.\n"},
        {"role": "user", "content": "Hi <b>\u00c4pfel</b> & 'co' \"x\""},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "function": {"name": "add", "arguments": {"a": 1, "b": 2.5, "c": [True, None]}}}]},
        {"role": "tool", "content": "3.5", "name": "add"},
    ],
    "tools": [{"type": "function", "function": {"name": "add", "parameters": {"x": {"type": "integer"}}}}],
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "text": "The quick  brown\tfox\njumps over stra\u00dfe \U0001f600",
    "numbers": [3, 1, 2, 3, -4],
    "mixed": [1, "a", 2.5, None, True, [1, 2], {"k": "v"}],
    "words": ["pear", "Apple", "fig", "apple"],
    "people": [{"name": "Bo", "age": 3, "city": "X"}, {"name": "al", "age": 1, "city": "Y"},
               {"name": "Cy", "age": 2, "city": "x"}],
    "n": 7, "f": 2.5, "zero": 0, "empty": "", "yes": True, "no": False, "nothing": None,
    "d": {"b": 1, "a": 2, "items": 3, "C": 0},
}


def expressions():
    """Each becomes {{ EXPRESSION }}."""
    yield from """
    1 + 2 * 3 - 4
    7 // 2, -7 // 2, 7 % 3, -7 % 3, 7 % -3
    7 / 2, 6 / 3, 2 ** 10, 2 ** -1, -2 ** 2
    7.5 // 2, -7.5 % 2, 1e16, 1e15, 1e-5, 0.0001, 1.0, -0.0
    1e22, 123456789012345678.0, 0.1 + 0.2, 1 / 3, 5e-324, 1.5e300
    0x1F, 0b101, 0o17, 1_000, 1_0.5
    9223372036854775807, -9223372036854775807
    1 < 2 < 3, 1 < 2 > 2, 1 == 1.0, true == 1, 'a' < 'b', [1, 2] < [1, 3]
    1 in [1, 2], 'a' in 'cat', 'a' in d, 4 not in numbers
    not yes, not no, yes and no, yes or no, empty or 'x', zero and 1, not 1 == 2
    'a' ~ 1 ~ none ~ true ~ 2.0 ~ [1, 'b']
    'a' 'b', "it's", 'say "x"', 'a\\tb\\\\n\\'', '\\u00e9\\x41'
    'yes' if n > 5 else 'no', 'x' if no
    (), (1,), (1, 2), [], [1, [2, 'x']], {}, {'a': 1, 2: none, (1, 2): 'x'}
    ["it's", 'say "x"', 'both \\' and "', 'new\\nline', '\\x07', 'é', '\\u200b', '😀']
    1.0, 100.0, 1e100, true, none, undefined_name
    true, True, false, False, none, None
    mixed
    d
    messages[2]
    messages[0].role, messages[0]['role'], messages[-1].name
    messages[9] is defined, messages[0].absent is defined, absent is defined
    messages[1:3] | length, messages[::-1][0].role, text[4:9], text[-5:], text[::-3]
    numbers[1:], numbers[:-1], numbers[::2], (1, 2, 3)[1:], 'abc'[5:], 'abc'[-9:2]
    d.b, d['items'], d.items() | list, d.keys() | list, d.values() | list
    d.get('a'), d.get('z'), d.get('z', 9), d | length
    text.upper(), text.lower(), text.title(), text.capitalize(), text.swapcase()
    text.split(), text.split(' '), text.split(' ', 1), text.rsplit(' ', 1), text.splitlines()
    'a,b,,c'.split(','), 'a,b,,c'.rsplit(',', 2), ''.split(), ''.split(','), 'a\\r\\nb\\n'.splitlines(true)
    '  x '.strip(), '  x '.lstrip(), '  x '.rstrip(), 'xxaxx'.strip('x'), 'abcba'.lstrip('ab')
    'abc'.startswith('ab'), 'abc'.endswith(('x', 'c')), 'abc'.startswith('b', 1)
    'banana'.find('an'), 'banana'.rfind('an'), 'banana'.find('x'), 'banana'.count('an'), 'banana'.index('n')
    'banana'.replace('a', 'o'), 'banana'.replace('a', 'o', 2), 'abc'.replace('', '-')
    '-'.join(['a', 'b']), ''.join(words), ', '.join(d)
    'a=b=c'.partition('='), 'a=b=c'.rpartition('='), 'abc'.partition('=')
    'abc'.removeprefix('a'), 'abc'.removesuffix('c'), 'abc'.removeprefix('x')
    'ab'.ljust(4, '.') , 'ab'.rjust(4), 'ab'.center(5, '*'), 'abc'.center(6, '*'), '7'.zfill(3), '-7'.zfill(4)
    'a\\tb'.expandtabs(4), 'ab\\tc'.expandtabs()
    '12'.isdigit(), '²'.isdigit(), '²'.isdecimal(), '½'.isnumeric(), '½'.isdigit(), 'a1'.isalnum(), ''.isdigit()
    'abc'.isalpha(), 'aB'.islower(), 'AB'.isupper(), 'Ab Cd'.istitle(), ' \\n'.isspace(), 'a_1'.isidentifier(), 'é'.isascii()
    'Straße ẞ ς ı Ꭰ ꭰ'.casefold()
    'ŉ ß ﬁ ǆ'.upper(), 'İ'.lower() | length
    '{} {1} {x!r}'.format(1, x='a') if no else 'skip'
    '{} {}'.format(1, 'b'), '{1} {0}'.format('a', 'b'), '{x:>5}|{y:<4}|{z:^5}'.format(x=1, y='a', z='b')
    '{:05d} {:+.2f} {:x} {:#X} {:,} {:e} {:%}'.format(42, 3.14159, 255, 255, 1234567, 12345.678, 0.25)
    '{0[a]} {0[b]}'.format(d), '{{}}'.format(), '{!r}'.format('x')
    '%s %d %5.2f %x %r %%' % ('a', 3, 2.5, 255, 'q'), '%-5s|%5s|' % ('a', 'b'), '%(a)s' % {'a': 1}
    '%05d|%+d|% d|%e|%g|%G' % (42, 5, 5, 12345.678, 0.00001, 1e20)
    [1, 2] + [3], (1,) + (2,), [0] * 3, 'ab' * 2, 3 * 'x', 'x' * -1
    +n, -n, -f, +yes
    n is odd, n is even, n is divisibleby 7, n is divisibleby(2)
    n is number, f is float, n is integer, yes is boolean, yes is integer, yes is number, '1' is number
    'a' is string, [] is sequence, 'a' is sequence, d is mapping, [] is mapping, numbers is iterable, n is iterable
    none is none, nothing is none, absent is none, absent is undefined, yes is true, no is false, 1 is true
    'ab' is lower, 'AB' is upper, 'a1' is lower, '1' is lower, 'Ab' is lower
    n is eq 7, n is ne 7, n is gt 3, n is lt 3, n is ge 7, n is le 7, n is equalto 7, n is in [7], n is not in [7]
    n is sameas 7, none is sameas none, range is callable, n is callable, 'upper' is filter, 'x' is filter, 'odd' is test
    n is not odd, not n is odd, n is odd and yes
    text | upper, text | lower, text | title, text | capitalize, text | length, text | wordcount
    '  x ' | trim, 'xax' | trim('x'), 'a.b' | replace('.', '-'), 'aaa' | replace('a', 'b', 2)
    'foo-bar (baz) [qux] it\\'s' | title
    words | join, words | join(', '), people | join('/', attribute='name'), numbers | join('-')
    words | first, words | last, [] | first is defined, 'abc' | first, 'abc' | last, numbers | list, 'abc' | list, d | list
    words | sort, words | sort(reverse=true), words | sort(case_sensitive=true), numbers | sort, people | sort(attribute='age') | map(attribute='name') | list
    people | sort(attribute='city,age') | map(attribute='name') | list
    words | unique | list, words | unique(case_sensitive=true) | list, numbers | unique | list
    numbers | min, numbers | max, words | min, words | max, people | max(attribute='age'), [] | max is defined
    numbers | sum, people | sum(attribute='age'), numbers | sum(start=10), [1.5, 2] | sum
    numbers | reverse | list, 'abc' | reverse, (1, 2) | reverse | list
    people | map(attribute='name') | list, words | map('upper') | list, people | map(attribute='zip', default='-') | list
    words | map('replace', 'p', 'b') | join(','), [[1, 2], [3]] | map('sum') | list, [[1, 2], [3]] | map(attribute=0) | list
    numbers | select('gt', 1) | list, numbers | reject('odd') | list, mixed | select | list, mixed | reject | list
    people | selectattr('age', 'ge', 2) | map(attribute='name') | list, people | rejectattr('age', 'in', [1, 2]) | list
    messages | selectattr('tool_calls') | list | length, messages | rejectattr('tool_calls', 'defined') | list | length
    people | groupby('city'), people | groupby('city', case_sensitive=true) | map(attribute='grouper') | list
    numbers | batch(2) | list, numbers | batch(2, 0) | list, numbers | slice(2) | list, numbers | slice(3, 'x') | list
    d | dictsort, d | dictsort(case_sensitive=true), d | dictsort(by='value'), d | dictsort(reverse=true)
    d | items | list, absent | items | list
    absent | default('x'), empty | default('x'), empty | default('x', true), none | d('x'), absent | d
    '42' | int, '4.9' | int, 'x' | int, 'x' | int(5), '0x1f' | int(base=16), '1010' | int(0, 2), 3.9 | int, -3.9 | int, none | int
    '2.5' | float, 'x' | float, 'x' | float(1.5), 7 | float, '1e3' | float, 'inf' | float
    -3 | abs, 2.5 | abs, 2.55 | round(1), 2.5 | round, 3.5 | round, 2.1 | round(0, 'ceil'), 2.9 | round(method='floor'), 1234 | round(-2), 7 | round
    'a b' | center(9), 'abc' | center(2)
    'a\\nb\\n\\nc' | indent, 'a\\nb' | indent(2, true), 'a\\n\\nb' | indent(2, blank=true), 'a\\nb' | indent('> ')
    'hello big world' | truncate(9), 'hello big world' | truncate(9, true), 'hello big world' | truncate(9, true, '~', 0), 'hello' | truncate(3)
    '<a href="x">\\'&' | escape, '<' | e, '<' | e | e, '<' | forceescape, '<' | safe, '<' | escape ~ '<', ('<' | safe) is escaped
    'a b/c?d=é&x' | urlencode, {'a b': 1, 'c': 'é'} | urlencode, [('x', 1), ('y', '/')] | urlencode
    '%s-%s' | format(1, 'b'), '%(a)d' | format(a=3), 7 | string ~ 1
    tools | tojson
    messages | tojson
    messages | tojson(indent=2)
    mixed | tojson(indent=4), [] | tojson(indent=2), {} | tojson(indent=2)
    d | tojson(sort_keys=true), d | tojson(separators=(',', ':')), 'é<>&\\'😀' | tojson, 'é😀' | tojson(ensure_ascii=true)
    1e16 | tojson, 1.0 | tojson, none | tojson, true | tojson, '\\x01\\x7f\\u2028' | tojson, {1: 2, none: 3, true: 4, 1.5: 5} | tojson
    (1, 2) | tojson, 'x' | tojson | length
    range(5) | list, range(1, 5) | list, range(5, 0, -2) | list, range(0), range(1, 9, 3), range(3)[1], range(9) | length
    dict(a=1, b=2), dict({'x': 1}, y=2), dict([('k', 'v')])
    namespace(a=1).a, namespace({'b': 2}).b, namespace().x is defined
    numbers.index(3), numbers.count(3), (1, 2).index(2)
    [1, 2].copy(), d.copy() == d
    'abc'[1], 'abc'[-1], '😀é'[0], '😀é' | length, '😀é' | reverse
    [1, 2] == [1, 2], (1, 2) == [1, 2], {'a': 1} == {'a': 1.0}, none == false, '' == none
    text | attr('upper') is defined, d | attr('b') is defined
    nothing.x is defined, messages[0].content.strip().x is defined
    [[1, 2], [3, 4]] | map('first') | list, [1, 2, 3] | map('string') | join('+')
    ('a', 'b') | join('<' | safe), ['<', 'b'] | join
    1 if yes else 2 if no else 3, (1 if no else 2) + 1
    {'a': {'b': [10, 20]}}.a.b[1], {'a b': 1}['a b']
    messages | length > 3 and messages[0].role == 'system'
    'x' is in 'xyz', 2 is in numbers, 'b' is in d
    (numbers | select('odd') | list)[0], (words | map('length') | sum)
    nothing | string, nothing | length is defined if no else 'k', [none, absent] | length
    'A' | lower ~ 'b' | upper, -1 | abs + 1, 2 * 3 | string
    [d.b, d['b'], d.get('b')] | unique | list | length
    5 | string | int + 1, '5' | int * 2, n ~ '' | length
    'abc' is string and 'abc' is iterable and 'abc' is not mapping
    'x'.join('abc'), 'abc'.join([]), ' '.join(text.split())
    true + true, true * 3, 1.0 == true, [true, 1] | unique | list, {true: 'a', 1: 'b'}
    7 // 2.0, 7 % 2.5, 2 ** 0.5, 4 ** 0.5, -7 // 2.0, 0.0 / 1
    3 == 3 == 3, 1 != 2 != 1, 'a' == 'a' in ['a']
    '\\n' in text, text.splitlines()[1], text.find('fox'), text.split('\\n') | map('trim') | list
    """.strip().splitlines()


STATEMENTS = [
    "{% if yes %}a{% elif no %}b{% else %}c{% endif %}",
    "{% if no %}a{% elif n > 5 %}b{% else %}c{% endif %}{% if none %}x{% endif %}",
    "{% for m in messages %}{{ loop.index }}/{{ loop.length }} {{ loop.first }} {{ loop.last }} {{ m.role }}\n{% endfor %}",
    "{% for x in numbers %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.previtem }}{{ loop.nextitem }}|{% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}{% for x in absent %}a{% else %}none{% endfor %}",
    "{% for x in numbers if x > 1 %}{{ x }}:{{ loop.length }} {% else %}no{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for x in numbers %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in numbers %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in numbers %}{{ loop.cycle('odd', 'even') }}{{ loop.changed(x > 1) }} {% endfor %}",
    "{% for x in [1, [2, [3]], 4] recursive %}{{ loop.depth }}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}",
    "{% for a in [1, 2] %}{% set outer = loop %}{% for b in 'xy' %}{{ outer.index }}{{ loop.index }}{{ b }} {% endfor %}{% endfor %}",
    "{% set x = 1 %}{% for i in [1, 2] %}{% set x = i * 10 %}{{ x }}{% endfor %}{{ x }}",
    "{% set x = 1 %}{% if yes %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% set ns = namespace(x=0) %}{% for i in numbers %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set t = 1, 2 %}{{ t }}{% set (c, d2) = [3, 4] %}{{ c + d2 }}",
    "{% set x %}a{{ n }}b{% endset %}{{ x }}{% set y | upper | trim %}  q {% endset %}{{ y }}|",
    "{% macro f(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(c=9, a=8) }} {{ f() }}",
    "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}{{ f.name }}",
    "{% macro f(x) %}[{{ caller(x) }}]{% endmacro %}{% call(y) f(3) %}{{ y * 2 }}{% endcall %}",
    "{% macro f() %}{{ caller is defined }}{% if caller %}{{ caller() }}{% endif %}{% endmacro %}{{ f() }}{% call f() %}x{% endcall %}",
    "{% macro fact(n) %}{% if n < 2 %}1{% else %}{{ n * fact(n - 1) | int }}{% endif %}{% endmacro %}{{ fact(10) }}",
    "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}late{% endmacro %}{{ f() }}",
    "{% macro f(x) %}{% set x = x + 1 %}{{ x }}{% endmacro %}{% set x = 5 %}{{ f(x) }}{{ x }}",
    "{% with a = 1, b = n %}{{ a + b }}{% endwith %}{{ a is defined }}{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}",
    "{% filter upper %}abc{{ words[0] }}{% endfilter %}{% filter replace('a', 'o') | upper %}banana{% endfilter %}",
    "{% raw %}{{ not }} {% neither %} {# nor #}{% endraw %}{# a {{ comment }} #}x",
    "{%- if yes -%}  a  {%- endif -%}  b",
    "a\n  {%- if yes %}\n  b\n  {%- endif %}\nc\n",
    "a\n  {% if yes %}\n  b\n  {% endif %}\nc\n",
    "  {%+ if yes %}x{%+ endif %}  {{- 1 -}}  \n  {#- c -#}  y\n\n",
    "{{ 1 }}\n{{ 2 }}\n\n",
    "line {# comment #}\n    {# alone #}\nnext {{- ' x' }}\n",
    "{% generation %}answer{{ n }}{% endgeneration %}.",
    "{% for m in messages %}{% generation %}{{ m.role }}{% set inner = 1 %}{% endgeneration %}{{ inner is defined }}{% endfor %}",
    "{% block a %}{{ n }}{% endblock %}{% for i in [1] %}{% block b scoped %}{{ i }}{% endblock %}{% endfor %}",
    "{% for i in [1] %}{% block c %}{{ i is defined }}{% endblock %}{% endfor %}",
    "{% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set _ = c.reset() %}{{ c.next() }}",
    "{% set ns = namespace(c=none) %}{% for i in [1] %}{% set ns.c = cycler(1, 2).next %}{% endfor %}{{ ns.c() }}{{ ns.c() }}{{ ns.c() }}",
    "{% set ns = namespace(l=none) %}{% for i in [5, 6] %}{% set ns.l = loop.cycle %}{% endfor %}{{ ns.l('a', 'b') }}",
    "{% set j = joiner('; ') %}{% for w in words %}{{ j() }}{{ w }}{% endfor %}",
    "{% autoescape false %}{{ '<' }}{% endautoescape %}",
    "{% set it = words | map('upper') %}{{ it | list }}{{ it | list }}",
    "{% for x in 'añ😀' %}{{ x }},{% endfor %}{% for x in range(3) %}{{ x }}{% endfor %}{% for x in d %}{{ x }}{% endfor %}",
    "{% for g in people | groupby('city') %}{{ g.grouper }}:{{ g.list | length }} {% endfor %}{% for k, v in people | groupby('age') %}{{ k }}{{ v[0].name }}{% endfor %}",
    "{% for m in messages %}{% if loop.previtem is defined and loop.previtem.role == 'user' %}{{ m.role }}{% endif %}{% endfor %}",
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set sys = messages[0]['content'] | trim %}{% else %}{% set rest = messages %}{% endif %}{{ sys }}{{ rest | length }}",
    "{% print 1, 'a' %}{% print n %}",
    "{{- bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>\n' }}{{ m.content or '' }}{{ '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
    "{% for m in messages if m.tool_calls %}{% for t in m.tool_calls %}{{ t.function.name }}({% for k, v in t.function.arguments | items %}{{ k }}={{ v | tojson }}{{ ', ' if not loop.last }}{% endfor %}){% endfor %}{% endfor %}",
    "{% macro show(v, depth=0) %}{% if v is mapping %}{% for k in v | sort %}{{ '  ' * depth }}{{ k }}:\n{{ show(v[k], depth + 1) }}{% endfor %}{% else %}{{ '  ' * depth }}{{ v }}\n{% endif %}{% endmacro %}{{ show({'a': {'b': 1, 'c': {'d': 2}}}) }}",
    "{% if no %}{{ 'x' | no_such_filter }}{% endif %}ok",
    "{% if no %}{{ 'x' is no_such_test }}{% endif %}ok",
    "{% if no %}{{ 'x' | wordwrap }}{{ {} | xmlattr }}{{ 1 | filesizeformat }}{% endif %}ok",
    "{% set x = 'a' %}{% set f = 'b' if x == 'a' else 'c' %}{{ f }}{{ '%s' % x }}",
    # Failures of both.
    "{{ raise_exception('stop: ' ~ n) }}",
    "{{ absent.x }}", "{{ absent + 1 }}", "{{ 1 + 'a' }}", "{{ 'a' + 1 }}", "{{ [] + () }}", "{{ 1 / 0 }}", "{{ 1 % 0 }}",
    "{{ n() }}", "{{ absent() }}", "{{ messages.append(1) }}", "{{ d.update({}) }}", "{{ d.pop('a') }}",
    "{{ ''.__class__ }}", "{{ ''.__class__.__mro__ }}", "{{ d.__init__() }}", "{{ 'x' | attr('__class__') | list | length + absent.q }}",
    "{{ range(1000000) | length }}", "{{ range(0, 1, 0) }}", "{{ 'x' | no_such_filter }}", "{{ 'x' is no_such_test }}",
    "{% for x in 5 %}{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}", "{% for a in [1] %}", "{% endif %}", "{% if %}{% endif %}",
    "{{ 1 ", "{{ }}", "{{ 'a }}", "{% unknown %}", "{% set 1 = 2 %}", "{% set true = 1 %}", "{{ (1 }}", "{{ [1, 2 }}", "{{ {1} }}",
    "{% break %}", "{% set x.y = 1 %}", "{% set d.y = 1 %}", "{# open", "{% raw %}", "{{ 1 < 'a' }}", "{{ [1] < [ 'a'] }}",
    "{{ 'abc'.index('x') }}", "{{ {}[[]] is defined }}{{ {[]: 1} }}", "{{ 'x' | int(base=99) }}{{ [1, 'a'] | sort }}", "{{ ['a', 1] | max }}",
    "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", "{% macro f(a) %}{% endmacro %}{{ f(b=2) }}", "{{ absent | tojson }}", "{{ range | tojson }}",
    "{{ none.x.y }}", "{{ none | length }}", "{{ 5 | join }}", "{{ 'a' * 'b' }}", "{{ -'a' }}", "{{ '%d' % 'a' }}", "{{ '{' .format() }}", "{{ '{x}'.format() }}",
    "{{ 'a'.join([1]) }}", "{{ 'a'.split('') }}", "{{ 'x'.center() }}", "{{ 'x'.nope() }}", "{{ loop }}", "{{ 1 is sameas }}", "{{ 'a' is divisibleby 2 }}",
]


def reference():
    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            call = self.call_method("_same")
            return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

        def _same(self, caller):
            return caller()

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    return environment


def expected(environment, source):
    try:
        return environment.from_string(source).render(**CONTEXT)
    except Exception as error:  # whatever Python raises is a failure of the template
        return error


def actual(program, source):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "case.jinja")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(source)
        done = subprocess.run([program, "render", "--template", path], input=json.dumps(CONTEXT) + "\n",
                              capture_output=True, encoding="utf-8", timeout=60)
    if done.returncode != 0:
        raise SystemExit(f"{program} ended with {done.returncode} on {source!r}: {done.stderr}")
    answer = json.loads(done.stdout)
    return answer["text"] if "text" in answer else RuntimeError(answer["error"])


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else ""
    if jinja2 is None or not os.access(program, os.X_OK):
        print("skipped:", "jinja2 is not installed" if jinja2 is None else f"no program at '{program}'")
        return 0
    environment = reference()
    cases = ["{{ " + line.strip() + " }}" for line in expressions()] + STATEMENTS
    different = 0
    for source in cases:
        want, got = expected(environment, source), actual(program, source)
        both_fail = isinstance(want, Exception) and isinstance(got, Exception)
        if both_fail or want == got:
            continue
        different += 1
        print(f"DIFFERENT {source!r}\n  jinja2: {want!r}\n  octavo: {got!r}")
    failures = sum(isinstance(expected(environment, source), Exception) for source in cases)
    print(f"{len(cases)} cases ({failures} of them failures), {different} different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
