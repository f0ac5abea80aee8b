#!/usr/bin/env python3
"""Tokenizers beside the PyPI `tokenizers` wheel on one thread: load time and encoding speed.

    bench/tokenizers_against_wheel.py --bench build/release/bench/tokenizer_bench MODEL... [--text FILE] [--megabytes 10] [--rounds 5]

Run it with a Python that has `tokenizers`. A round is one process of each side in turn; figures are CPU seconds (user and system) within
the process, medians of rounds, so that other work on the machine counts little. Without --text the text is made of this repository's
files and of sentences in many scripts. Documents end at the first line end after 4,000 bytes; both sides get the same ones."""
from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT_BYTES = 4000
SENTENCES = """The committee will meet again on Thursday, 14 March 2024, at 9:30 a.m.; don't be late.
Der schnelle braune Fuchs springt über den faulen Hund, während die Straßenbahn vorbeifährt.
Les élèves n'ont pas encore reçu leurs résultats, mais l'été approche déjà.
Быстрая коричневая лиса перепрыгивает через ленивую собаку, и снова идёт дождь.
我们昨天在图书馆里看了三个小时的书，然后去吃了晚饭。
東京では桜が咲き始め、多くの人が公園に集まりました。カタカナも使います。
오늘은 날씨가 좋아서 친구들과 함께 공원에 갔습니다.
ذهب الطلاب إلى المكتبة لقراءة الكتب الجديدة قبل الامتحان.
आज मौसम बहुत अच्छा है और हम बाज़ार जा रहे हैं।
Prices rose by 12.5% to $1,299.00 (see https://example.org/a?b=1&c=%20) 👍🏽 🎉""".split("\n")


def mixed_text(size: int) -> bytes:
    files = [path for pattern in ("src/**/*.cc", "src/**/*.h", "docs/**/*.md", "tools/**/*.py", "*.md") for path in sorted(ROOT.glob(pattern))
             if not path.name.endswith("_data.cc")]
    code = "".join(path.read_text(encoding="utf-8") for path in files).split("\n")
    r, lines, total = random.Random(1), [], 0
    words = [sentence.split(" ") for sentence in SENTENCES]
    while total < size:
        if r.random() < 0.4:
            at = r.randrange(len(code) - 20)
            line = "\n".join(code[at:at + 20])
        else:
            picked = list(r.choice(words))
            r.shuffle(picked)
            line = " ".join(picked)
        lines.append(line)
        total += len(line.encode()) + 1
    return "\n".join(lines).encode()[:size]


def documents_of(text: bytes) -> list[str]:
    documents = []
    while text:
        end = text.find(b"\n", min(DOCUMENT_BYTES, len(text) - 1))
        size = len(text) if end < 0 else end + 1
        documents.append(text[:size].decode("utf-8", "replace"))
        text = text[size:]
    return documents


def wheel_process(model: str, text: str) -> None:
    """What the other side does, in a process of its own."""
    import tokenizers
    documents = documents_of(Path(text).read_bytes())
    begin = time.process_time()
    tokenizer = tokenizers.Tokenizer.from_file(str(Path(model) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    loaded = time.process_time()
    tokens = sum(len(tokenizer.encode(document, add_special_tokens=False)) for document in documents)
    print(json.dumps({"load_s": loaded - begin, "encode_s": time.process_time() - loaded, "tokens": tokens}))


def measured(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=os.environ | {"TOKENIZERS_PARALLELISM": "false"})
    return json.loads(done.stdout)


def main() -> int:
    if len(sys.argv) == 4 and sys.argv[1] == "--wheel-process":
        wheel_process(sys.argv[2], sys.argv[3])
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--bench", type=Path, default=ROOT / "build" / "release" / "bench" / "tokenizer_bench")
    parser.add_argument("--text", type=Path)
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text"
        data = args.text.read_bytes() if args.text else mixed_text(int(args.megabytes * 1e6))
        text.write_bytes(data.decode("utf-8", "ignore").encode())
        size = text.stat().st_size / 1e6
        print(f"| tokenizer | MB/s | wheel MB/s | times | load s | wheel load s | share | tokens equal |\n|{' --- |' * 8}")
        for model in args.models:
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours.append(measured([str(args.bench), str(model), str(text)]))
                theirs.append(measured([sys.executable, __file__, "--wheel-process", str(model), str(text)]))
            speed = [size / median(row["encode_s"] for row in side) for side in (ours, theirs)]
            load = [median(row["load_s"] for row in side) for side in (ours, theirs)]
            equal = "yes" if ours[0]["tokens"] == theirs[0]["tokens"] else f"{ours[0]['tokens']} for {theirs[0]['tokens']}"
            print(f"| {model.name} | {speed[0]:.1f} | {speed[1]:.1f} | {speed[0] / speed[1]:.1f} | {load[0]:.3f} | {load[1]:.3f} | "
                  f"{load[0] / load[1]:.2f} | {equal} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
