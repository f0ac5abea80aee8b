#!/usr/bin/env python3
"""Vocabularies without a tokenizer.json (vocab.json with merges.txt, vocab.txt, tiktoken ranks) through `octavo tokenize` and through the
packages that read them: `tokenizers` put together as transformers does for these classes, and `tiktoken`.

    python3 tests/differential/old_forms.py OCTAVO [--strings N] [--seed S]

The vocabularies are those of tests/data/tokenizers. The last line is `N strings, M different`."""
from __future__ import annotations

import argparse
import base64
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

from tokenizer_wheel import Makers, ask, tokenizers

try:
    import tiktoken
except ImportError:
    tiktoken = None

DATA = Path(__file__).resolve().parent.parent / "data" / "tokenizers"
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
Encode = Callable[[str], list[int]]
Case = tuple[str, Path, Encode, Any]   # name, folder, encode, tokenizer.json for the makers of strings


def byte_level() -> tuple[dict[str, int], list[tuple[str, str]]]:
    model = json.loads((DATA / "byte_level.json").read_text(encoding="utf-8"))["model"]
    vocab = {piece: i for piece, i in model["vocab"].items() if i < 268}
    merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in model["merges"]]
    return vocab, [m for m in merges if m[0] + m[1] in vocab]


def write_merges(folder: Path, vocab: dict[str, int], merges: list[tuple[str, str]], config: dict[str, Any]) -> None:
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def merges_cases(root: Path) -> list[Case]:
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers
    vocab, merges = byte_level()
    end = len(vocab)
    vocab = vocab | {"<|endoftext|>": end}

    def made(name: str, config: dict[str, Any], normalizer: Any, pre_tokenizer: Any, added: list[tuple[str, bool]]) -> Case:
        write_merges(root / name, vocab, merges, config)
        oracle = Tokenizer(models.BPE(vocab, merges))
        if normalizer:
            oracle.normalizer = normalizer
        oracle.pre_tokenizer = pre_tokenizer
        for text, special in added:
            token = AddedToken(text, normalized=False, special=special)
            oracle.add_special_tokens([token]) if special else oracle.add_tokens([token])   # pylint: disable=expression-not-assigned
        return name, root / name, lambda text: oracle.encode(text, add_special_tokens=False).ids, json.loads(oracle.to_str())

    byte = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    decoder = {str(end): {"content": "<|endoftext|>", "special": True}, str(end + 1): {"content": "<|im_start|>", "special": True},
               str(end + 2): {"content": "<tool>", "special": False}}
    return [
        made("gpt2", {"tokenizer_class": "GPT2Tokenizer"}, None, pre_tokenizers.ByteLevel(add_prefix_space=False), [("<|endoftext|>", True)]),
        made("gpt2-space", {"tokenizer_class": "GPT2TokenizerFast", "add_prefix_space": True, "bos_token": {"content": "<|endoftext|>"}}, None,
             pre_tokenizers.ByteLevel(add_prefix_space=True), [("<|endoftext|>", True)]),
        made("qwen2", {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": decoder}, normalizers.NFC(),
             pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN), "isolated"), byte]), [("<|endoftext|>", True), ("<|im_start|>", True), ("<tool>", False)]),
    ]


def clip_case(root: Path) -> Case:
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers
    vocab, _ = byte_level()
    letters = [piece for piece in vocab if len(piece) == 1]
    vocab = {piece: i for i, piece in enumerate(letters + [piece + "</w>" for piece in letters] + ["he", "ll", "o</w>", "hell", "lo</w>", "<|startoftext|>", "<|endoftext|>"])}
    merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("l", "o</w>")]
    write_merges(root / "clip", vocab, merges, {"tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"})
    oracle = Tokenizer(models.BPE(vocab, merges, end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    oracle.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    oracle.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), "removed", invert=True),
                                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    oracle.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in ("<|startoftext|>", "<|endoftext|>")])
    return "clip", root / "clip", lambda text: oracle.encode(text, add_special_tokens=False).ids, json.loads(oracle.to_str())


def word_piece_case(root: Path) -> Case:
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
    source = json.loads((DATA / "word_piece.json").read_text(encoding="utf-8"))["model"]["vocab"]
    pieces = sorted(source, key=source.get)
    folder = root / "bert"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    vocab = {piece: i for i, piece in enumerate(pieces)}
    oracle = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    oracle.normalizer, oracle.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    oracle.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]") if text in vocab])
    return "bert", folder, lambda text: oracle.encode(text, add_special_tokens=False).ids, json.loads(oracle.to_str())


def rank_cases(root: Path) -> list[Case]:
    if tiktoken is None:
        return []
    vocab, _ = byte_level()
    from tokenizers import pre_tokenizers
    alphabet = {piece: i for piece, i in vocab.items() if len(piece) == 1}
    assert sorted(alphabet.values()) == list(range(256)) and pre_tokenizers
    to_bytes = {piece: bytes([i]) for piece, i in alphabet.items()}   # the fixture numbers bytes by value
    ranks = {b"".join(to_bytes[char] for char in piece): i for piece, i in vocab.items()}
    lines = "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items())
    special = {text: len(ranks) + i for i, text in enumerate(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|extra_0|>"])}
    qwen = root / "qwen"
    qwen.mkdir()
    (qwen / "qwen.tiktoken").write_text(lines, encoding="utf-8")
    plain = root / "ranks"
    plain.mkdir()
    (plain / "tokenizer.model").write_text(lines, encoding="utf-8")
    decoder = {str(i): {"content": text, "special": True} for text, i in special.items()}
    (plain / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": decoder}), encoding="utf-8")
    import unicodedata
    first = tiktoken.Encoding("qwen", pat_str=QWEN, mergeable_ranks=ranks, special_tokens=special)
    second = tiktoken.Encoding("ranks", pat_str=CL100K, mergeable_ranks=ranks, special_tokens=special)
    shown = {"added_tokens": [{"content": text} for text in special], "model": {"vocab": vocab}}
    return [("qwen", qwen, lambda text: first.encode(unicodedata.normalize("NFC", text), allowed_special="all"), shown),
            ("ranks", plain, lambda text: second.encode(text, allowed_special="all"), shown)]


def is_old(text: str) -> bool:
    """No character that versions of Unicode differ about: Python's normalization here is not the wheel's, nor its classes."""
    import unicodedata
    return all(unicodedata.category(c) not in ("Cn", "Co") and ord(c) < 0x2FFFF for c in text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("octavo")
    parser.add_argument("--strings", type=int, default=500, help="for each vocabulary")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if tokenizers is None:
        print("skipped: the `tokenizers` wheel is not installed")
        return 0
    r, total, different = random.Random(args.seed), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, place, encode, shown in merges_cases(root) + [clip_case(root), word_piece_case(root)] + rank_cases(root):
            makers = Makers(shown, [])
            strings = [text for text in (makers.string(r) for _ in range(args.strings)) if name not in ("qwen", "ranks") or is_old(text)]
            bad = 0
            for text, got in zip(strings, ask(args.octavo, place, [], [{"text": text} for text in strings], "ids")):
                want = encode(text)
                if want != got:
                    bad += 1
                    if bad <= 5:
                        print(f"DIFFERENT {name} {text!r}\n  oracle: {want}\n  octavo: {got}", flush=True)
            print(f"{name:<24} {len(strings)} strings, {bad} different")
            total, different = total + len(strings), different + bad
    print(f"{total} strings, {different} different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
