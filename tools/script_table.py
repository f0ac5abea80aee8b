#!/usr/bin/env python3
"""Writes src/text/tokenizer/scripts_data.cc: the scripts of characters as the UnicodeScripts pre-tokenizer of the PyPI `tokenizers` wheel
tells them apart (pip install tokenizers), which is not one version of Unicode.

    python3 tools/script_table.py"""
from __future__ import annotations

import sys
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "src" / "text" / "tokenizer" / "scripts_data.cc"
LIMIT = 0x110000
LATIN = 1


def is_character(code: int) -> bool:
    return not 0xD800 <= code <= 0xDFFF


class Classes:
    """0 goes with every script; others are numbered as they are met."""

    def __init__(self) -> None:
        from tokenizers import pre_tokenizers
        self.cut = pre_tokenizers.UnicodeScripts().pre_tokenize_str
        self.members = ["", "a"]

    def joined(self, a: str, b: str) -> bool:
        return len(self.cut(a + b)) == 1

    def of(self, char: str) -> int:
        if self.joined("a", char) and self.joined("\u044f", char):
            return 0
        for number in range(len(self.members) - 1, 0, -1):
            if self.joined(self.members[number], char):
                return number
        self.members.append(char)
        return len(self.members) - 1


def ranges() -> list[tuple[int, int]]:
    """(first code point, class) where the class changes."""
    classes, found, last = Classes(), [(0, 0)], -1
    previous = ""
    for code in range(LIMIT):
        number = 0
        if is_character(code):
            char = chr(code)
            other = "\u044f" if last == LATIN else "a"
            same = last > 0 and classes.joined(previous, char) and not classes.joined(other, char)
            number = last if same else classes.of(char)
            previous = char
        if number != last:
            found.append((code, number))
            last = number
    return found[1:]


def main() -> int:
    rows = ranges()
    lines = ["// Written by tools/script_table.py. Do not edit.", '#include "text/tokenizer/scripts.h"', "", "namespace octavo::unicode {", "",
             "const ScriptRange kScripts[] = {"]
    text = ""
    for first, number in rows:
        item = f"{{0x{first:X}, {number}}},"
        if len(text) + len(item) + 1 > 95:
            lines.append("    " + text.strip())
            text = ""
        text += " " + item
    lines += ["    " + text.strip(), "};", f"const size_t kScriptCount = {len(rows)};", "", "}  // namespace octavo::unicode", ""]
    OUT.write_text("\n".join(lines), encoding="utf-8")
    print(f"{OUT.name}: {len(rows)} ranges")
    return 0


if __name__ == "__main__":
    sys.exit(main())
