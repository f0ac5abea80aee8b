#!/usr/bin/env python3
"""Random strings and ids through the PyPI `tokenizers` wheel and through `octavo tokenize`: the same ids, the same text.

    python3 tests/differential/tokenizer_wheel.py OCTAVO FOLDER_OR_FILE... [--strings N] [--seed S] [--chunk N]

Each FOLDER holds a tokenizer.json (and perhaps a golden.jsonl whose texts are cut up and mutated). Four modes a chunk: ids, ids with
special tokens, decode, decode without special tokens; decode also gets ids at random. Every difference is printed with the shortest
string that shows it; the last line is `N strings, M different`."""
from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
try:
    import tokenizers
except ImportError:
    tokenizers = None

BLOCKS = [(0x20, 0x7E, 12), (0x00, 0x20, 2), (0x7F, 0xFF, 4), (0x100, 0x24F, 2), (0x250, 0x36F, 2), (0x370, 0x52F, 3), (0x530, 0x6FF, 3),
          (0x700, 0x9FF, 2), (0xA00, 0xDFF, 2), (0xE00, 0x10FF, 2), (0x1100, 0x11FF, 1), (0x1200, 0x1FFF, 2), (0x2000, 0x206F, 4),
          (0x2070, 0x2BFF, 3), (0x2C00, 0x2FFF, 1), (0x3000, 0x30FF, 3), (0x3100, 0x4DBF, 1), (0x4E00, 0x9FFF, 4), (0xA000, 0xABFF, 1),
          (0xAC00, 0xD7FF, 2), (0xE000, 0xF8FF, 1), (0xF900, 0xFFFF, 3), (0x10000, 0x1FFFF, 2), (0x1F300, 0x1FAFF, 4), (0x20000, 0x2FA1F, 1),
          (0xE0000, 0xE01EF, 1), (0x10FF00, 0x10FFFF, 1)]
SPACES = [" ", " ", " ", "  ", "\n", "\n", "\t", "\r\n", "\r", "\u00a0", "\u2003", "\u3000", "\u200b", "\u2028", "\x0b", "\x85", "\u1680", "\ufeff"]
WORDS = ("the of and Hello WORLD naïve café don't I'll we've THEY'RE it's 'S 'll x1 3.14 1,000,000 0x7F 2024-01-31 www.example.org a_b camelCase "
         "HTMLParser straße ÅNGSTRÖM İstanbul ﬁne ①② Ⅻ ½ привет мир 你好 世界 こんにちは カタカナ 한국어 สวัสดี नमस्ते مرحبا שלום e\u0301 n\u0303 "
         "👍🏽 👨‍👩‍👧 🇩🇪 ▁ ▁▁ Ġ Ċ ## ##ing </w> <unk> <s> </s> <0x41> <|endoftext|> [MASK] [CLS] ſ K ǅ ʼn ŉ ᾳ ﷺ ㎏ ｶﾞ Ａ１").split(" ")
CODE = ["def f(x):\n    return x ** 2\n", "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}", "#include <stdio.h>\r\n", "x = {'a': [1, 2], \"b\": None}",
        "<div class=\"x\">&nbsp;</div>", "SELECT * FROM t WHERE a >= 10;", "\\frac{1}{2} $x^2$", "// ----- ==== ++++", "foo->bar::baz<T>()", "\n\n\n  \n\t\t"]

Maker = Callable[[random.Random], str]


def soup(r: random.Random) -> str:
    low, high, _ = r.choices(BLOCKS, [block[2] for block in BLOCKS])[0]
    mixed = r.random() < 0.5
    out = []
    for _ in range(r.choice((1, 2, 3, 5, 8, 20, 60))):
        if mixed:
            low, high, _ = r.choices(BLOCKS, [block[2] for block in BLOCKS])[0]
        code = r.randint(low, high)
        out.append(" " if 0xD800 <= code <= 0xDFFF else chr(code))
    return "".join(out)


def prose(r: random.Random) -> str:
    return "".join(r.choice(WORDS) + r.choice(("", " ", " ", " ", r.choice(SPACES))) for _ in range(r.randint(1, 12)))


def spaces(r: random.Random) -> str:
    return "".join(r.choice(SPACES) * r.randint(1, 3) if r.random() < 0.7 else r.choice(WORDS) for _ in range(r.randint(1, 10)))


def code(r: random.Random) -> str:
    return "".join(r.choice(CODE) for _ in range(r.randint(1, 3)))


def letters(r: random.Random) -> str:
    alphabet = r.choice(("abcdefghij", "aA1 .", "ab' ", "'sStTdDlLrReEvVmM ", "0123456789", "éèêëñ ", "\u0301\u0300\u0327eaou", "!?.,;:-_()[]", "\n\r\t a"))
    return "".join(r.choice(alphabet) for _ in range(r.randint(1, 40)))


