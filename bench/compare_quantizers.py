#!/usr/bin/env python3
"""What each method costs at 4, 3 and 2 bits: perplexity, KL divergence, agreement and choices against full precision.

    bench/compare_quantizers.py models/demo --groups 128 64 32 --seeds 2
    bench/compare_quantizers.py MODEL --calibration texts.txt --data other.txt --groups 32 --seeds 3 --json figures.json

Several seeds draw different calibration samples; the table gives the mean and, behind ±, half the distance between the best and the worst. The
calibration text must not be the text that is measured on. A budget of 3.0 average bits is compared with 3 bits everywhere. Needs nothing but
the program (OCTAVO, else build/release/bin/octavo)."""
from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROGRAM = os.environ.get("OCTAVO", "build/release/bin/octavo")
METHODS = ("rtn", "awq", "gptq", "awq_gptq")


def octavo(*args: object) -> str:
    done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return done.stdout


def quantize(options: argparse.Namespace, out: Path, method: str, bits: int, group: int, seed: int, average: float) -> None:
    more: list[object] = ["--average-bits", average] if average else []
    if method != "rtn" or average:
        more += ["--samples", options.samples, "--seq-len", options.seq_len, "--seed", seed]
        more += ["--calibration", options.calibration] if options.calibration else []
    octavo("quantize", options.model, out, "--method", method, "--bits", bits, "--group-size", group, "--format", "compressed-tensors",
           "--zero-point", *more)


def measure(options: argparse.Namespace, model: object) -> dict[str, float]:
    common = ["--data", options.data, "--json", "--max-model-len", options.window]
    answer = json.loads(octavo("eval", model, "--tasks", "perplexity", "--baseline", options.model, "--limit", options.windows, *common))
    result = answer["results"]["perplexity"]
    figures = {"perplexity": result["perplexity"], "kl": result["kl_divergence"], "agreement": 100 * result["top1_agreement"]}
    if options.items:
        answer = json.loads(octavo("eval", model, "--tasks", "choices", "--limit", options.items, *common))
        figures["choices"] = 100 * answer["results"]["choices"]["acc"]
    return figures


def rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "small"
        found.append({"bits": "full", "group": "", "method": "", "runs": [measure(options, options.model)]})
        for group in options.groups:
            for bits, average in [(b, 0.0) for b in options.bits] + [(3, 3.0)]:
                for method in METHODS:
                    seeds = options.seeds if method != "rtn" or average else 1
                    runs = []
                    for seed in range(seeds):
                        shutil.rmtree(out, ignore_errors=True)
                        quantize(options, out, method, bits, group, seed, average)
                        runs.append(measure(options, out))
                    found.append({"bits": "3.0 mean" if average else str(bits), "group": str(group), "method": method, "runs": runs})
                    print(line(found[-1]), flush=True, file=sys.stderr)
    return found


def line(row: dict[str, Any]) -> str:
    cells = [row["bits"], row["group"], row["method"]]
    for key, form in (("perplexity", "{:.3f}"), ("kl", "{:.5f}"), ("agreement", "{:.1f}"), ("choices", "{:.1f}")):
        values = [run[key] for run in row["runs"] if key in run]
        if not values:
            cells.append("")
            continue
        text = form.format(statistics.mean(values))
        cells.append(f"{text} ±{form.format((max(values) - min(values)) / 2)}" if len(values) > 1 else text)
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", help="text or folder to measure on (default: the model's own)")
    parser.add_argument("--calibration", help="text to calibrate with (default: the model's own)")
    parser.add_argument("--groups", type=int, nargs="+", default=[64])
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 3, 2])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--seq-len", type=int, default=256)
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--windows", type=int, default=40)
    parser.add_argument("--items", type=int, default=0, help="choices to ask (0: none)")
    parser.add_argument("--json", help="write all figures here")
    options = parser.parse_args()
    options.data = options.data or options.model
    table = rows(options)
    print("| bits | group | method | perplexity | KL divergence | agreement % | choices % |\n| --- | --- | --- | --- | --- | --- | --- |")
    for row in table:
        print(line(row))
    if options.json:
        Path(options.json).write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
