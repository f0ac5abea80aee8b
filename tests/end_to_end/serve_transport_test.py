#!/usr/bin/env python3
"""`octavo serve` over TLS and a Unix socket, with several models, named keys and the requests of vLLM's `bench serve`.

Needs what serve_test.py needs; the certificate is made here with the openssl program."""
from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

PROGRAM = Path(os.environ.get("OCTAVO", "build/release/bin/octavo"))
MODEL = os.environ.get("OCTAVO_MODEL", "models/demo")
STORY = "Once upon a time there was a small mill by the river"


class Server:
    """The program with these flags; `address` is what its ready line says after "on"."""

    def __init__(self, *flags: str) -> None:
        args = [str(PROGRAM), "serve", "--max-model-len", "256", "--num-gpu-blocks-override", "64", *flags]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert " on " in line, f"no ready line: {line!r}"
        self.connections: list[http.client.HTTPConnection] = []
        self.address = line.split(" on ")[-1].strip()

    def connect(self, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        host, port = self.address.split("://")[1].split(":")
        self.connections.append(http.client.HTTPSConnection(host, int(port), timeout=60, context=context) if context else
                                http.client.HTTPConnection(host, int(port), timeout=60))
        return self.connections[-1]

    def end(self) -> int:
        for connection in self.connections:
            connection.close()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


def ask(connection: http.client.HTTPConnection, path: str, body: Any = None, key: str = "") -> tuple[int, Any, http.client.HTTPResponse]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    try:
        return answer.status, json.loads(text), answer
    except ValueError:
        return answer.status, text, answer


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("unix", timeout=60)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


@unittest.skipUnless(PROGRAM.is_file(), f"{PROGRAM} is not built")
@unittest.skipUnless(MODEL, "OCTAVO_MODEL names no model directory")
class TransportTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="octavo-serve-")
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)

    def serve(self, *flags: str) -> Server:
        server = Server(*flags)
        self.addCleanup(server.process.kill)
        return server

    def test_tls(self) -> None:
        if not shutil.which("openssl"):
            self.skipTest("the openssl program is not installed")
        key, certificate = self.path / "key.pem", self.path / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
        server = self.serve(MODEL, "--port", "0", "--ssl-certfile", str(certificate), "--ssl-keyfile", str(key))
        self.assertTrue(server.address.startswith("https://"), server.address)
        trusting = ssl.create_default_context(cafile=str(certificate))
        connection = server.connect(trusting)
        for _ in range(2):   # the second on the same connection
            status, answer, _ = ask(connection, "/v1/completions", {"prompt": STORY, "max_tokens": 4})
            self.assertEqual(status, 200, answer)
        connection.request("POST", "/v1/completions", json.dumps({"prompt": STORY, "max_tokens": 40, "stream": True}),
                           {"Content-Type": "application/json"})
        self.assertTrue(connection.getresponse().read().endswith(b"data: [DONE]\n\n"))
        connection.close()
        plain = server.connect()   # no TLS: the connection ends, the server lives
        with self.assertRaises((http.client.HTTPException, OSError)):
            ask(plain, "/health")
        self.assertEqual(ask(server.connect(trusting), "/health")[0], 200)
        self.assertEqual(server.end(), 0)

    def test_unix_socket(self) -> None:
        path = str(self.path / "octavo.sock")
        server = self.serve(MODEL, "--uds", path)
        self.assertEqual(server.address, "unix:" + path)
        connection = UnixConnection(path)
        self.assertEqual(ask(connection, "/v1/completions", {"prompt": STORY, "max_tokens": 4})[0], 200)
        connection.close()
        self.assertEqual(server.end(), 0)
        self.assertFalse(Path(path).exists())

    def test_several_models_come_and_go(self) -> None:
        server = self.serve(MODEL, MODEL, "--served-model-name", "a", "b", "--port", "0", "--load-on-demand", "--admin-key", "boss",
                            "--api-key", "k")
        connection = server.connect()
        states = lambda: {m["id"]: m["state"] for m in ask(connection, "/v1/models", key="k")[1]["data"]}
        self.assertEqual(states(), {"a": "ready", "b": "unloaded"})
        texts = {}
        for name in "ab":   # the second waits for its model
            status, answer, _ = ask(connection, "/v1/completions", {"model": name, "prompt": STORY, "max_tokens": 8, "temperature": 0}, "k")
            self.assertEqual(status, 200, answer)
            texts[name] = answer["choices"][0]["text"]
        self.assertEqual(texts["a"], texts["b"])
        self.assertEqual(states(), {"a": "ready", "b": "ready"})
        self.assertEqual(ask(connection, "/models/unload", {"model": "b"}, "k")[0], 403)
        self.assertEqual(ask(connection, "/models/unload", {"model": "b"}, "boss")[0], 202)
        deadline = time.monotonic() + 60
        while states()["b"] != "unloaded":
            self.assertLess(time.monotonic(), deadline, "never unloaded")
        self.assertIn('vllm:engine_sleep_state{model_name="b",engine="0",sleep_state="discard_all"} 1', ask(connection, "/metrics", key="k")[1])
        self.assertEqual(server.end(), 0)

    def test_keys_have_quotas_of_their_own(self) -> None:
        keys = self.path / "keys.json"
        keys.write_text(json.dumps({"keys": [{"name": "small", "key": "s", "requests_per_minute": 1}, {"name": "large", "key": "l"}]}))
        server = self.serve(MODEL, "--port", "0", "--api-keys-file", str(keys))
        connection = server.connect()
        body = {"prompt": STORY, "max_tokens": 2}
        self.assertEqual(ask(connection, "/v1/completions", body, "s")[0], 200)
        status, answer, response = ask(connection, "/v1/completions", body, "s")
        self.assertEqual(status, 429, answer)
        self.assertTrue(1 <= int(response.getheader("Retry-After", "0")) <= 60)
        self.assertEqual(ask(connection, "/v1/completions", body, "l")[0], 200)
        metrics = ask(connection, "/metrics", key="l")[1]
        self.assertIn('octavo:key_generation_tokens_total{key="small"} 2', metrics)
        self.assertIn('octavo:key_refused_total{key="small"} 1', metrics)
        self.assertEqual(server.end(), 0)

    def test_requests_of_bench_serve(self) -> None:
        # The bodies that vLLM 0.32's `bench serve` sends to its openai and openai-chat backends.
        server = self.serve(MODEL, "--served-model-name", "m", "--port", "0")
        connection = server.connect()
        common = {"model": "m", "repetition_penalty": 1.0, "stream": True, "stream_options": {"include_usage": True}, "temperature": 0.0,
                  "ignore_eos": True}
        for path, body in (("/v1/completions", {"prompt": STORY, "max_tokens": 6, "logprobs": None}),
                           ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": STORY}]}],
                                                     "max_completion_tokens": 6})):
            status, answer, _ = ask(connection, path, {**common, **body})
            self.assertEqual(status, 200, answer)
            events = [json.loads(e[6:]) for e in answer.split("\n\n") if e.startswith("data: {")]
            self.assertEqual(events[-1]["usage"]["completion_tokens"], 6)
            self.assertTrue(answer.endswith("data: [DONE]\n\n"))
        self.assertEqual(server.end(), 0)

    def test_beam_search_and_deadline(self) -> None:
        server = self.serve(MODEL, "--port", "0")
        connection = server.connect()
        status, answer, _ = ask(connection, "/v1/completions", {"prompt": STORY, "use_beam_search": True, "n": 3, "max_tokens": 6})
        self.assertEqual(status, 200, answer)
        self.assertEqual(len({c["text"] for c in answer["choices"]}), 3)
        status, answer, _ = ask(connection, "/v1/completions", {"prompt": STORY, "max_tokens": 200, "ignore_eos": True, "timeout": 1e-6})
        self.assertEqual((status, answer["error"]["type"]), (504, "GatewayTimeout"))
        self.assertEqual(server.end(), 0)


if __name__ == "__main__":
    unittest.main()
