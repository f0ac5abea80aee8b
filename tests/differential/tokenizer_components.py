#!/usr/bin/env python3
"""Every type of component that a tokenizer.json may name, in all its forms, through the PyPI `tokenizers` wheel and `octavo tokenize`.

    python3 tests/differential/tokenizer_components.py OCTAVO [--strings N] [--seed S]

Each case is one small tokenizer.json. The model marks where a piece begins (a BPE of single characters with a prefix), so that ids show
what normalizers and pre-tokenizers did. The last line is `N cases, M different`."""
from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from tokenizer_wheel import SPACES, WORDS, ask, code, letters, prose, soup, spaces, tokenizers

Json = dict[str, Any]
ALPHABET = "".join(chr(c) for low, high in ((0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x345), (0x391, 0x3C9), (0x400, 0x45F), (0x2010, 0x2060), (0x2581, 0x2581),
                                            (0x3000, 0x30FF), (0x4E00, 0x4E80), (0xAC00, 0xAC40)) for c in range(low, high + 1)) + "\n\t\r你好世界"
MARKED = {token: i for i, token in enumerate(["<unk>"] + list(dict.fromkeys(x for c in ALPHABET for x in (c, "##" + c))))}
MARKING = {"type": "BPE", "vocab": MARKED, "merges": [], "unk_token": "<unk>", "continuing_subword_prefix": "##"}
PIECES = ["[UNK]", "[CLS]", "[SEP]", "un", "##un", "##ing", "▁the", "▁", "▁▁a", "don", "'", "t", " n't", "do", "not", ".", "?", "!", ",", "##.", "a</w>", "b</w>", "c",
          "</w>", "<pad>", "|", "<0x41>", "<0xe4>", "<0xB8>", "<0xAD>", "<0xFF>", "<0xG1>", "Ġhi", "Ċ", "ä½", "ł", "é", "你", " x ", "x  ", "aab", "..", "hh", "s", "'s"]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def sequence(kind: str, *steps: Json) -> Json:
    key = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "decoder": "decoders", "post_processor": "processors"}[kind]
    return {"type": "Sequence", key: list(steps)}


def replace(pattern: Json, content: str) -> Json:
    return {"type": "Replace", "pattern": pattern, "content": content}


