#!/usr/bin/env python3
"""`octavo serve` as its clients see it: the openai package, curl and plain sockets.

Needs the program (OCTAVO, else build/release/bin/octavo) and a model directory with a tokenizer (OCTAVO_MODEL, else models/demo); skips and says why."""
from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import unittest
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

PROGRAM = Path(os.environ.get("OCTAVO", "build/release/bin/octavo"))
MODEL = os.environ.get("OCTAVO_MODEL", "models/demo")
KEY = "end-to-end-key"
STORY = "Once upon a time there was a small mill by the river"


class Server:
    """The program on a free port; its one line on stdout says which."""

    def __init__(self, *flags: str) -> None:
        args = [str(PROGRAM), "serve", MODEL, "--port", "0", "--served-model-name", "m", "--max-model-len", "256", *flags]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "http://" in line, f"no ready line: {line!r}"
        self.url = line[line.index("http://"):].strip()
        host, port = self.url.removeprefix("http://").split(":")
        self.address = (host, int(port))

    def call(self, path: str, body: Any = None, key: str = KEY) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=60) as answer:
                text, status = answer.read().decode(), answer.status
        except urllib.error.HTTPError as error:
            text, status = error.read().decode(), error.code
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@unittest.skipUnless(PROGRAM.is_file(), f"{PROGRAM} is not built")
@unittest.skipUnless(MODEL, "OCTAVO_MODEL names no model directory")
class ServeTest(unittest.TestCase):
    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server("--api-key", KEY)

    @classmethod
    def tearDownClass(cls) -> None:
        assert cls.server.end() == 0

    def complete(self, **fields: Any) -> Any:
        body = {"prompt": STORY, "max_tokens": 12, "temperature": 0, "ignore_eos": True, **fields}
        status, answer = self.server.call("/v1/completions", body)
        self.assertEqual(status, 200, answer)
        return answer

    def test_openai_client_streams_what_it_gets_whole(self) -> None:
        try:
            import openai
        except ImportError:
            self.skipTest("the openai package is not installed")
        client = openai.OpenAI(base_url=self.server.url + "/v1", api_key=KEY, max_retries=0, timeout=60)
        question: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 16, "temperature": 0}
        whole = client.chat.completions.create(**question).choices[0].message.content
        pieces = [e.choices[0].delta.content or "" for e in client.chat.completions.create(stream=True, **question) if e.choices]
        self.assertEqual("".join(pieces), whole)
        client.close()

    def test_curl_reads_events(self) -> None:
        if not shutil.which("curl"):
            self.skipTest("curl is not installed")
        body = json.dumps({"prompt": STORY, "max_tokens": 4, "stream": True})
        out = subprocess.run(["curl", "-sN", "-H", f"Authorization: Bearer {KEY}", "-H", "Content-Type: application/json", "-d", body,
                              self.server.url + "/v1/completions"], capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertTrue(out.startswith("data: {") and out.endswith("data: [DONE]\n\n"), out)

    def test_key_is_needed(self) -> None:
        self.assertEqual(self.server.call("/v1/models", key="wrong")[0], 401)
        self.assertEqual(self.server.call("/health", key="wrong")[0], 200)

    def test_stop_string_cuts_the_text(self) -> None:
        text = self.complete()["choices"][0]["text"]
        stop = text[5:8]
        cut = self.complete(stop=stop)["choices"][0]
        self.assertEqual((cut["text"], cut["stop_reason"]), (text[:text.find(stop)], stop))

    def test_prompts_of_one_request_answer_as_if_alone(self) -> None:
        both = self.complete(prompt=[STORY, "The sea"])["choices"]
        for i, prompt in enumerate([STORY, "The sea"]):
            self.assertEqual(both[i]["text"], self.complete(prompt=prompt)["choices"][0]["text"])

    def test_bad_field_is_named(self) -> None:
        status, answer = self.server.call("/v1/completions", {"prompt": "x", "top_p": 2})
        self.assertEqual((status, answer["error"]["param"]), (400, "top_p"))

    def test_client_that_leaves_frees_its_place(self) -> None:
        body = json.dumps({"prompt": STORY, "max_tokens": 200, "ignore_eos": True, "stream": True}).encode()
        with socket.create_connection(self.server.address, 10) as client:
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\nAuthorization: Bearer " + KEY.encode() +
                           b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            client.recv(1)
        # Each answer comes after steps of the engine, so a few of them suffice.
        for _ in range(200):
            self.complete(max_tokens=1)
            if "num_requests_running{model_name=\"m\",engine=\"0\"} 0\n" in self.server.call("/metrics")[1]:
                return
        self.fail("still running")


if __name__ == "__main__":
    unittest.main()
