#!/usr/bin/env python3
"""Octavo beside transformers on one checkpoint and one CPU: decode, prefill, time to the first token, memory; and 16 requests beside one.

    tools/random_checkpoint.py MODEL --preset qwen2-0.5b
    bench/against_transformers.py MODEL --python VENV/bin/python [--octavo build/release/bin/octavo] [--rounds 7] [--json]

VENV needs torch and transformers; this program itself needs only the standard library. Both sides run bfloat16, greedy, with --threads
threads. A round is one process of each, in turn: ours, theirs, ours, theirs, so that what else the machine does falls on both. Printed
are medians of rounds and the median of the rounds' ratios; --json prints every raw figure too.

  decode       tokens/s after the first token of a prompt of --prompt-tokens
  prefill      tokens/s of that prompt, up to its first token
  start        seconds from starting the process to the first token on its standard output, for a prompt of 16 tokens; the files are in
               the page cache. Both sides load the tokenizer and print text
  memory       peak resident bytes of the process that did prefill and decode (ru_maxrss)
  start_cpu    CPU seconds, user and system, of the process that did `start`: what is left when other work takes the cores
  concurrency  tokens/s of 16 requests at once through `octavo serve` against one alone, the same server, prompts of 32 tokens

Theirs is a plain loop over model(...) with its cache: faster than generate(). It is warm, ours is not: prefill and decode are timed after
a first pass over the same prompt."""
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
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
START_TOKENS, REQUEST_TOKENS = 16, 32


@dataclass(frozen=True)
class Target:
    """What the ratio of a figure has to reach; ratios are ours to theirs."""
    name: str
    unit: str
    ratio: float | None   # None: shown without a target
    more_is_better: bool

    def holds(self, ratio: float) -> bool:
        if self.ratio is None:
            return True
        return ratio >= self.ratio if self.more_is_better else ratio <= self.ratio

    def __str__(self) -> str:
        return "" if self.ratio is None else f"{'>=' if self.more_is_better else '<='} {self.ratio:g}"


TARGETS = (Target("decode", "tok/s", 1.3, True), Target("prefill", "tok/s", 1.0, True), Target("start", "s", 0.3, False),
           Target("memory", "MB", 0.6, False), Target("start_cpu", "s", None, False), Target("concurrency", "tok/s", 4.0, True))


@dataclass
class Ran:
    out: str
    first_s: float   # from the start to the first byte on stdout
    wall_s: float
    cpu_s: float
    peak_bytes: int