NORMALIZERS: list[Json] = [
    *({"type": name} for name in ("NFC", "NFD", "NFKC", "NFKD")), {"type": "Lowercase"}, {"type": "StripAccents"}, {"type": "Nmt"}, {"type": "Prepend", "prepend": "▁"},
    {"type": "Prepend", "prepend": ""}, replace({"String": " "}, "▁"), replace({"String": "a"}, ""), replace({"String": "aa"}, "a"), replace({"Regex": "\\s+"}, " "),
    replace({"Regex": " {2,}"}, "▁"), replace({"Regex": "[0-9]+"}, "#"), replace({"Regex": "(?<!\\n)^"}, "▁"), replace({"Regex": "(?i:don)'t"}, "do not"),
    *({"type": "Strip", "strip_left": left, "strip_right": right} for left in (True, False) for right in (True, False)),
    *({"type": "BertNormalizer", "clean_text": a, "handle_chinese_chars": b, "strip_accents": c, "lowercase": d}
      for a in (True, False) for b in (True, False) for c in (None, True, False) for d in (True, False)),
    sequence("normalizer"), sequence("normalizer", {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}),
    sequence("normalizer", {"type": "Prepend", "prepend": "▁"}, replace({"String": " "}, "▁")),
    sequence("normalizer", sequence("normalizer", {"type": "NFKC"}), {"type": "Strip", "strip_left": True, "strip_right": True}),
]
METASPACES: list[Json] = [
    {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}, {"type": "Metaspace", "replacement": "▁", "add_prefix_space": False},
    {"type": "Metaspace", "replacement": "_", "add_prefix_space": True, "str_rep": "_"},
    *({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut} for scheme in ("first", "never", "always") for cut in (True, False)),
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"},
]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
PRE_TOKENIZERS: list[Json] = [
    {"type": "BertPreTokenizer"}, {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "UnicodeScripts"}, {"type": "CharDelimiterSplit", "delimiter": "a"},
    {"type": "CharDelimiterSplit", "delimiter": "▁"}, {"type": "FixedLength", "length": 1}, {"type": "FixedLength", "length": 5}, *METASPACES,
    *({"type": "Digits", "individual_digits": flag} for flag in (True, False)), {"type": "Punctuation"},
    *({"type": "Punctuation", "behavior": behavior} for behavior in BEHAVIORS),
    *({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert} for behavior in BEHAVIORS for invert in (True, False)
      for pattern in ({"String": "a"}, {"String": "  "}, {"Regex": "\\s+"}, {"Regex": "\\p{L}+|\\p{N}{1,3}"}, {"Regex": "a*"}, {"Regex": "(?=b)"})),
    *({"type": "ByteLevel", "add_prefix_space": space, "use_regex": regex, "trim_offsets": True} for space in (True, False) for regex in (True, False)),
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
    sequence("pre_tokenizer"), sequence("pre_tokenizer", {"type": "WhitespaceSplit"}, {"type": "Digits", "individual_digits": True}, {"type": "Punctuation"}),
    sequence("pre_tokenizer", {"type": "UnicodeScripts"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}),
    sequence("pre_tokenizer", {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}, {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True, "trim_offsets": True}),
    sequence("pre_tokenizer", {"type": "ByteLevel", "add_prefix_space": True, "use_regex": False, "trim_offsets": True}, {"type": "FixedLength", "length": 3}),
    sequence("pre_tokenizer", {"type": "Punctuation", "behavior": "Contiguous"}, sequence("pre_tokenizer", {"type": "CharDelimiterSplit", "delimiter": " "})),
]
DECODERS: list[Json | None] = [
    None, BYTE_LEVEL, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "WordPiece", "prefix": "##", "cleanup": True},
    {"type": "WordPiece", "prefix": "", "cleanup": False}, {"type": "BPEDecoder", "suffix": "</w>"}, {"type": "BPEDecoder", "suffix": "a"}, *METASPACES,
    *({"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": flag} for flag in (True, False)),
    *({"type": "Strip", "content": content, "start": start, "stop": stop} for content in (" ", "x", "a") for start in (0, 1, 2) for stop in (0, 1)),
    replace({"String": "▁"}, " "), replace({"Regex": "a+"}, "é"), replace({"String": "a"}, ""), sequence("decoder"),
    sequence("decoder", replace({"String": "▁"}, " "), {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}),
    sequence("decoder", {"type": "ByteFallback"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}),
    sequence("decoder", {"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "Fuse"}, replace({"String": " "}, "_")),
    sequence("decoder", {"type": "Strip", "content": "x", "start": 1, "stop": 1}, {"type": "BPEDecoder", "suffix": "</w>"}),
    sequence("decoder", BYTE_LEVEL, {"type": "Strip", "content": " ", "start": 1, "stop": 1}),
]
POST_PROCESSORS: list[Json] = [
    {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}, {"type": "RobertaProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1], "trim_offsets": True, "add_prefix_space": False},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
    {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "x", "type_id": 1}}],
     "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {"x": {"id": "x", "ids": [1, 3], "tokens": ["[CLS]", "un"]}}},
    {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
     "special_tokens": {}},
]
POST_PROCESSORS += [sequence("post_processor", POST_PROCESSORS[2], POST_PROCESSORS[3]), sequence("post_processor", POST_PROCESSORS[2], POST_PROCESSORS[0])]
LETTERS = {token: i for i, token in enumerate(["<unk>", "a", "b", "c", "ab", "bc", "abc", "##a", "##b", "##ab", "a</w>", "b</w>", "ab</w>", "▁", "▁a", "<0x64>", "<0xC3>", "<0xA9>", "é"])}
SCORES = [["<unk>", 0.0], ["a", -2.0], ["b", -2.5], ["ab", -3.0], ["abc", -4.0], ["c", -3.0], ["▁", -2.0], ["▁a", -2.5], ["<0x64>", -9.0], ["aa", -4.0], ["é", -5.0]]


def models() -> list[Json]:
    merges = ["a b", "ab c", "b c"]
    out: list[Json] = []
    for extra in ({}, {"unk_token": "<unk>"}, {"unk_token": "<unk>", "fuse_unk": True}, {"unk_token": "<unk>", "byte_fallback": True}, {"ignore_merges": True},
                  {"unk_token": "<unk>", "byte_fallback": True, "fuse_unk": True}, {"dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": ""}):
        out += [{"type": "BPE", "vocab": LETTERS, "merges": merges, **extra}, {"vocab": LETTERS, "merges": [m.split(" ") for m in merges], **extra}]
    out += [{"type": "BPE", "vocab": LETTERS, "merges": ["a b</w>"], "end_of_word_suffix": "</w>", "unk_token": "<unk>"},
            {"type": "BPE", "vocab": LETTERS, "merges": ["a ##b", "##a ##b"], "continuing_subword_prefix": "##", "unk_token": "<unk>"}]
    for extra in ({"unk_id": 0}, {"unk_id": 0, "byte_fallback": True}, {"unk_id": 0, "byte_fallback": False}):
        out += [{"type": "Unigram", "vocab": SCORES, **extra}, {"vocab": SCORES, **extra}]
    for extra in ({"unk_token": "<unk>", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}, {"unk_token": "<unk>", "continuing_subword_prefix": "##", "max_input_chars_per_word": 3},
                  {"unk_token": "<unk>", "continuing_subword_prefix": "", "max_input_chars_per_word": 10}):
        out += [{"type": "WordPiece", "vocab": LETTERS, **extra}, {"vocab": LETTERS, **extra}]
    return out + [{"type": "WordLevel", "vocab": LETTERS, "unk_token": "<unk>"}, {"vocab": LETTERS, "unk_token": "<unk>"}]


