#!/usr/bin/env python3
"""Writes src/text/tokenizer/unicode_data.cc: which characters belong to which class for tokenizers.

The classes are asked of the `tokenizers` package itself, because its regular expressions, its punctuation and its
accents each follow another version of Unicode, and ids must equal its ids. Needs `pip install tokenizers`."""
import sys
import unicodedata
from pathlib import Path

from tokenizers import Regex, normalizers, pre_tokenizers

ALL = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
# The order of the bits is the order of the enumerators of `CharClass` in unicode.h.
REGEX_CLASSES = ["\\p{Lu}", "\\p{Ll}", "\\p{Lt}", "\\p{Lm}", "\\p{Lo}", "\\p{M}", "\\p{N}", "\\p{P}", "\\p{S}", "\\s"]


def matched(pre_tokenizer) -> set[int]:
    """Characters that stand alone after the pre-tokenizer when each is put between two letters."""
    found = set()
    for at in range(0, len(ALL), 4096):
        text = "".join(chr(c) for c in ALL[at:at + 4096])
        for piece, _ in pre_tokenizer.pre_tokenize_str(text):
            found.update(map(ord, piece))
    return found


def by_regex(pattern: str) -> set[int]:
    return matched(pre_tokenizers.Split(Regex(pattern), "removed", invert=True))


def removed_by(pre_tokenizer) -> set[int]:
    return set(ALL) - matched(pre_tokenizer)


def isolated(pre_tokenizer) -> set[int]:
    found = set()
    for at in range(0, len(ALL), 4096):
        text = "a" + "".join(chr(c) + "a" for c in ALL[at:at + 4096])
        for piece, _ in pre_tokenizer.pre_tokenize_str(text):
            if len(piece) == 1:
                found.add(ord(piece))
    found.discard(ord("a"))
    return found


def dropped(normalizer) -> set[int]:
    return {c for c in ALL if normalizer.normalize_str("a" + chr(c) + "a") == "aa"}


def words() -> set[int]:
    """Members of \\w as the Whitespace pre-tokenizer knows them: they stay joined to letters."""
    found = set()
    for at in range(0, len(ALL), 4096):
        text = " ".join("a" + chr(c) + "a" for c in ALL[at:at + 4096])
        for piece, _ in pre_tokenizers.Whitespace().pre_tokenize_str(text):
            if len(piece) == 3:
                found.add(ord(piece[1]))
    return found


def flags() -> list[int]:
    classes = [by_regex(pattern) for pattern in REGEX_CLASSES]
    classes.append(isolated(pre_tokenizers.Digits(individual_digits=True)))
    classes.append(isolated(pre_tokenizers.Punctuation()))
    classes.append(words())
    classes.append(dropped(normalizers.StripAccents()))
    bert = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    classes.append(dropped(bert))
    clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    classes.append(dropped(clean))
    table = [0] * 0x110000
    for bit, members in enumerate(classes):
        for c in members:
            table[c] |= 1 << bit
    return table


def array(kind: str, name: str, values: list[str]) -> str:
    lines, line = [], "   "
    for value in values:
        if len(line) + len(value) + 2 > 100:
            lines.append(line)
            line = "   "
        line += f" {value},"
    lines.append(line)
    return f"const {kind} {name}[{len(values)}] = {{\n" + "\n".join(lines) + "\n};\n"


def main() -> None:
    table = flags()
    blocks, index = {}, []
    for at in range(0, 0x110000, 256):
        block = tuple(table[at:at + 256])
        index.append(str(blocks.setdefault(block, len(blocks))))
    assert len(blocks) < 65536
    values = [str(v) for block in blocks for v in block]
    lower = []
    for c in ALL:
        small = normalizers.Lowercase().normalize_str(chr(c))
        if small != chr(c) and len(small) == 1:
            lower.append(f"{{0x{c:x}, 0x{ord(small):x}}}")
        elif small != chr(c):
            assert c == 0x130, hex(c)
    recent, start = [], None
    for c in range(0x110000):  # Assigned after Unicode 14: PCRE2 10.42 does not know them.
        new = table[c] & 0x1FF != 0 and unicodedata.category(chr(c)) == "Cn"
        if new and start is None:
            start = c
        elif not new and start is not None:
            recent.append(f"{{0x{start:x}, 0x{c - 1:x}}}")
            start = None
    assert unicodedata.unidata_version == "14.0.0", "run with Python 3.11"
    inert = [f"0x{c:x}" for c in ALL if is_inert(c)]
    out = ['// Written by tools/unicode_table.py; do not edit.\n#include "text/tokenizer/unicode.h"\n\n'
           "namespace octavo::unicode {\n\n",
           array("uint16_t", "kBlockOfPage", index), "\n", array("uint16_t", "kBlocks", values), "\n",
           array("CharPair", "kLowercase", lower), f"const size_t kLowercaseCount = {len(lower)};\n\n",
           array("CharPair", "kRecent", recent), f"const size_t kRecentCount = {len(recent)};\n\n",
           array("char32_t", "kInert", inert), f"const size_t kInertCount = {len(inert)};\n\n",
           "}  // namespace octavo::unicode\n"]
    target = Path(__file__).resolve().parent.parent / "src/text/tokenizer/unicode_data.cc"
    target.write_text("".join(out))
    print(f"{target}: {len(blocks)} blocks, {len(lower)} lowercase, {len(recent)} recent, {len(inert)} inert", file=sys.stderr)


def is_inert(c: int) -> bool:
    """Characters that Unicode 14 decomposes or reorders and the package, which follows Unicode 9, leaves alone."""
    if unicodedata.combining(chr(c)):
        nfc = normalizers.NFC().normalize_str
        texts = ("a" + chr(c) + "\u0334", "a\u0345" + chr(c))
        return any(nfc(text) != unicodedata.normalize("NFC", text) for text in texts)
    return unicodedata.normalize("NFKD", chr(c)) != chr(c) and normalizers.NFKD().normalize_str(chr(c)) == chr(c)


if __name__ == "__main__":
    main()
