#!/usr/bin/env python3
"""`octavo run-batch`: batch files in and out, killed and begun again.

Needs the program (OCTAVO, else build/release/bin/octavo) and a model directory with a tokenizer (OCTAVO_MODEL, else models/demo); skips and says why."""
from __future__ import annotations

import json
import os
import subprocess
import tempfile
import unittest
from collections import Counter
from pathlib import Path
from typing import Any

PROGRAM = Path(os.environ.get("OCTAVO", "build/release/bin/octavo"))
MODEL = os.environ.get("OCTAVO_MODEL", "models/demo")


def request(custom_id: str, url: str = "/v1/completions", **body: Any) -> str:
    fields: dict[str, Any] = {"prompt": "Once upon a time", "max_tokens": 6, "temperature": 0} | body
    if url.endswith("chat/completions"):
        fields = {"messages": [{"role": "user", "content": fields.pop("prompt")}]} | fields
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": fields})


@unittest.skipUnless(PROGRAM.is_file(), f"{PROGRAM} is not built")
class RunBatchTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.input, self.output = Path(folder.name) / "in.jsonl", Path(folder.name) / "out.jsonl"

    def command(self) -> list[str]:
        return [str(PROGRAM), "run-batch", MODEL, "-i", str(self.input), "-o", str(self.output), "--max-model-len", "256",
                "--max-num-seqs", "4", "--served-model-name", "m"]

    def run_batch(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(), capture_output=True, text=True, timeout=300, check=False)

    def records(self) -> dict[str, Any]:
        return {record["custom_id"] or record["id"]: record for record in map(json.loads, self.output.read_text().splitlines())}

    def test_answers_requests_and_records_bad_ones(self) -> None:
        lines = [request("whole"), request("chat", "/v1/chat/completions", model="m"), "broken", request("url", "/v1/nothing"),
                 request("model", model="other"), request("field", temperature=-1), request("stream", stream=True)]
        self.input.write_text("\n".join(lines) + "\n")
        done = self.run_batch()
        self.assertEqual(done.returncode, 0, done.stderr)
        found = self.records()
        self.assertEqual(found.keys(), {"whole", "chat", "line-3", "url", "model", "field", "stream"})
        self.assertTrue(found["whole"]["response"]["body"]["choices"][0]["text"])
        self.assertEqual(found["whole"]["response"]["status_code"], 200)
        self.assertTrue(found["whole"]["response"]["request_id"])
        self.assertIsNone(found["whole"]["error"])
        self.assertTrue(found["chat"]["response"]["body"]["choices"][0]["message"]["content"])
        self.assertIsNone(found["line-3"]["response"])
        self.assertEqual(found["url"]["response"]["status_code"], 404)
        self.assertEqual(found["model"]["response"]["status_code"], 404)
        self.assertEqual(found["field"]["response"]["status_code"], 400)
        self.assertEqual(found["field"]["error"]["param"], "temperature")
        self.assertIsNone(found["stream"]["response"])
        before = self.output.read_bytes()
        self.assertEqual(self.run_batch().returncode, 0)
        self.assertEqual(self.output.read_bytes(), before, "nothing is done twice")

    def test_answers_each_once_though_it_is_killed(self) -> None:
        ids = [f"id-{i}" for i in range(60)]
        self.input.write_text("\n".join(request(name, prompt=f"Once there were {i} mills", max_tokens=40) for i, name in enumerate(ids)) + "\n")
        kills = 0
        for wanted in (3, 9, 20):
            with subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                while process.poll() is None:
                    if self.output.exists() and self.output.read_bytes().count(b"\n") >= wanted:
                        process.kill()
                        kills += process.wait() != 0
        self.assertGreater(kills, 0)
        self.assertEqual(self.run_batch().returncode, 0)
        seen = Counter(json.loads(line)["custom_id"] for line in self.output.read_text().splitlines())
        self.assertEqual(seen, Counter(ids))
        killed = {name: record["response"]["body"]["choices"][0]["text"] for name, record in self.records().items()}
        self.output.unlink()
        self.assertEqual(self.run_batch().returncode, 0)
        whole = {name: record["response"]["body"]["choices"][0]["text"] for name, record in self.records().items()}
        self.assertEqual(killed, whole)

    def test_tells_wrong_files_in_one_line(self) -> None:
        done = self.run_batch()
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.input.write_text(request("a") + "\n")
        self.output.write_text("a letter\n")
        self.assertEqual(self.run_batch().returncode, 2)
        self.assertEqual(self.output.read_text(), "a letter\n")


if __name__ == "__main__":
    unittest.main()
