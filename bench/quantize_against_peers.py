#!/usr/bin/env python3
"""Quantization beside GPTQModel and AutoAWQ: seconds a decoder layer on the same random model, tokens and settings.

    bench/quantize_against_peers.py --method gptq --python GPTQMODEL_VENV/bin/python [--octavo BIN] [--samples 16] [--seq-len 512] [--rounds 3]
    bench/quantize_against_peers.py --method awq --python AUTOAWQ_VENV/bin/python ...

PYTHON is one that has the peer (gptqmodel 7.7.0; autoawq 0.2.9 with torch 2.6 and transformers 4.51.3). The model has the shape of
Qwen2 0.5B. Each side quantizes it with one layer and with three, in processes of their own, the sides in turn; half the difference is a
layer, without start, loading and saving. Wall clock and processor time (on a machine that others use, the latter counts), medians of
rounds. 4 bits, groups of 128, symmetric (GPTQ) or with zero points (AWQ); everything else is each program's default."""
from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
LAYERS = (1, 3)


def gptqmodel(model: str, tokens: list[list[int]], out: str) -> None:
    from gptqmodel import GPTQModel, QuantizeConfig

    config = QuantizeConfig(bits=4, group_size=128, sym=True, desc_act=False)
    loaded = GPTQModel.load(model, config, device="cpu")
    loaded.quantize([{"input_ids": row, "attention_mask": [1] * len(row)} for row in tokens], batch_size=1)
    loaded.save(out)


def autoawq(model: str, tokens: list[list[int]], out: str) -> None:
    import torch
    from awq import AutoAWQForCausalLM
    from awq.quantize import quantizer
    from transformers import AutoTokenizer

    def copied(module: torch.nn.Module, *arguments, **named) -> dict[str, torch.Tensor]:
        state = kept(module, *arguments, **named)
        return state if arguments or named else {name: value.clone() for name, value in state.items()}

    # Its scale search restores weights from `state_dict().items()` moved to the CPU, which on a CPU are the live ones: hand out copies.
    kept = torch.nn.Module.state_dict
    search = quantizer.AwqQuantizer._compute_best_scale

    def repaired(self, *arguments, **named):
        torch.nn.Module.state_dict = copied
        try:
            return search(self, *arguments, **named)
        finally:
            torch.nn.Module.state_dict = kept

    quantizer.AwqQuantizer._compute_best_scale = repaired
    loaded = AutoAWQForCausalLM.from_pretrained(model, device_map="cpu", safetensors=True)
    tokenizer = AutoTokenizer.from_pretrained(model)
    settings = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM"}
    loaded.quantize(tokenizer, quant_config=settings, calib_data=tokens, max_calib_samples=len(tokens), max_calib_seq_len=len(tokens[0]))
    loaded.save_quantized(out)


def peer(arguments: argparse.Namespace) -> int:
    tokens = [json.loads(line)["ids"] for line in Path(arguments.tokens).read_text().splitlines()]
    {"gptq": gptqmodel, "awq": autoawq}[arguments.method](arguments.model, tokens, arguments.out)
    return 0


def measured(command: list[str], environment: dict[str, str], log: Path) -> tuple[float, float]:
    """Wall and processor seconds of a process and its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with log.open("w") as sink:  # peers leave files where they run
        status = subprocess.run(command, env=environment, cwd=log.parent, stdout=sink, stderr=subprocess.STDOUT).returncode
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if status != 0:
        sys.exit(f"{' '.join(command[:4])} ... failed:\n" + log.read_text()[-2000:])
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commands(arguments: argparse.Namespace, folder: Path, model: Path) -> dict[str, list[str]]:
    tokens, own, theirs = folder / "tokens.jsonl", folder / f"own-{model.name}", folder / f"peer-{model.name}"
    return {
        "octavo": [str(Path(arguments.octavo).resolve()), "quantize", str(model), str(own), "--method", arguments.method, "--bits", "4", "--group-size", "128",
                   "--sym" if arguments.method == "gptq" else "--zero-point", "--calibration", str(tokens), "--samples",
                   str(arguments.samples), "--seq-len", str(arguments.seq_len), "--sampling", "sequential", "--threads",
                   str(arguments.threads)],
        "peer": [arguments.python, str(Path(__file__).resolve()), "--as-peer", "--method", arguments.method, "--model", str(model), "--tokens", str(tokens),
                 "--out", str(theirs)],
    }


def compare(arguments: argparse.Namespace, folder: Path) -> int:
    r = random.Random(0)
    rows = [[r.randrange(1000, 100000) for _ in range(arguments.seq_len)] for _ in range(arguments.samples)]
    (folder / "tokens.jsonl").write_text("".join(json.dumps({"ids": row}) + "\n" for row in rows))
    threads = str(arguments.threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "GPTQMODEL_CPU_WORKERS": threads, "HF_HUB_OFFLINE": "1"}
    for layers in LAYERS:
        subprocess.run([sys.executable, str(ROOT / "tools/random_checkpoint.py"), str(folder / f"{layers}"), "--preset", "qwen2-0.5b",
                        "--layers", str(layers)], check=True, stdout=subprocess.DEVNULL)

    def once(side: str, layers: int) -> tuple[float, float]:
        for old in (*folder.glob("own-*"), *folder.glob("peer-*")):
            shutil.rmtree(old)
        return measured(commands(arguments, folder, folder / f"{layers}")[side], environment, folder / "log")

    once("peer", LAYERS[0])  # its first start compiles extensions
    seconds: dict[str, list[tuple[float, float]]] = {"octavo": [], "peer": []}
    for turn in range(arguments.rounds):
        for side, runs in seconds.items():
            few, many = (once(side, layers) for layers in LAYERS)
            runs.append(((many[0] - few[0]) / (LAYERS[1] - LAYERS[0]), (many[1] - few[1]) / (LAYERS[1] - LAYERS[0])))
            print(f"round {turn + 1} {side:6s} {runs[-1][0]:7.2f} s a layer, processor {runs[-1][1]:7.2f} s", flush=True)
    wall, processor = ({side: median(values[i] for values in runs) for side, runs in seconds.items()} for i in (0, 1))
    print(f"{arguments.method}, {arguments.samples} x {arguments.seq_len} tokens: octavo {wall['octavo']:.2f} s a layer, peer {wall['peer']:.2f} s: "
          f"{wall['peer'] / wall['octavo']:.1f} x faster ({processor['peer'] / processor['octavo']:.1f} x less processor time)")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=("gptq", "awq"), default="gptq")
    parser.add_argument("--octavo", default=str(ROOT / "build/release/bin/octavo"))
    parser.add_argument("--python", default=sys.executable, help="one that has the peer")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--seq-len", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    for name in ("--model", "--tokens", "--out"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_peer:
        return peer(arguments)
    with tempfile.TemporaryDirectory(prefix="octavo-bench-") as folder:
        return compare(arguments, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
