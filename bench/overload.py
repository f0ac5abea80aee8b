#!/usr/bin/env python3
"""Ten times the load that a server can bear: what happens to memory, to those who are served, and to those who are refused.

    bench/overload.py --octavo build/release/bin/octavo --model models/demo [--seconds 20]

Two slices with `--max-num-seqs` clients, one calm (as many clients as sequences in a step) and one with ten times as many, then two for fairness: a
quiet key alone, and beside a key that floods. Prints the ratios: inter-token latency of admitted requests (aim: at most 1.5), p95 of the quiet
key's time to first token (at most 2), growth of memory between the first and the last quarter of the overload, and that every refusal was
429 or 503 with Retry-After. Standard library only; clients are threads that stream."""
from __future__ import annotations

import argparse
import http.client
import json
import random
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

WORDS = "mill river cat night stone bread water old young red green three seven walk sleep house king song the a of and to in".split()


@dataclass
class Slice:
    """What the clients of one stretch of time saw."""
    gaps: list[float] = field(default_factory=list)     # between events of a stream
    first: list[float] = field(default_factory=list)    # request to first event
    tokens: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    without_retry_after: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Server:
    def __init__(self, program: str, model: str, seqs: int) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as keys:
            json.dump({"keys": [{"name": "quiet", "key": "q"}, {"name": "flood", "key": "f"}]}, keys)
        args = [program, "serve", model, "--port", "0", "--max-num-seqs", str(seqs), "--max-num-queued-reqs", str(4 * seqs),
                "--max-model-len", "512", "--disable-access-log", "--api-keys-file", keys.name]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        host = self.process.stdout.readline().split("http://")[1].strip()
        self.host, self.port = host.split(":")[0], int(host.split(":")[1])
        Path(keys.name).unlink()

    def resident_mib(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def one(server: Server, key: str, out: Slice, rng: random.Random, tokens: int) -> float:
    """One request; returns how long to wait before the next."""
    body = json.dumps({"prompt": " ".join(rng.choice(WORDS) for _ in range(rng.randrange(10, 40))), "max_tokens": tokens,
                       "ignore_eos": True, "stream": True})
    connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
    begin = time.monotonic()
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    times = [time.monotonic() for line in answer if line.startswith(b"data: {")] if answer.status == 200 else []
    answer.read()
    connection.close()
    retry = answer.getheader("Retry-After")
    with out.lock:
        out.statuses[answer.status] = out.statuses.get(answer.status, 0) + 1
        out.without_retry_after += answer.status in (429, 503) and retry is None
        if times:
            out.first.append(times[0] - begin)
            out.gaps += [b - a for a, b in zip(times, times[1:])]
            out.tokens += len(times)
    return 0.0 if answer.status == 200 else min(1.0, float(retry or 1)) * rng.random()


def run(server: Server, clients: dict[str, int], seconds: float, tokens: int) -> dict[str, Slice]:
    """So many clients of each key, each with one request after the other."""
    slices = {key: Slice() for key in clients}
    end = time.monotonic() + seconds

    def client(key: str, seed: int) -> None:
        rng = random.Random(seed)
        while time.monotonic() < end:
            time.sleep(one(server, key, slices[key], rng, tokens))

    threads = [threading.Thread(target=client, args=(key, i)) for key, n in clients.items() for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return slices


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def told(name: str, s: Slice, seconds: float) -> None:
    print(f"{name:24} {s.tokens / seconds:8.0f} tok/s  ITL p50 {1e3 * statistics.median(s.gaps or [0]):7.2f} ms  p95 "
          f"{1e3 * percentile(s.gaps, .95):7.2f}  TTFT p95 {1e3 * percentile(s.first, .95):8.1f} ms  {dict(sorted(s.statuses.items()))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--octavo", default="build/release/bin/octavo")
    parser.add_argument("--model", default="models/demo")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seqs", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64)
    a = parser.parse_args()
    server = Server(a.octavo, a.model, a.seqs)
    try:
        run(server, {"q": a.seqs}, 2, a.tokens)   # caches and pages warm
        calm = run(server, {"q": a.seqs}, a.seconds / 2, a.tokens)["q"]
        told("calm", calm, a.seconds / 2)
        before = server.resident_mib()
        memory: list[float] = []
        watch = threading.Event()

        def look() -> None:
            while not watch.wait(0.5):
                memory.append(server.resident_mib())

        watcher = threading.Thread(target=look)
        watcher.start()
        wild = run(server, {"q": 10 * a.seqs}, a.seconds, a.tokens)["q"]
        watch.set()
        watcher.join()
        told("10 times the clients", wild, a.seconds)
        alone = run(server, {"q": 4}, a.seconds / 2, a.tokens)["q"]
        told("quiet key alone", alone, a.seconds / 2)
        mixed = run(server, {"q": 4, "f": 3 * a.seqs}, a.seconds / 2, a.tokens)
        told("quiet key in the flood", mixed["q"], a.seconds / 2)
        told("the flood", mixed["f"], a.seconds / 2)
    finally:
        server.end()
    quarter = max(1, len(memory) // 4)
    refused = {s: n for s, n in wild.statuses.items() if s != 200}
    print(f"overload: ITL p50 {statistics.median(wild.gaps) / statistics.median(calm.gaps):.2f}x, p95 "
          f"{percentile(wild.gaps, .95) / percentile(calm.gaps, .95):.2f}x; refused {refused}, {wild.without_retry_after} without Retry-After; memory "
          f"{before:.0f} MiB before, {statistics.mean(memory[:quarter]):.0f} then {statistics.mean(memory[-quarter:]):.0f} MiB; quiet key's TTFT p95 "
          f"{percentile(mixed['q'].first, .95) / percentile(alone.first, .95):.2f}x in the flood")


if __name__ == "__main__":
    main()
