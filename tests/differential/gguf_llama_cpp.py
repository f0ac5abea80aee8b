#!/usr/bin/env python3
"""Logits of `octavo` on GGUF files beside those of llama-cpp-python (PyPI) on the same files.

    python tests/differential/gguf_llama_cpp.py OCTAVO [--tokens 48] [--seed 1]

Files are written by tests/gguf/convert.py from the bundled model and from random ones of the families' real forms. llama.cpp rounds
activations to what a type's products take (float16 for F16, bfloat16 for BF16, 8-bit blocks for the packed ones) and `octavo logits --dtype
float32` does not. So there are two figures, each the largest difference over the spread of the logits: both programs on the same file, with
a wide bound, and `octavo` on the packed file beside llama.cpp on the same values unpacked to F32, where nothing is rounded, with a tight
one. Ends with status 1 where a bound is passed."""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "gguf"))
try:
    import gguf
    import llama_cpp
    import ml_dtypes  # noqa: F401  (numpy learns bfloat16)
    import numpy as np
    from safetensors.numpy import load_file

    import convert
    from convert import Type
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

# Family, and flags of tools/random_checkpoint.py; rows of 256 hold blocks of every type.
SHAPE = ("--hidden", "256", "--heads", "4", "--kv-heads", "2", "--head-dim", "64", "--ffn", "512", "--layers", "3", "--vocab", "768", "--dtype", "float32")
MODELS = {"demo (llama)": None, "qwen2": ("--family", "qwen2", "--tied", *SHAPE), "qwen3": ("--family", "qwen3", *SHAPE),
          "llama": ("--family", "llama", *SHAPE)}
UNPACKED = 1e-4  # bound where nothing is rounded
# Bounds on the same file. Blocks of the K types are random, which makes larger activations.
BOUNDS = {Type.F32: UNPACKED, Type.F16: 1e-2, Type.BF16: 5e-2, Type.Q8_0: 0.2, Type.Q4_0: 0.2, Type.Q4_K: 0.2, Type.Q5_K: 0.2, Type.Q6_K: 0.5}


def without_vocabulary(size: int):
    def add(writer: gguf.GGUFWriter) -> None:
        writer.add_tokenizer_model("no_vocab")
        writer.add_vocab_size(size)
    return add


def theirs(file: Path, ids: list[int], vocab: int) -> np.ndarray:
    """Logits [tokens, vocab] of llama.cpp, cache in float32."""
    library = llama_cpp.llama_cpp
    parameters = library.llama_model_default_params()
    parameters.n_gpu_layers = 0
    model = library.llama_model_load_from_file(str(file).encode(), parameters)
    if not model:
        raise RuntimeError("llama.cpp does not load the file")
    settings = library.llama_context_default_params()
    settings.n_ctx = settings.n_batch = settings.n_ubatch = max(256, len(ids))
    settings.n_threads = settings.n_threads_batch = 2
    settings.type_k = settings.type_v = int(Type.F32)
    settings.flash_attn_type = 0
    context = library.llama_init_from_model(model, settings)
    batch = library.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for i, token in enumerate(ids):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, i, 1, 0, True
    if library.llama_decode(context, batch) != 0:
        raise RuntimeError("llama.cpp does not run the file")
    rows = [np.ctypeslib.as_array(library.llama_get_logits_ith(context, i), shape=(vocab,)).copy() for i in range(len(ids))]
    library.llama_batch_free(batch)
    library.llama_free(context)
    library.llama_model_free(model)
    return np.stack(rows)


def ours(program: str, file: Path, ids: list[int], folder: Path) -> np.ndarray:
    source, out = folder / "ids.jsonl", folder / "logits.safetensors"
    source.write_text(json.dumps({"name": "p", "ids": ids}) + "\n")
    subprocess.run([program, "logits", file, "--ids", source, "--out", out, "--dtype", "float32"], check=True, capture_output=True)
    return load_file(out)["p.logits"]


def compare(what: str, mine: np.ndarray, same_file: np.ndarray, unpacked: np.ndarray, bound: float) -> int:
    rounded, exact = (float(np.abs(mine - other).max() / other.std()) for other in (same_file, unpacked))
    agree = 100 * float((mine.argmax(1) == same_file.argmax(1)).mean())
    holds = rounded <= bound and exact <= UNPACKED
    print(f"{what} same file {rounded:.1e} (bound {bound:.0e}), largest agrees {agree:5.1f} %; unpacked {exact:.1e}{'' if holds else '  TOO FAR'}", flush=True)
    return int(not holds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("octavo")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    quiet = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(quiet, None)
    failed = 0
    print(f"llama-cpp-python {llama_cpp.__version__}; largest difference / spread of the logits", flush=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, flags in MODELS.items():
            model = ROOT / "models" / "demo"
            if flags is not None:
                model = folder / name
                subprocess.run([sys.executable, ROOT / "tools" / "random_checkpoint.py", model, *flags], check=True, capture_output=True)
            vocab = json.loads((model / "config.json").read_text())["vocab_size"]
            ids = [int(i) for i in np.random.default_rng(args.seed).integers(0, vocab, args.tokens)]
            for kind, bound in BOUNDS.items():
                file, plain = folder / "model.gguf", folder / "plain.gguf"
                for old in (file, plain):
                    old.unlink(missing_ok=True)
                convert.Converter(model).write(file, kind, extra=without_vocabulary(vocab))
                convert.Converter(model).write(plain, kind, extra=without_vocabulary(vocab), unpacked=True)
                mine = ours(args.octavo, file, ids, folder)
                failed += compare(f"{name:<14} {kind.name:<6}", mine, theirs(file, ids, vocab), theirs(plain, ids, vocab), bound)
    print("all within their bounds" if failed == 0 else f"{failed} too far")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
