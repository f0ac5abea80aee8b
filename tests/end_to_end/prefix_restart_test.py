#!/usr/bin/env python3
"""A prefix cache that outlives its server: killed under load, damaged, of another model.

Needs the program (OCTAVO, else build/release/bin/octavo) and a model directory with a tokenizer (OCTAVO_MODEL, else models/demo); skips and says why."""
from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import unittest
import urllib.request
from pathlib import Path
from typing import Any

PROGRAM = Path(os.environ.get("OCTAVO", "build/release/bin/octavo"))
MODEL = os.environ.get("OCTAVO_MODEL", "models/demo")
PROMPT = [i % 200 + 5 for i in range(150)]


class Server:
    def __init__(self, folder: Path, *flags: str) -> None:
        args = [str(PROGRAM), "serve", MODEL, "--port", "0", "--served-model-name", "m", "--max-model-len", "256",
                "--enable-prompt-tokens-details", "--prefix-cache-dir", str(folder), *flags]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "http://" in line, f"no ready line: {line!r}"
        self.url = line[line.index("http://"):].strip()

    def complete(self, prompt: list[int], tokens: int = 12) -> dict[str, Any]:
        body = {"model": "m", "prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
        call = urllib.request.Request(self.url + "/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(call, timeout=60) as answer:
            return json.loads(answer.read())

    def end(self, kill: bool = False) -> None:
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


def cached(answer: dict[str, Any]) -> int:
    return (answer["usage"].get("prompt_tokens_details") or {}).get("cached_tokens", 0)


def text(answer: dict[str, Any]) -> str:
    return answer["choices"][0]["text"]


@unittest.skipUnless(PROGRAM.is_file(), f"{PROGRAM} is not built")
class PrefixRestartTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def serve(self, *flags: str) -> Server:
        return Server(self.folder, *flags)

    def blocks(self) -> list[Path]:
        return sorted(self.folder.glob("*/*.kv"))

    def ask_until_cached(self, server: Server) -> dict[str, Any]:
        """The files are opened in the background; a fresh prompt of the same beginning does not disturb the question."""
        for _ in range(50):
            answer = server.complete(PROMPT)
            if cached(answer):
                break
        return answer

    def test_is_warm_after_a_drain(self) -> None:
        server = self.serve()
        first = server.complete(PROMPT)
        self.assertEqual(cached(first), 0)
        server.end()
        self.assertGreaterEqual(len(self.blocks()), 4)
        server = self.serve()
        again = self.ask_until_cached(server)
        self.assertEqual(text(again), text(first))
        self.assertGreaterEqual(cached(again), 128)
        server.end()

    def test_is_warm_after_a_kill_under_load_and_ignores_damage(self) -> None:
        server = self.serve()
        first = server.complete(PROMPT)

        def load(seed: int) -> None:
            try:
                for i in range(1000):
                    server.complete([(seed * 37 + i * 11 + k) % 200 + 5 for k in range(100)], 4)
            except OSError:
                pass
        threads = [threading.Thread(target=load, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        while len(self.blocks()) < 12:
            pass
        server.end(kill=True)
        for thread in threads:
            thread.join()

        server = self.serve()
        again = self.ask_until_cached(server)
        self.assertEqual(text(again), text(first))
        self.assertGreaterEqual(cached(again), 128)
        server.end(kill=True)

        for path in self.blocks():
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 4
            path.write_bytes(data)
        server = self.serve()
        self.assertEqual(text(server.complete(PROMPT)), text(first))
        server.end()
        server = self.serve("--kv-cache-dtype", "float32")
        other = self.serve("--kv-cache-dtype", "bfloat16")
        self.assertEqual(text(server.complete(PROMPT)), text(first))
        server.end()
        other.end()


if __name__ == "__main__":
    unittest.main()