def token(content: str, number: int, **flags: bool) -> Json:
    return {"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False} | flags


def documents() -> list[tuple[str, Json]]:
    """(what it is about, tokenizer.json)"""
    base: Json = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None}
    split = {"type": "WhitespaceSplit"}
    words = {"type": "WordLevel", "vocab": {piece: i for i, piece in enumerate(PIECES)}, "unk_token": "[UNK]"}
    out = [("normalizer", base | {"model": MARKING, "normalizer": part}) for part in NORMALIZERS]
    out += [("pre_tokenizer", base | {"model": MARKING, "pre_tokenizer": part}) for part in PRE_TOKENIZERS]
    out += [("model", base | {"model": part, "pre_tokenizer": split}) for part in models()]
    out += [("decoder", base | {"model": words, "pre_tokenizer": split, "decoder": part}) for part in DECODERS]
    out += [("post_processor", base | {"model": words, "pre_tokenizer": split, "post_processor": part}) for part in POST_PROCESSORS]
    for flags in ({}, {"special": True, "normalized": False}, {"single_word": True}, {"lstrip": True}, {"rstrip": True}, {"lstrip": True, "rstrip": True, "special": True},
                  {"normalized": False, "single_word": True, "rstrip": True}):
        added = [token(content, len(MARKED) + i, **flags) for i, content in enumerate(("don", "the", "Hello", "<s>", " x", "é", "▁", "<|endoftext|>"))]
        for part in (None, {"type": "Lowercase"}, {"type": "NFD"}, {"type": "Prepend", "prepend": "▁"}):
            out.append(("added_tokens", base | {"model": MARKING, "normalizer": part, "added_tokens": added, "pre_tokenizer": {"type": "Digits", "individual_digits": True}}))
    return out


class Case:
    def __init__(self, octavo: str, folder: Path, document: Json) -> None:
        self.octavo, self.file = octavo, folder / "tokenizer.json"
        self.file.write_text(json.dumps(document), encoding="utf-8")
        self.wheel = tokenizers.Tokenizer.from_str(json.dumps(document))

    def decoded(self, ids: list[int]) -> str | None:
        """None where the wheel itself breaks (Strip on an empty token)."""
        try:
            return self.wheel.decode(ids, skip_special_tokens=False)
        except BaseException as error:  # pylint: disable=broad-except
            if type(error).__name__ != "PanicException":
                raise
            return None

    def difference(self, strings: list[str], r: random.Random) -> str:
        """What differs first; empty when nothing does."""
        for flags in ([], ["--special"]):
            want = [self.wheel.encode(text, add_special_tokens=bool(flags)).ids for text in strings]
            for text, a, b in zip(strings, want, ask(self.octavo, self.file, flags, [{"text": text} for text in strings], "ids")):
                if a != b:
                    return f"{flags} {text!r}\n  wheel:  {[self.wheel.id_to_token(i) for i in a]}\n  octavo: {[self.wheel.id_to_token(i) for i in b]}"
        size = self.wheel.get_vocab_size()
        lists = [[r.randrange(size) for _ in range(r.randint(0, 8))] for _ in strings]
        for ids, b in zip(lists, ask(self.octavo, self.file, ["--decode"], [{"ids": ids} for ids in lists], "text")):
            a = self.decoded(ids)
            if a is not None and a != b:
                return f"decode {[self.wheel.id_to_token(i) for i in ids]}\n  wheel:  {a!r}\n  octavo: {b!r}"
        return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("octavo")
    parser.add_argument("--strings", type=int, default=100, help="for each case")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if tokenizers is None:
        print("skipped: the `tokenizers` wheel is not installed")
        return 0
    r = random.Random(args.seed)
    makers = (soup, prose, spaces, code, letters, lambda q: "".join(q.choice(["a", "b", "c", "ab", " ", "é", "d", "▁", "x"]) for _ in range(q.randint(1, 12))),
              lambda q: "".join(q.choice(PIECES) + q.choice(("", " ", q.choice(SPACES))) for _ in range(q.randint(1, 8))), lambda q: q.choice(WORDS))
    different, cases = 0, documents()
    with tempfile.TemporaryDirectory() as folder:
        for kind, document in cases:
            part = document.get(kind)
            name = json.dumps(part, ensure_ascii=False)[:200]
            strings = ["", " ", "a"] + [r.choice(makers)(r) for _ in range(args.strings)]
            try:
                tokenizers.Tokenizer.from_str(json.dumps(document))
            except Exception as error:  # pylint: disable=broad-except
                print(f"the wheel refuses {kind} {name}: {error}")
                continue
            try:
                found = Case(args.octavo, Path(folder), document).difference(strings, r)
            except SystemExit as error:
                found = str(error)
            if found:
                different += 1
                print(f"DIFFERENT {kind} {name}\n  {found}", flush=True)
    print(f"{len(cases)} cases, {different} different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
