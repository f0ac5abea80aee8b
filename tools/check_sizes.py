#!/usr/bin/env python3
"""Limits on files, functions, parameters, nesting and names, so that the code stays readable. Exit status 1 names each excess.

Generated tables (*_data.cc) are exempt. The reader of C++ below is a rough one: it strips comments and literals and follows braces,
which is enough for code that clang-format has laid out."""
from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

ROOT = (Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
FOLDERS = ("include", "src", "cli", "tests", "fuzz", "bench", "examples", "tools", "python")
MAX_FILE, MAX_PUBLIC, MAX_FAMILY = 600, 250, 60
MAX_FAMILY_SAME = 0.6
FRAME = re.compile(r"#include|namespace|\}|\s*$|ModelSpec \w+\(const Config& c\) \{|  return (decoder\(p\)|spec);"
                   r"|  (const )?Parts p = read_parts\(c\);|  ModelSpec spec = decoder\(p\);")
MAX_FUNCTION, MAX_KERNEL = 60, 120
MAX_PARAMETERS, MAX_NESTING = 6, 4
KERNELS = ("src/cpu/", "src/gpu/", "src/opencl/", "src/ops/")
WIDE = {("src/model/forward.cc", "forward")}   # the one walk: model, queue, batch, cache, workspace, logits, tap
BANNED = re.compile(r"(^|_)(utils?|common|helpers?|misc)(_|\.|$)")
CONTROL = re.compile(r"^\s*(\}\s*)?(if|else|for|while|switch|catch|do|try)\b")
TYPE = re.compile(r"^\s*(template\s*<.*>\s*)?(typedef\s+)?(namespace|struct|class|enum|union|extern)\b", re.S)
LITERAL = re.compile(r'R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/', re.S)


def stripped(text: str) -> str:
    """The code without comments, literals and preprocessor lines; line numbers stay."""
    def blank(found: re.Match[str]) -> str:
        return ("\n" * found.group().count("\n")) if found.group().startswith("/") else '""' + "\n" * found.group().count("\n")
    text = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "", text)   # digit separators
    text = LITERAL.sub(blank, text)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group().count("\n"), text, flags=re.M)


@dataclass
class Scope:
    kind: str   # function, control, type, other
    begin: int
    name: str = ""


def parameters(head: str) -> int:
    """Parameters of the first parenthesised list of a function's head."""
    depth = angle = count = 0
    for i in range(head.index("("), len(head)):
        c = head[i]
        depth += (c in "([{") - (c in ")]}")
        angle += (c == "<") - (c == ">" and head[i - 1] != "-")
        if depth == 0:
            inside = head[head.index("(") + 1:i].strip()
            return count + 1 if inside and inside != "void" else 0
        count += c == "," and depth == 1 and angle == 0
    return 0


def kind_of(head: str, inside_function: bool) -> str:
    if CONTROL.match(head):
        return "control"
    if TYPE.match(head) and not re.search(r"\)\s*(const|noexcept|override|final|\s)*$", head):
        return "type"
    body = re.search(r"\)\s*(const|noexcept(\(.*\))?|override|final|mutable|&&?|->[^;=]*|requires[^;]*|:[^;]*|\s)*$", head, re.S)
    if body and not inside_function and "(" in head and not re.search(r"=\s*[\w:]*\s*\[|=\s*$", head):
        return "function"
    return "other"


def functions(code: str) -> list[tuple[str, int, int, int, int]]:
    """(head, first line, lines, parameters, deepest control nesting) of every outermost function."""
    found, stack, start, line, deepest = [], [], 0, 1, 0
    parens = 0
    for at, c in enumerate(code):
        if c == "\n":
            line += 1
        elif c in "()":
            parens += 1 if c == "(" else -1
        elif c == "{":
            head = code[start:at]
            inside = any(s.kind == "function" for s in stack)
            kind = "other" if parens > 0 and not CONTROL.match(head) else kind_of(head, inside)
            first = line - head.lstrip().count("\n")
            stack.append(Scope(kind, first, head.strip()))
            if kind == "function":
                deepest = 0
            deepest = max(deepest, sum(s.kind == "control" for s in stack))
            start = at + 1
        elif c == "}":
            if stack:
                scope = stack.pop()
                if scope.kind == "function":
                    found.append((scope.name, scope.begin, line - scope.begin + 1, parameters(scope.name), deepest))
            start = at + 1
        elif c == ";" and parens == 0:
            start = at + 1
    return found


def short(head: str) -> str:
    names = re.findall(r"([~\w:]+)\s*\(", head)
    return names[0] if names else head[:40]


def check_cpp(path: Path, name: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    lines, problems = text.count("\n"), []
    family = "/families/" in name and path.name != "list.cc" and not name.endswith("_test.cc")
    limit = MAX_FAMILY if family else MAX_FILE
    limit = MAX_PUBLIC if name.startswith("include/") else limit
    if lines > limit:
        problems.append(f"{name}: {lines} lines, limit {limit}")
    most = MAX_KERNEL if name.startswith(KERNELS) else MAX_FUNCTION
    for head, line, length, count, depth in functions(stripped(text)):
        if length > most:
            problems.append(f"{name}:{line}: {short(head)} has {length} lines, limit {most}")
        if count > MAX_PARAMETERS and (name, short(head)) not in WIDE:
            problems.append(f"{name}:{line}: {short(head)} has {count} parameters, limit {MAX_PARAMETERS}: pass a struct")
        if depth > MAX_NESTING:
            problems.append(f"{name}:{line}: {short(head)} nests {depth} deep, limit {MAX_NESTING}")
    return problems


def family_problems(files: list[Path]) -> list[str]:
    """Families that say mostly the same belong together; the frame that all share does not count."""
    said = {f.name: [line for line in f.read_text(encoding="utf-8").splitlines() if not FRAME.match(line)] for f in files}
    problems = []
    for (a, mine), (b, theirs) in combinations(said.items(), 2):
        same = SequenceMatcher(None, mine, theirs, autojunk=False).ratio()
        if same > MAX_FAMILY_SAME:
            problems.append(f"src/model/families: {a} and {b} are {same:.0%} equal, limit {MAX_FAMILY_SAME:.0%}")
    return problems


def main() -> int:
    problems = family_problems([f for f in sorted((ROOT / "src/model/families").glob("*.cc")) if f.name != "list.cc"])
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = str(path.relative_to(ROOT))
            if not path.is_file() or "__pycache__" in name or "_data." in path.name:
                continue
            if path.suffix in (".h", ".cc", ".cu", ".py", ".sh") and BANNED.search(path.name):
                problems.append(f"{name}: name the noun that the file holds")
            if path.suffix in (".h", ".cc", ".cu"):
                problems += check_cpp(path, name)
            elif path.suffix in (".py", ".sh") and (lines := path.read_text(encoding="utf-8").count("\n")) > MAX_FILE:
                problems.append(f"{name}: {lines} lines, limit {MAX_FILE}")
    print("\n".join(problems) if problems else "sizes hold")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