class Makers:
    """Where strings come from for one tokenizer."""

    def __init__(self, source: dict[str, Any], golden: list[str]) -> None:
        self.added = [token["content"] for token in source.get("added_tokens", [])] or ["<s>"]
        vocab = source["model"].get("vocab", {})
        self.pieces = [entry[0] for entry in vocab] if isinstance(vocab, list) else list(vocab)
        self.golden = [text for text in golden if text] or [" ".join(WORDS)]
        self.kinds: list[tuple[Maker, int]] = [(soup, 4), (prose, 4), (spaces, 2), (code, 1), (letters, 3), (self.tokens, 3), (self.parts, 3),
                                               (self.mutated, 4)]

    def tokens(self, r: random.Random) -> str:
        """Added tokens between words, some of them broken."""
        out = []
        for _ in range(r.randint(1, 6)):
            token = r.choice(self.added)
            out.append(r.choice((token, token, token[:-1], token[1:], token + token, token.upper(), "x" + token, " " + token + " ")))
            out.append(r.choice((r.choice(WORDS), "", "", r.choice(SPACES))))
        return "".join(out)

    def parts(self, r: random.Random) -> str:
        """Pieces of the vocabulary as they are written."""
        text = "".join(r.choice(self.pieces) for _ in range(r.randint(1, 10)))
        return text.replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n").replace("</w>", " ") if r.random() < 0.7 else text

    def mutated(self, r: random.Random) -> str:
        text = r.choice(self.golden)
        begin = r.randrange(len(text))
        chars = list(text[begin:begin + r.choice((3, 10, 40, 120))])
        for _ in range(r.randint(0, 3)):
            at = r.randrange(len(chars))
            kind = r.randrange(4)
            if kind == 0:
                chars.insert(at, r.choice((soup(r), r.choice(SPACES), r.choice(self.added))))
            elif kind == 1 and len(chars) > 1:
                del chars[at]
            elif kind == 2:
                chars[at] = chars[at].swapcase()
            else:
                chars.insert(at, chars[r.randrange(len(chars))])
        return "".join(chars)

    def string(self, r: random.Random) -> str:
        make = r.choices([kind[0] for kind in self.kinds], [kind[1] for kind in self.kinds])[0]
        return make(r)


def ask(program: str, model: Path, flags: list[str], rows: list[dict[str, Any]], key: str) -> list[Any]:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    done = subprocess.run([program, "tokenize", str(model), *flags], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"{model}: octavo ended with {done.returncode}: {done.stderr.strip()}")
    return [json.loads(line)[key] for line in done.stdout.split("\n") if line]


class Comparison:
    def __init__(self, program: str, model: Path) -> None:
        self.program, self.model = program, model
        file = model / "tokenizer.json" if model.is_dir() else model
        self.wheel = tokenizers.Tokenizer.from_file(str(file))
        self.wheel.no_truncation()
        self.wheel.no_padding()
        self.reported = 0
        golden = model / "golden.jsonl"
        texts = [json.loads(line)["text"] for line in golden.open(encoding="utf-8")] if golden.is_file() else []
        self.makers = Makers(json.loads(file.read_text(encoding="utf-8")), texts)

    def expected(self, text: str, special: bool) -> Any:
        try:
            return self.wheel.encode(text, add_special_tokens=special).ids
        except Exception as error:  # pylint: disable=broad-except
            return f"error: {error}"

    def report(self, mode: str, given: Any, want: Any, got: Any) -> None:
        self.reported += 1
        if self.reported <= 10:
            print(f"DIFFERENT {self.model.name} {mode} {given!r}\n  wheel:  {want!r}\n  octavo: {got!r}", flush=True)

    def shrink(self, text: str, flags: list[str], special: bool) -> str:
        """The shortest substring found that still differs."""
        while True:
            tries = {text[:i] + text[j:] for step in (8, 4, 2, 1) for i in range(0, len(text), step) for j in [min(len(text), i + step)]} - {text, ""}
            tries_list = sorted(tries, key=len)[:400]
            if not tries_list:
                return text
            got = ask(self.program, self.model, flags, [{"text": t} for t in tries_list], "ids")
            smaller = next((t for t, ids in zip(tries_list, got) if ids != self.expected(t, special)), None)
            if smaller is None:
                return text
            text = smaller

    def chunk(self, r: random.Random, count: int) -> int:
        """Compares `count` strings in four modes; how many differ in any."""
        texts = [self.makers.string(r) for _ in range(count)]
        bad: set[int] = set()
        lists: list[list[int]] = []
        for special, flags in ((False, []), (True, ["--special"])):
            want = [self.expected(text, special) for text in texts]
            got = ask(self.program, self.model, flags, [{"text": text} for text in texts], "ids")
            for i, (a, b) in enumerate(zip(want, got)):
                if a != b and i not in bad:
                    bad.add(i)
                    if self.reported < 10:
                        small = self.shrink(texts[i], flags, special)
                        self.report("ids" + "+special" * special, small, self.expected(small, special),
                                    ask(self.program, self.model, flags, [{"text": small}], "ids")[0])
            lists = [ids if isinstance(ids, list) else [] for ids in want]
        size = self.wheel.get_vocab_size()
        for i in range(0, count, 4):   # a quarter gets ids that no text gives
            lists[i] = [r.randrange(size + 2) for _ in range(r.randint(0, 12))]
        for skip, flags in ((False, ["--decode"]), (True, ["--decode", "--skip-special"])):
            want = [self.wheel.decode(ids, skip_special_tokens=skip) for ids in lists]
            got = ask(self.program, self.model, flags, [{"ids": ids} for ids in lists], "text")
            for i, (a, b) in enumerate(zip(want, got)):
                if a != b:
                    bad.add(i)
                    self.report("decode" + "-skip" * skip, (texts[i] if i % 4 else "", lists[i]), a, b)
        return len(bad)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("octavo")
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--strings", type=int, default=2000, help="for each tokenizer")
    parser.add_argument("--chunk", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if tokenizers is None:
        print("skipped: the `tokenizers` wheel is not installed")
        return 0
    total = different = 0
    for model in args.models:
        begin, done, bad = time.monotonic(), 0, 0
        comparison = Comparison(args.octavo, model)
        while done < args.strings:
            count = min(args.chunk, args.strings - done)
            bad += comparison.chunk(random.Random(f"{args.seed} {model.name} {done}"), count)
            done += count
        total, different = total + done, different + bad
        print(f"{model.name:<24} {done} strings, {bad} different ({time.monotonic() - begin:.0f} s, seed {args.seed})", flush=True)
    print(f"{total} strings, {different} different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
