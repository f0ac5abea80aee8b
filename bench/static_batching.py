#!/usr/bin/env python3
"""A load of mixed lengths through `octavo serve`, and through static batches of transformers: throughput and time to the first token.

    tools/random_checkpoint.py MODEL --preset qwen2-0.5b
    bench/static_batching.py MODEL --python VENV/bin/python [--ours MODEL_4BIT] [--rounds 3] [--json]

VENV needs torch and transformers. Both sides get the same requests, all at once: prompts and answers of lengths drawn from wide ranges, as people
send them. Static batching is what a loop over `generate` does: the next --batch requests in order, padded to the longest prompt, each batch
running until its longest answer is done; a request's first token counts when it is there, and its batch has to wait for those before. Ours
gets them as separate requests over HTTP, streamed. A round is one pass of each side in turn; shown are medians of rounds and of their ratios.
Both run bfloat16 on --threads threads unless --ours names another checkpoint of the model."""
from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import fmean, median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def load(args: argparse.Namespace, seed: int) -> list[tuple[list[int], int]]:
    """(prompt ids, tokens of the answer) of every request: short ones are common, long ones are there."""
    draw = random.Random(seed)

    def length(low: int, high: int) -> int:
        return round(low * (high / low) ** draw.random())
    vocab = json.loads((args.model / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    return [([draw.randrange(300, vocab - 8) for _ in range(length(*args.prompt_tokens))], length(*args.answer_tokens)) for _ in range(args.requests)]


def figures(tokens: int, spent: float, firsts: list[float]) -> dict[str, float]:
    return {"throughput": tokens / spent, "ttft": fmean(firsts), "ttft_p50": median(firsts), "seconds": spent}


def static(args: argparse.Namespace) -> None:
    """The process of transformers: answers each line (a seed) with the figures of a pass."""
    import torch                                                       # pylint: disable=import-outside-toplevel
    from transformers import AutoModelForCausalLM, StoppingCriteria    # pylint: disable=import-outside-toplevel
    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.bfloat16, attn_implementation="sdpa").eval()

    class FirstToken(StoppingCriteria):
        """Notes when the first step of a batch is done; stops nothing."""
        at = 0.0

        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            self.at = self.at or time.monotonic()
            return torch.zeros(input_ids.shape[0], dtype=torch.bool)

    def batch(requests: list[tuple[list[int], int]]) -> float:
        longest = max(len(ids) for ids, _ in requests)
        rows = torch.tensor([[0] * (longest - len(ids)) + ids for ids, _ in requests])
        mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids, _ in requests])
        first, most = FirstToken(), max(tokens for _, tokens in requests)
        model.generate(input_ids=rows, attention_mask=mask, max_new_tokens=most, min_new_tokens=most, do_sample=False, pad_token_id=0,
                       stopping_criteria=[first])
        return first.at

    with torch.inference_mode():
        batch([([300] * 8, 2)])
        print("ready", flush=True)
        for line in sys.stdin:
            requests = load(args, int(line))
            begin, firsts = time.monotonic(), []
            for i in range(0, len(requests), args.batch):
                part = requests[i:i + args.batch]
                firsts += [batch(part) - begin] * len(part)
            spent = time.monotonic() - begin
            print(json.dumps(figures(sum(tokens for _, tokens in requests), spent, firsts)), flush=True)


class Theirs:
    def __init__(self, args: argparse.Namespace) -> None:
        env = dict(os.environ) | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(args.threads), "TOKENIZERS_PARALLELISM": "false"}
        words = [args.python, __file__, args.model, "--worker", "--threads", args.threads, "--requests", args.requests, "--batch", args.batch,
                 "--prompt-tokens", *args.prompt_tokens, "--answer-tokens", *args.answer_tokens]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, env=env)
        self.line()

    def line(self) -> str:
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            self.log.seek(0)
            raise RuntimeError(f"transformers ended\n{self.log.read().decode(errors='replace')[-2000:]}")
        return text

    def round(self, seed: int) -> dict[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seed}\n")
        self.process.stdin.flush()
        return json.loads(self.line())

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