def run(command: list[str | Path], env: dict[str, str]) -> Ran:
    with tempfile.TemporaryFile() as errors:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, env=env)
        assert process.stdout is not None
        out, first = b"", 0.0
        while piece := os.read(process.stdout.fileno(), 1 << 16):
            first = first or time.monotonic() - begin
            out += piece
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        if process.returncode != 0:
            errors.seek(0)
            raise RuntimeError(f"{command[0]}: status {process.returncode}\n{errors.read().decode(errors='replace')[-2000:]}")
    return Ran(out.decode(errors="replace"), first, wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def prompt(seed: int, count: int, vocab: int) -> list[int]:
    return random.Random(seed).choices(range(256, vocab - 8), k=count)


class Ours:
    def __init__(self, args: argparse.Namespace, vocab: int) -> None:
        self.args, self.vocab = args, vocab

    def generate(self, ids: list[int], tokens: int, *flags: str) -> Ran:
        command = [self.args.octavo, "generate", self.args.model, "--prompt-ids", ",".join(map(str, ids)), "--max-tokens", str(tokens),
                   "--temperature", "0", "--ignore-eos", "--dtype", "bfloat16", "--threads", str(self.args.threads), *flags]
        return run(command, dict(os.environ))

    def round(self, seed: int) -> dict[str, float]:
        start = self.generate(prompt(seed, START_TOKENS, self.vocab), 2)
        long = self.generate(prompt(seed, self.args.prompt_tokens, self.vocab), self.args.tokens, "--json")
        timing = json.loads(long.out)["timing"]
        return {"decode": timing["decode_tok_s"], "prefill": self.args.prompt_tokens / timing["ttft_s"], "start": start.first_s,
                "memory": long.peak_bytes / 1e6, "start_cpu": start.cpu_s, "load": timing["load_s"], "wall": long.wall_s, "cpu": long.cpu_s}


class Theirs:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args

    def round(self, seed: int) -> dict[str, float]:
        threads = str(self.args.threads)
        env = dict(os.environ) | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false"}
        ran = run([self.args.python, __file__, self.args.model, "--worker", str(seed), "--threads", threads, "--tokens", str(self.args.tokens),
                   "--prompt-tokens", str(self.args.prompt_tokens)], env)
        found = json.loads(ran.out.splitlines()[-1])
        return {"decode": found["decode"], "prefill": found["prefill"], "start": ran.first_s, "memory": ran.peak_bytes / 1e6,
                "start_cpu": found["start_cpu"], "wall": ran.wall_s, "cpu": ran.cpu_s}


def work(args: argparse.Namespace, vocab: int) -> None:
    """The process of transformers: its first line is the first token, its last one the figures."""
    import torch                                                       # pylint: disable=import-outside-toplevel
    from transformers import AutoModelForCausalLM, AutoTokenizer       # pylint: disable=import-outside-toplevel
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.bfloat16, attn_implementation="sdpa").eval()

    def step(ids: Any, cache: Any) -> tuple[Any, Any]:
        out = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1].argmax(-1, keepdim=True), out.past_key_values

    with torch.inference_mode():
        token, _ = step(torch.tensor([prompt(args.worker, START_TOKENS, vocab)]), None)
        print(repr(tokenizer.decode(token[0])), flush=True)
        start_cpu = time.process_time()
        long = torch.tensor([prompt(args.worker, args.prompt_tokens, vocab)])
        for _ in range(2):   # the first pass warms up
            begin = time.monotonic()
            token, cache = step(long, None)
            token.item()
            prefill_s = time.monotonic() - begin
        begin = time.monotonic()
        for _ in range(args.tokens - 1):
            token, cache = step(token, cache)
            token.item()   # as a stream of tokens would
        decode_s = time.monotonic() - begin
    print(json.dumps({"prefill": args.prompt_tokens / prefill_s, "decode": (args.tokens - 1) / decode_s, "start_cpu": start_cpu}), flush=True)


class Server:
    """`octavo serve` on a free port of the loopback."""

    def __init__(self, args: argparse.Namespace, requests: int) -> None:
        self.args = args
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [args.octavo, "serve", args.model, "--host", "127.0.0.1", "--port", "0", "--dtype", "bfloat16", "--threads", str(args.threads),
             "--max-num-seqs", str(requests), "--max-model-len", "1024", "--no-enable-prefix-caching", "--served-model-name", "model"],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http://([\w.]+):(\d+)", self.process.stdout.readline())
        if found is None:
            self.process.terminate()
            self.log.seek(0)
            raise RuntimeError(f"the server did not start\n{self.log.read().decode(errors='replace')[-2000:]}")
        self.address = found[1], int(found[2])

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()

    def complete(self, ids: list[int]) -> int:
        """Tokens of one answer."""
        connection = http.client.HTTPConnection(*self.address, timeout=600)
        body = {"model": "model", "prompt": ids, "max_tokens": self.args.tokens, "temperature": 0, "ignore_eos": True}
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if "usage" not in answer:
            raise RuntimeError(f"the server refused a request: {answer}")
        return int(answer["usage"]["completion_tokens"])

    def rate(self, prompts: list[list[int]]) -> float:
        """Tokens a second of all these prompts, sent together."""
        tokens = [0] * len(prompts)

        def ask(i: int) -> None:
            tokens[i] = self.complete(prompts[i])
        clients = [threading.Thread(target=ask, args=(i,)) for i in range(len(prompts))]
        begin = time.monotonic()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        if 0 in tokens:
            raise RuntimeError("a request to the server failed")
        return sum(tokens) / (time.monotonic() - begin)


