#!/usr/bin/env python3
"""Octavo beside llama.cpp (llama-cpp-python from PyPI) on one GGUF file and one CPU: prefill and decode.

    VENV/bin/python bench/gguf_against_llama_cpp.py [--types Q4_0 Q4_K] [--octavo build/release/bin/octavo] [--rounds 5] [--threads 2]

VENV needs llama-cpp-python, gguf, safetensors, numpy and ml_dtypes. The model is random, of about 0.4 billion parameters in Llama's form, written by
tools/random_checkpoint.py and tests/gguf/convert.py. A round is one process of each side in turn, so that what else the machine does falls on both.
Printed are medians of rounds and the median of the rounds' ratios, ours to theirs. Both decode greedily behind the same prompt."""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
SHAPE = ("--family", "llama", "--hidden", "1024", "--layers", "24", "--heads", "16", "--kv-heads", "8", "--head-dim", "64", "--ffn", "3072",
         "--vocab", "32000", "--dtype", "float16")
# Run as a process of its own: FILE THREADS PROMPT TOKENS.
THEIRS = """
import ctypes, json, sys, time
import llama_cpp
from llama_cpp import llama_cpp as library
file, threads, prompt, tokens = sys.argv[1], *map(int, sys.argv[2:])
quiet = llama_cpp.llama_log_callback(lambda *_: None)
llama_cpp.llama_log_set(quiet, None)
model = library.llama_model_load_from_file(file.encode(), library.llama_model_default_params())
settings = library.llama_context_default_params()
settings.n_ctx, settings.n_batch, settings.n_ubatch = prompt + tokens + 8, prompt, prompt
settings.n_threads = settings.n_threads_batch = threads
context = library.llama_init_from_model(model, settings)
vocab = library.llama_vocab_n_tokens(library.llama_model_get_vocab(model))
def decode(ids):
    array = (library.llama_token * len(ids))(*ids)
    assert library.llama_decode(context, library.llama_batch_get_one(array, len(ids))) == 0
    logits = library.llama_get_logits_ith(context, -1)
    return max(range(0, vocab, 97), key=lambda i: logits[i])
def run(count):
    library.llama_memory_clear(library.llama_get_memory(context), True)
    start = time.perf_counter()
    token = decode([(7 * i) % 30000 + 3 for i in range(prompt)])
    first = time.perf_counter()
    for _ in range(count):
        token = decode([token])
    return prompt / (first - start), count / (time.perf_counter() - first) if count else 0
run(0)
print(json.dumps(run(tokens)))
"""


def theirs(file: Path, args: argparse.Namespace) -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", THEIRS, file, *map(str, (args.threads, args.prompt, args.tokens))], capture_output=True, check=True, text=True)
    prefill, decode = json.loads(done.stdout.splitlines()[-1])
    return prefill, decode


def ours(file: Path, args: argparse.Namespace) -> tuple[float, float]:
    ids = ",".join(str((7 * i) % 30000 + 3) for i in range(args.prompt))
    done = subprocess.run([args.octavo, "generate", file, "--prompt-ids", ids, "--temperature", "0", "--ignore-eos", "--max-tokens", str(args.tokens + 1),
                           "--threads", str(args.threads), "--json"], capture_output=True, check=True, text=True)
    timing = json.loads(done.stdout)["timing"]
    return args.prompt / timing["ttft_s"], timing["decode_tok_s"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--octavo", default=str(ROOT / "build" / "release" / "bin" / "octavo"))
    parser.add_argument("--types", nargs="*", default=["Q4_0", "Q4_K"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=48)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "model"
        subprocess.run([sys.executable, ROOT / "tools" / "random_checkpoint.py", model, *SHAPE], check=True, capture_output=True)
        for kind in args.types:
            file = Path(place) / f"{kind}.gguf"
            write(model, file, kind)
            rounds = [(ours(file, args), theirs(file, args)) for _ in range(args.rounds)]
            for i, what in enumerate(("prefill", "decode")):
                mine, other = ([side[j][i] for side in rounds] for j in (0, 1))
                ratio = median(a / b for a, b in zip(mine, other))
                print(f"{kind:<6} {what:<8} {median(mine):8.1f} tokens/s, llama.cpp {median(other):8.1f}, ratio {ratio:.2f}", flush=True)
            file.unlink()
    return 0


def write(model: Path, file: Path, kind: str) -> None:
    """With the tokenizer left out; neither side needs it."""
    sys.path.insert(0, str(ROOT / "tests" / "gguf"))
    import convert
    import gguf

    def no_vocabulary(writer: gguf.GGUFWriter) -> None:
        writer.add_tokenizer_model("no_vocab")
        writer.add_vocab_size(json.loads((model / "config.json").read_text())["vocab_size"])
    convert.Converter(model).write(file, convert.Type[kind], extra=no_vocabulary)


if __name__ == "__main__":
    sys.exit(main())