class Ours:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.log = args, tempfile.TemporaryFile()
        words = [args.octavo, "serve", args.ours or args.model, "--host", "127.0.0.1", "--port", "0", "--threads", args.threads,
                 "--max-model-len", args.prompt_tokens[1] + args.answer_tokens[1] + 8, "--no-enable-prefix-caching", "--served-model-name", "model",
                 *args.octavo_args.split()]
        self.process = subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE, stderr=self.log, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http://([\w.]+):(\d+)", self.process.stdout.readline())
        if found is None:
            self.log.seek(0)
            raise RuntimeError(f"the server did not start\n{self.log.read().decode(errors='replace')[-2000:]}")
        self.address = found[1], int(found[2])

    def ask(self, ids: list[int], tokens: int) -> float:
        """When the first token came."""
        connection = http.client.HTTPConnection(*self.address, timeout=3600)
        body = {"model": "model", "prompt": ids, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True,
                "stream_options": {"include_usage": True}}
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer, first, counted = connection.getresponse(), 0.0, 0
        for line in answer:
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                if event.get("choices") and not first:
                    first = time.monotonic()
                counted = (event.get("usage") or {}).get("completion_tokens", counted)
        connection.close()
        if counted != tokens:
            raise RuntimeError(f"status {answer.status}: {counted} tokens instead of {tokens}")
        return first

    def round(self, seed: int) -> dict[str, float]:
        requests = load(self.args, seed)
        firsts, failures = [0.0] * len(requests), []

        def one(i: int) -> None:
            try:
                firsts[i] = self.ask(*requests[i])
            except (OSError, RuntimeError, http.client.HTTPException) as wrong:
                failures.append(str(wrong))
        begin = time.monotonic()
        clients = [threading.Thread(target=one, args=(i,)) for i in range(len(requests))]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        spent = time.monotonic() - begin
        if failures:
            raise RuntimeError(f"{len(failures)} requests failed: {failures[0]}")
        return figures(sum(tokens for _, tokens in requests), spent, [at - begin for at in firsts])

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


def compare(args: argparse.Namespace) -> list[tuple[dict[str, float], dict[str, float]]]:
    pairs = []
    theirs = Theirs(args)
    ours = Ours(args)
    try:
        for seed in range(args.rounds):
            pairs.append((ours.round(seed), theirs.round(seed)))
            shown = [f"{side['throughput']:.1f} tok/s, first token after {side['ttft']:.2f} s" for side in pairs[-1]]
            print(f"round {seed + 1}: ours {shown[0]}; theirs {shown[1]}", file=sys.stderr, flush=True)
    finally:
        ours.end()
        theirs.end()
    return pairs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--ours", type=Path, help="another checkpoint of it for our side, for example in 4 bits")
    parser.add_argument("--octavo", type=Path, default=ROOT / "build" / "release" / "bin" / "octavo")
    parser.add_argument("--octavo-args", default="", help="more flags for the server, in one word")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="a Python with torch and transformers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8, help="requests of a static batch")
    parser.add_argument("--prompt-tokens", type=int, nargs=2, default=(16, 512), metavar=("LOW", "HIGH"))
    parser.add_argument("--answer-tokens", type=int, nargs=2, default=(4, 128), metavar=("LOW", "HIGH"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        static(args)
        return 0
    pairs = compare(args)
    rows = {}
    for name, more_is_better in (("throughput", True), ("ttft", False), ("ttft_p50", False)):
        ratios = [a[name] / b[name] for a, b in pairs]
        rows[name] = {"ours": median(a[name] for a, _ in pairs), "static": median(b[name] for _, b in pairs), "ratio": median(ratios),
                      "more_is_better": more_is_better}
    if args.json:
        print(json.dumps({"requests": args.requests, "batch": args.batch, "threads": args.threads, "summary": rows,
                          "raw": [{"ours": a, "static": b} for a, b in pairs]}, indent=1))
        return 0
    print(f"{'':<26}{'ours':>10}{'static':>10}{'ratio':>8}")
    for name, unit in (("throughput", "output tokens/s"), ("ttft", "mean first token, s"), ("ttft_p50", "median first token, s")):
        print(f"{unit:<26}{rows[name]['ours']:>10.2f}{rows[name]['static']:>10.2f}{rows[name]['ratio']:>8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