def concurrency(args: argparse.Namespace, vocab: int) -> tuple[list[float], list[float]]:
    """Rates of many requests and of one, round by round."""
    with Server(args, args.requests) as server:
        prompts = [prompt(seed, REQUEST_TOKENS, vocab) for seed in range(args.requests)]
        server.rate(prompts[:2])
        many, one = [], []
        for i in range(args.rounds):
            many.append(server.rate(prompts))
            one.append(server.rate([prompts[i % len(prompts)]]))
            print(f"round {i + 1}: {args.requests} requests {many[-1]:.1f} tok/s, one {one[-1]:.1f}", file=sys.stderr)
    return many, one


def compare(args: argparse.Namespace, vocab: int) -> dict[str, tuple[list[float], list[float]]]:
    """For each figure ours and theirs, round by round."""
    ours, theirs = Ours(args, vocab), Theirs(args)
    pairs = []
    for i in range(args.rounds):
        pairs.append((ours.round(i), theirs.round(i)))
        print(f"round {i + 1}: " + ", ".join(f"{t.name} {pairs[-1][0][t.name]:.3g} / {pairs[-1][1][t.name]:.3g}" for t in TARGETS
                                             if t.name in pairs[-1][0]), file=sys.stderr)
    names = pairs[0][0].keys() & pairs[0][1].keys()
    return {name: ([a[name] for a, _ in pairs], [b[name] for _, b in pairs]) for name in names} | {"load": ([a["load"] for a, _ in pairs], [])}


def summary(raw: dict[str, tuple[list[float], list[float]]]) -> list[dict[str, Any]]:
    rows = []
    for target in TARGETS:
        if target.name not in raw:
            continue
        a, b = raw[target.name]
        ratio = median(x / y for x, y in zip(a, b, strict=True))
        rows.append({"name": target.name, "unit": target.unit, "ours": median(a), "against": median(b), "ratio": ratio, "target": str(target),
                     "holds": target.holds(ratio)})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a checkpoint that both programs read")
    parser.add_argument("--octavo", type=Path, default=ROOT / "build" / "release" / "bin" / "octavo")
    parser.add_argument("--python", type=Path, help="a Python with torch and transformers; without it only concurrency is measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=64, help="tokens of an answer")
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--requests", type=int, default=16, help="at once; 0: leave concurrency out")
    parser.add_argument("--json", action="store_true", help="one JSON document with every raw figure")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)   # a process of theirs, with this prompt's seed
    args = parser.parse_args()
    vocab = json.loads((args.model / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    if args.worker is not None:
        work(args, vocab)
        return 0
    raw = compare(args, vocab) if args.python else {}
    if args.requests > 0:
        raw["concurrency"] = concurrency(args, vocab)
    rows = summary(raw)
    if args.json:
        print(json.dumps({"rounds": args.rounds, "threads": args.threads, "prompt_tokens": args.prompt_tokens, "tokens": args.tokens,
                          "requests": args.requests, "targets": [asdict(t) for t in TARGETS], "summary": rows,
                          "raw": {name: {"ours": a, "against": b} for name, (a, b) in raw.items()}}, indent=1))
    else:
        print(f"{'':<12}{'ours':>10}{'against':>10}  {'':<6}{'ratio':>7}  target")
        for r in rows:
            print(f"{r['name']:<12}{r['ours']:>10.2f}{r['against']:>10.2f}  {r['unit']:<6}{r['ratio']:>7.2f}  {r['target']:<7}"
                  f"{'' if r['holds'] else 'missed'}")
    return 0 if all(r["holds"] for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
